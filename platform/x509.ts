import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import { HubError } from "../protocol/index.ts";
import { type KeyUsage, keyUsages, type PrivateKey } from "./certificate.ts";
import type { Subject } from "./certificate-request.ts";

/**
 * Issuing certificates. Reading them needs only node:crypto and is in certificate.ts, and requests are written in
 * certificate-request.ts, so that a program that never issues anything never loads the library.
 */

export type { Subject };

type X509 = typeof import("@peculiar/x509");
type Extension = import("@peculiar/x509").Extension;

/** So much earlier than now a certificate begins, ms: a machine whose clock is behind accepts it at once. */
export const leafBackdateMs = 2 * 60 * 60 * 1000;
/** As {@link leafBackdateMs}, for a certificate authority. */
export const authorityBackdateMs = 24 * 60 * 60 * 1000;

/** When a certificate is valid: first and last moment, ms since 1970, cut to whole seconds. */
export interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Leaf extends Validity {
  readonly subject: Subject;
  /** DER of `SubjectPublicKeyInfo`. */
  readonly publicKey: Uint8Array;
  readonly usages: readonly KeyUsage[];
  /** DNS names and IP addresses; empty ones are left out, and without any there is no such extension. */
  readonly alternativeNames?: readonly string[];
  /** Default: 63 random bits. */
  readonly serial?: bigint;
}

/** What issues: an authority's certificate, DER, and its key. */
export interface Issuer {
  readonly certificate: Uint8Array;
  readonly key: PrivateKey;
}

/**
 * Creates a self-signed certificate authority: critical key usage digitalSignature, keyEncipherment, keyCertSign;
 * serverAuth and clientAuth; CA without path length.
 *
 * @param serial Default 1024.
 * @returns DER. Source: KubeEdge's CA.
 */
export async function createAuthority(
  key: PrivateKey,
  { subject, serial = 1024n, ...validity }: Validity & { subject: Subject; serial?: bigint },
): Promise<Uint8Array> {
  const x509 = await load();
  const flags = x509.KeyUsageFlags;
  const name = nameOf(x509, subject);
  const made = await x509.X509CertificateGenerator.create({
    ...signatureOf(key),
    signingKey: await signingKey(key),
    subject: name,
    issuer: name,
    publicKey: key.publicKey,
    serialNumber: hexOf(serial),
    ...datesOf(validity),
    extensions: [
      new x509.KeyUsagesExtension(flags.digitalSignature | flags.keyEncipherment | flags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([keyUsages.serverAuth, keyUsages.clientAuth]),
      new x509.BasicConstraintsExtension(true, undefined, true),
      await x509.SubjectKeyIdentifierExtension.create(key.publicKey),
    ],
  });
  return new Uint8Array(made.rawData);
}

/**
 * Issues a certificate: critical key usage digitalSignature and keyEncipherment, the extended usages given, the
 * authority's key identifier, alternative names if there are any; nothing else.
 *
 * @returns DER. Source: KubeEdge's server and edge certificates.
 */
export async function issueCertificate(issuer: Issuer, leaf: Leaf): Promise<Uint8Array> {
  const x509 = await load();
  const flags = x509.KeyUsageFlags;
  const authority = new x509.X509Certificate(issuer.certificate);
  const extensions: Extension[] = [
    new x509.KeyUsagesExtension(flags.digitalSignature | flags.keyEncipherment, true),
    new x509.ExtendedKeyUsageExtension(leaf.usages.map((usage) => keyUsages[usage])),
    new x509.AuthorityKeyIdentifierExtension(await keyIdentifierOf(x509, authority)),
  ];
  const names = (leaf.alternativeNames ?? []).filter((name) => name.trim() !== "");
  if (names.length > 0) {
    const typed = names.map((value) => ({ type: isIP(value) ? ("ip" as const) : ("dns" as const), value }));
    // As Go: names first, then addresses.
    typed.sort((a, b) => a.type.localeCompare(b.type));
    extensions.push(new x509.SubjectAlternativeNameExtension(typed));
  }
  const made = await x509.X509CertificateGenerator.create({
    ...signatureOf(issuer.key),
    signingKey: await signingKey(issuer.key),
    subject: nameOf(x509, leaf.subject),
    issuer: authority.subjectName,
    publicKey: leaf.publicKey,
    serialNumber: hexOf(leaf.serial ?? randomSerial()),
    ...datesOf(leaf),
    extensions,
  });
  return new Uint8Array(made.rawData);
}

/**
 * Reads a certificate request (PKCS#10) and checks its signature: whoever sent it has the private key.
 *
 * Rejects with `E_BAD_MESSAGE` if it is damaged, wrongly signed, or for a key that is not ECDSA on P-256.
 */
export async function readRequest(der: Uint8Array): Promise<{ subject: Subject; publicKey: Uint8Array }> {
  const x509 = await load();
  let publicKey: Uint8Array;
  let subject: Subject;
  let signed: boolean;
  try {
    const request = new x509.Pkcs10CertificateRequest(der);
    publicKey = new Uint8Array(request.publicKey.rawData);
    const [commonName = ""] = request.subjectName.getField("CN");
    subject = { commonName, organization: request.subjectName.getField("O")[0] };
    signed = isP256(publicKey) && (await request.verify());
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "the certificate request cannot be read; send PKCS#10 in DER", {
      cause,
    });
  }
  if (!isP256(publicKey)) {
    throw new HubError(
      "E_BAD_MESSAGE",
      "the certificate request is for another kind of key; use ECDSA on P-256",
    );
  }
  if (!signed) throw new HubError("E_BAD_MESSAGE", "the certificate request is not signed with its own key");
  return { subject, publicKey };
}

// ── the library's forms ──────────────────────────────────────────────────────────────────────────────────

let library: Promise<X509> | undefined;

/** Loads the library on first use: a process that issues nothing pays no memory for it. */
function load(): Promise<X509> {
  library ??= withMetadata(() => import("@peculiar/x509"));
  return library;
}

/**
 * The library's dependency container refuses to load unless `Reflect` can keep metadata (the `reflect-metadata`
 * package), though the library stores none. It gets an empty stand-in while it loads; afterwards the global is as
 * it was.
 */
async function withMetadata<T>(work: () => Promise<T>): Promise<T> {
  const global = Reflect as { getMetadata?: unknown; getOwnMetadata?: unknown };
  if (global.getMetadata !== undefined) return await work();
  const nothing = (): undefined => undefined;
  Object.assign(global, { getMetadata: nothing, getOwnMetadata: nothing });
  try {
    return await work();
  } finally {
    if (global.getMetadata === nothing) delete global.getMetadata;
    if (global.getOwnMetadata === nothing) delete global.getOwnMetadata;
  }
}

/** Name parts one after the other, as printable text wherever that can be: byte for byte what Go writes. */
function nameOf(x509: X509, { organization, commonName }: Subject): import("@peculiar/x509").Name {
  const part = (value: string) => [
    /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? { printableString: value } : { utf8String: value },
  ];
  const parts = organization === undefined ? [] : [{ O: part(organization) }];
  return new x509.Name([...parts, { CN: part(commonName) }]);
}

function datesOf({ notBefore, notAfter }: Validity): { notBefore: Date; notAfter: Date } {
  const whole = (time: number): Date => new Date(Math.floor(time / 1000) * 1000);
  return { notBefore: whole(notBefore), notAfter: whole(notAfter) };
}

/** The authority's own key identifier; the hash of its key if it states none. */
async function keyIdentifierOf(
  x509: X509,
  authority: import("@peculiar/x509").X509Certificate,
): Promise<string> {
  const stated = authority.getExtension(x509.SubjectKeyIdentifierExtension);
  return (stated ?? (await x509.SubjectKeyIdentifierExtension.create(authority.publicKey))).keyId;
}

function randomSerial(): bigint {
  return (randomBytes(8).readBigUInt64BE() >> 1n) | 1n;
}

function hexOf(serial: bigint): string {
  const digits = serial.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

const algorithms: Readonly<Record<string, { namedCurve: string; hash: string }>> = {
  prime256v1: { namedCurve: "P-256", hash: "SHA-256" },
  secp384r1: { namedCurve: "P-384", hash: "SHA-384" },
  secp521r1: { namedCurve: "P-521", hash: "SHA-512" },
};

function algorithmOf(key: PrivateKey): { name: string; namedCurve: string; hash: string } {
  const curve = curveOf(key.publicKey);
  const algorithm = curve === undefined ? undefined : algorithms[curve];
  if (algorithm === undefined) throw new HubError("E_BAD_OPTION", "the key is on no curve that can sign");
  return { name: "ECDSA", ...algorithm };
}

function signatureOf(key: PrivateKey): { signingAlgorithm: { name: string; hash: string } } {
  const { name, hash } = algorithmOf(key);
  return { signingAlgorithm: { name, hash } };
}

function signingKey(key: PrivateKey): Promise<webcrypto.CryptoKey> {
  const pkcs8 = createPrivateKey(key.pem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", pkcs8, algorithmOf(key), false, ["sign"]);
}

function curveOf(spki: Uint8Array): string | undefined {
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  return key.asymmetricKeyType === "ec" ? key.asymmetricKeyDetails?.namedCurve : undefined;
}

function isP256(spki: Uint8Array): boolean {
  return curveOf(spki) === "prime256v1";
}
