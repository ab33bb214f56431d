import { type Certificate, type KeyUsage, readCertificate } from "../../platform/certificate.ts";
import type { Clock } from "../../platform/clock.ts";
import { issueCertificate, leafBackdateMs, readRequest, type Subject } from "../../platform/x509.ts";
import { HubError } from "../../protocol/index.ts";
import type { Pair } from "./pki-directory.ts";

/** Whose key goes into a certificate: a request's (PKCS#10, DER), or a `SubjectPublicKeyInfo` (DER). */
export type CertifiedKey = { readonly request: Uint8Array } | { readonly publicKey: Uint8Array };

/** What a certificate is to say. */
export interface CertificateTerms {
  readonly subject: Subject;
  readonly extendedKeyUsages: readonly KeyUsage[];
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  /** How long it is good for, counted from now. */
  readonly days: number;
}

const dayMs = 86_400_000;

/** Issues certificates under a CA. */
export class Issuer {
  readonly #ca: Pair;
  readonly #clock: Clock;

  constructor(ca: Pair, clock: Clock) {
    this.#ca = ca;
    this.#clock = clock;
  }

  /**
   * Issues a certificate that begins two hours ago and ends with the CA at the latest.
   *
   * Rejects with `E_BAD_MESSAGE` for a request that is damaged, wrongly signed or not for a P-256 key, and with
   * `E_INTERNAL` if this machine's clock is outside the CA's time.
   */
  async issue(key: CertifiedKey, terms: CertificateTerms): Promise<Certificate> {
    const publicKey = "publicKey" in key ? key.publicKey : (await readRequest(key.request)).publicKey;
    const der = await issueCertificate(
      { certificate: this.#ca.certificate.der, key: this.#ca.key },
      {
        publicKey,
        subject: terms.subject,
        usages: terms.extendedKeyUsages,
        alternativeNames: terms.names ?? [],
        ...this.#validity(terms.days),
      },
    );
    return readCertificate(der);
  }

  /** Within the CA's own time: a certificate that outlives its CA is good for nothing. */
  #validity(days: number): { notBefore: number; notAfter: number } {
    const now = this.#clock.wallTime();
    const { notBefore, notAfter } = this.#ca.certificate;
    if (now < notBefore || now > notAfter) {
      const span = `${new Date(notBefore).toISOString()} to ${new Date(notAfter).toISOString()}`;
      const here = new Date(now).toISOString();
      throw new HubError(
        "E_INTERNAL",
        `the CA is valid from ${span} and here it is ${here}; set this machine's clock`,
      );
    }
    return {
      notBefore: Math.max(now - leafBackdateMs, notBefore),
      notAfter: Math.min(now + days * dayMs, notAfter),
    };
  }
}
