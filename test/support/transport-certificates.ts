import { createKey, type KeyUsage, readCertificate } from "../../platform/certificate.ts";
import { createAuthority, issueCertificate } from "../../platform/x509.ts";

const day = 86_400_000;

/** A certificate and its key, PEM, and whoever issued it. */
export interface TestTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority in memory that issues whatever a test needs. */
export interface TestAuthority {
  readonly ca: string;
  issue(
    commonName: string,
    usages: readonly KeyUsage[],
    more?: { names?: readonly string[]; notAfter?: number },
  ): Promise<TestTls>;
}

export async function testAuthority(commonName = "test-ca"): Promise<TestAuthority> {
  const notBefore = Date.now() - 2 * day;
  const key = await createKey();
  const der = await createAuthority(key, { subject: { commonName }, notBefore, notAfter: Date.now() + day });
  const ca = readCertificate(der).pem;
  return {
    ca,
    async issue(name, usages, { names = ["localhost", "127.0.0.1"], notAfter = Date.now() + day } = {}) {
      const own = await createKey();
      const leaf = {
        subject: { commonName: name },
        usages,
        alternativeNames: names,
        publicKey: own.publicKey,
        notBefore,
        notAfter,
      };
      const issued = await issueCertificate({ certificate: der, key }, leaf);
      return { ca, cert: readCertificate(issued).pem, key: own.pem };
    },
  };
}
