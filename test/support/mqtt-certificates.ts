import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createKey, type KeyUsage, readCertificate } from "../../platform/certificate.ts";
import { createAuthority, issueCertificate } from "../../platform/x509.ts";

/** PEM files of a CA, of a server on 127.0.0.1 and of a client. */
export interface CertificateFiles {
  readonly ca: string;
  readonly server: { readonly cert: string; readonly key: string };
  readonly client: { readonly cert: string; readonly key: string };
}

const day = 86_400_000;

export async function certificateFiles(directory: string): Promise<CertificateFiles> {
  const validity = { notBefore: Date.now() - day, notAfter: Date.now() + day };
  const caKey = await createKey();
  const authority = await createAuthority(caKey, { subject: { commonName: "test-ca" }, ...validity });
  const file = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const issue = async (name: string, usages: readonly KeyUsage[]) => {
    const key = await createKey();
    const leaf = {
      subject: { commonName: name },
      usages,
      alternativeNames: ["127.0.0.1"],
      publicKey: key.publicKey,
    };
    const certificate = await issueCertificate(
      { certificate: authority, key: caKey },
      { ...leaf, ...validity },
    );
    return {
      cert: file(`${name}.crt`, readCertificate(certificate).pem),
      key: file(`${name}.key`, key.pem),
    };
  };
  return {
    ca: file("ca.crt", readCertificate(authority).pem),
    server: await issue("broker", ["serverAuth"]),
    client: await issue("edge-1", ["clientAuth"]),
  };
}
