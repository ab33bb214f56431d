import { readFileSync } from "node:fs";

/** What Go's crypto/x509 says of a certificate. */
interface CertificateInfo {
  readonly subject: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly isCA: boolean;
  /** 1 serverAuth, 2 clientAuth. */
  readonly extKeyUsage: readonly number[];
  readonly dnsNames: readonly string[] | null;
  readonly ipAddresses: readonly string[] | null;
}

export interface TokenVector {
  readonly name: string;
  readonly accepted: boolean;
  readonly jwt: string;
  readonly token: string;
  readonly authorizationHeader: string;
}

interface ServerVector {
  readonly certPem: string;
  readonly info: CertificateInfo;
}

export interface EdgeVector {
  readonly style: "release-1.15" | "master";
  readonly certPem: string;
  readonly csrDerHex: string;
  readonly csrSubject: string;
  readonly keyPem: string;
  readonly info: CertificateInfo;
}

/** `certificates.json`, described in the README.md beside it. */
export interface CertificateVectors {
  readonly ca: {
    readonly certPem: string;
    readonly certDerHex: string;
    readonly keyPem: string;
    readonly keyDerHex: string;
    readonly sha256: string;
    readonly info: CertificateInfo & { readonly subjectKeyIdHex: string };
  };
  readonly caHashChecks: readonly { readonly hash: string; readonly valid: boolean }[];
  readonly tokens: readonly TokenVector[];
  readonly cloudcore: ServerVector & { readonly keyPem: string; readonly emptyDnsNameVariant: ServerVector };
  readonly edge: readonly EdgeVector[];
  readonly extKeyUsageNumbers: Readonly<Record<string, string>>;
  readonly capturedDeployment: {
    readonly caPem: string;
    readonly caKeyDerHex: string;
    readonly caSha256: string;
    readonly caInfo: CertificateInfo;
    readonly cloudcoreCertPem: string;
    readonly cloudcoreCertInfo: CertificateInfo;
    readonly edgeCertPem: string;
    readonly edgeCertInfo: CertificateInfo;
    readonly edgeCsrDerHex: string;
    readonly token: string;
    /** Unix seconds. */
    readonly tokenExp: number;
  };
}

export type { CertificateInfo };

export const vectors: CertificateVectors = JSON.parse(
  readFileSync(new URL("../fixtures/vectors/certificates.json", import.meta.url), "utf8"),
);

/** Within the life of every certificate of the vectors. */
export const vectorTime = Date.UTC(2026, 11, 1);

export function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, "hex");
}
