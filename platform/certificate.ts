import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from "node:crypto";
import { SocketAddress } from "node:net";
import { HubError } from "../protocol/index.ts";

/** A private key on one of the NIST curves, in the forms others want. */
export interface PrivateKey {
  /** PEM, label `EC PRIVATE KEY` (SEC1): the one form that Go and OpenSSL both read. Secret. */
  readonly pem: string;
  /** The same as DER: SEC1 `ECPrivateKey`. Secret. */
  readonly sec1: Uint8Array;
  /** The public half: DER of `SubjectPublicKeyInfo`. */
  readonly publicKey: Uint8Array;
}

/** What a certificate says. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly pem: string;
  /** The common name; `undefined` if there is none or more than one. */
  readonly commonName: string | undefined;
  /** The organisation; `undefined` if there is none or more than one. */
  readonly organization: string | undefined;
  /** The issuer's common name; `undefined` if there is none or more than one. */
  readonly issuerName: string | undefined;
  /** Lower-case hex, an even number of digits. */
  readonly serial: string;
  /** First and last moment it is valid, ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER of `SubjectPublicKeyInfo`. */
  readonly publicKey: Uint8Array;
  /** True: its key may sign certificates. */
  readonly isAuthority: boolean;
  /** Object identifiers of its extended key usages; empty: not limited. */
  readonly extendedKeyUsages: readonly string[];
  /** Subject alternative names, IP addresses in their shortest form. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

/** Extended key usages by name (RFC 5280 §4.2.1.12). */
export const keyUsages = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;
export type KeyUsage = keyof typeof keyUsages;

const anyKeyUsage = "2.5.29.37.0";

/** What certificates were read from: to read one again costs as much as half a TLS handshake. */
const sources = new WeakMap<Certificate, X509Certificate>();

/** Curves whose keys are read; new keys are on the first. */
const curves = ["prime256v1", "secp384r1", "secp521r1"];

/** A new ECDSA key on P-256. */
export function createKey(): Promise<PrivateKey> {
  return new Promise((resolve, reject) => {
    generateKeyPair("ec", { namedCurve: "prime256v1" }, (error, _publicKey, privateKey) => {
      if (error) reject(error);
      else resolve(formsOf(privateKey));
    });
  });
}

/**
 * Reads a private key from PEM: SEC1 (`EC PRIVATE KEY`) or PKCS#8 (`PRIVATE KEY`).
 *
 * Throws `E_BAD_OPTION` for anything but an unencrypted key on P-256, P-384 or P-521.
 */
export function readKey(pem: string): PrivateKey {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    const encrypted = pem.includes("ENCRYPTED") ? "it is encrypted" : "it is damaged or no PEM";
    throw new HubError("E_BAD_OPTION", `the private key cannot be read: ${encrypted}`, { cause });
  }
  const curve = key.asymmetricKeyDetails?.namedCurve ?? "";
  if (key.asymmetricKeyType !== "ec" || !curves.includes(curve)) {
    const found = [key.asymmetricKeyType, curve].filter(Boolean).join(" ");
    throw new HubError(
      "E_BAD_OPTION",
      `the private key is of type ${found}; only EC keys on P-256, P-384 or P-521 can be used`,
    );
  }
  return formsOf(key);
}

/** Reads a certificate from PEM (the first one in it) or DER. Throws `E_IDENTITY` if it is none. */
export function readCertificate(source: string | Uint8Array): Certificate {
  try {
    return contentOf(new X509Certificate(source));
  } catch (cause) {
    throw new HubError("E_IDENTITY", "the certificate cannot be read: it is damaged or none", { cause });
  }
}

/** True if the private key is the certificate's. */
export function fits(certificate: Certificate, key: PrivateKey): boolean {
  return new X509Certificate(certificate.der).checkPrivateKey(createPrivateKey(key.pem));
}

/** True if the authority's key signed the certificate and its name stands in it as the issuer's. */
export function isIssuedBy(certificate: Certificate, authority: Certificate): boolean {
  const issuer = sourceOf(authority);
  const issued = sourceOf(certificate);
  return issued.checkIssued(issuer) && issued.verify(issuer.publicKey);
}

function sourceOf(certificate: Certificate): X509Certificate {
  return sources.get(certificate) ?? new X509Certificate(certificate.der);
}

/** True if the certificate may be used so: the usage stands in it, or nothing limits it (RFC 5280 §4.2.1.12). */
export function allows(certificate: Certificate, usage: KeyUsage): boolean {
  const listed = certificate.extendedKeyUsages;
  return listed.length === 0 || listed.includes(keyUsages[usage]) || listed.includes(anyKeyUsage);
}

/**
 * Checks that a peer's certificate was issued by an authority, is valid now and may be used so.
 *
 * @param now Wall clock, ms since 1970.
 * Throws `E_IDENTITY`, saying which of these is wrong and what helps.
 */
export function verifyCertificate(
  certificate: Certificate,
  authority: Certificate,
  { now, usage }: { now: number; usage: KeyUsage },
): void {
  if (certificate.isAuthority) throw untrusted("it is the certificate of an authority, not of a peer");
  if (!isIssuedBy(certificate, authority)) {
    const issuer = certificate.issuerName ?? "nobody";
    throw untrusted(`it was not issued by this authority (its issuer calls itself ${issuer})`);
  }
  if (now < certificate.notBefore) {
    const since = moment(certificate.notBefore);
    throw untrusted(`it is valid from ${since} on and here it is ${moment(now)}; set the clocks right`);
  }
  if (now > certificate.notAfter) {
    throw untrusted(`it ended on ${moment(certificate.notAfter)}; get a new one`);
  }
  if (!allows(certificate, usage)) throw untrusted(`it may not be used for ${usage}`);
}

/** Lower-case hex SHA-256. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Signs the SHA-256 of the bytes with a private key in PEM. @returns For an EC key, DER of the two numbers. */
export function signWith(keyPem: string, bytes: Uint8Array): Uint8Array {
  return sign("sha256", bytes, keyPem);
}

/**
 * True if the signature over the SHA-256 of the bytes was made with the key of this certificate (DER), which must be an EC
 * key on one of the curves that certificates are issued for. False for anything that is no certificate.
 */
export function isSignedWith(certificate: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const { publicKey } = new X509Certificate(certificate);
    if (!curves.includes(publicKey.asymmetricKeyDetails?.namedCurve ?? "")) return false;
    return verify("sha256", bytes, publicKey, signature);
  } catch {
    return false;
  }
}

/** An IP address in its shortest form, in which two can be compared. */
export function shortestAddress(address: string): string {
  return new SocketAddress({ address, family: address.includes(":") ? "ipv6" : "ipv4" }).address;
}

function contentOf(parsed: X509Certificate): Certificate {
  const subject = nameParts(parsed.subject ?? "");
  const issuer = nameParts(parsed.issuer ?? "");
  const { publicKey } = parsed;
  const certificate: Certificate = {
    der: parsed.raw,
    get pem() {
      return parsed.toString();
    },
    commonName: single(subject, "CN"),
    organization: single(subject, "O"),
    issuerName: single(issuer, "CN"),
    serial: parsed.serialNumber.toLowerCase(),
    notBefore: timeOf(parsed.validFrom),
    notAfter: timeOf(parsed.validTo),
    get publicKey() {
      return spkiOf(publicKey);
    },
    isAuthority: parsed.ca,
    extendedKeyUsages: parsed.keyUsage ?? [],
    ...alternativeNames(parsed.subjectAltName ?? ""),
  };
  sources.set(certificate, parsed);
  return certificate;
}

function formsOf(key: KeyObject): PrivateKey {
  return {
    pem: key.export({ type: "sec1", format: "pem" }).toString(),
    sec1: key.export({ type: "sec1", format: "der" }),
    publicKey: spkiOf(createPublicKey(key)),
  };
}

function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ type: "spki", format: "der" });
}

interface NamePart {
  readonly type: string;
  readonly value: string;
}

/**
 * The parts of a name from OpenSSL's text form: one a line, `O=a`; those of one set between plus signs. In a value
 * these and all control characters are escaped. (`toLegacyObject` would be shorter, but Node.js 24 dies of a
 * segmentation fault in it when the certificate's key cannot be decoded.)
 */
function nameParts(text: string): NamePart[] {
  return text.split(/\n| \+ /).map((part) => {
    const at = part.indexOf("=");
    const value = part.slice(at + 1).replace(/(?:\\[0-9A-F]{2})+|\\./g, unescaped);
    return { type: part.slice(0, at), value };
  });
}

/** `\,` or bytes of UTF-8 as `\0A\0B`. */
function unescaped(text: string): string {
  if (!/^\\[0-9A-F]{2}/.test(text)) return text.slice(1);
  return Buffer.from(text.replaceAll("\\", ""), "hex").toString("utf8");
}

/** A name that stands there twice names nobody. */
function single(parts: readonly NamePart[], type: string): string | undefined {
  const [first, ...more] = parts.filter((part) => part.type === type);
  return more.length === 0 ? first?.value : undefined;
}

/** From OpenSSL's text form, `DNS:a, IP Address:1.2.3.4`. Other kinds, and names it had to quote, are left out. */
function alternativeNames(text: string): { dnsNames: string[]; ipAddresses: string[] } {
  const entries = text.split(", ");
  const of = (prefix: string): string[] =>
    entries.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
  return { dnsNames: of("DNS:"), ipAddresses: of("IP Address:").map(shortestAddress) };
}

/** Of OpenSSL's `Nov 20 09:54:30 2026 GMT`. */
function timeOf(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new Error(`no time: ${text}`);
  return time;
}

function moment(time: number): string {
  return new Date(time).toISOString();
}

function untrusted(text: string): HubError {
  return new HubError("E_IDENTITY", `the certificate cannot be accepted: ${text}`);
}
