import { join } from "node:path";
import {
  type Certificate,
  fits,
  isIssuedBy,
  type PrivateKey,
  readCertificate,
  readKey,
  sha256Hex,
} from "../platform/certificate.ts";
import { makePrivateDirectory, readIfThere, writeDurably } from "../platform/private-files.ts";
import { asHubError, HubError, type NodeId, parseNodeId } from "../protocol/index.ts";

/** Who this machine is to its hub: what it got when it joined. */
export interface Identity {
  readonly node: NodeId;
  /** The hub's CA. */
  readonly caPem: string;
  /** Lower-case hex SHA-256 over the DER of the hub's CA. */
  readonly caHash: string;
  readonly certPem: string;
  /** Secret. */
  readonly keyPem: string;
  /** First and last moment the certificate is valid, ms since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What {@link saveIdentity} keeps. */
export interface IdentityParts {
  readonly node: NodeId;
  readonly ca: Certificate;
  readonly certificate: Certificate;
  readonly key: PrivateKey;
}

const renewAtShare = 0.8;

/**
 * When the certificate is to be renewed: after 80 % of its time, wall clock in ms since 1970. Its time is what
 * stands in it, of which the first two hours were over when it was issued.
 */
export function renewAt({ notBefore, notAfter }: Pick<Identity, "notBefore" | "notAfter">): number {
  return notBefore + (notAfter - notBefore) * renewAtShare;
}

/**
 * Reads the identity from `<directory>/identity.pem` and `ca.crt`.
 *
 * @returns `undefined` if this machine has never joined.
 * Throws `E_STORE_CORRUPT` if a file is damaged, or missing while the other is there; it says which, and what to do.
 */
export function loadIdentity(directory: string): Identity | undefined {
  const files = filesIn(directory);
  const text = read(files.identity);
  if (text === undefined) return undefined;
  const node = parseNodeId(/^node: (.+)$/m.exec(text)?.[1] ?? "");
  if (node === undefined) throw corrupt(files.identity, "it names no node");
  const { certificate, key } = parse(files.identity, () => ({
    certificate: readCertificate(text),
    key: readKey(text),
  }));
  if (!fits(certificate, key)) throw corrupt(files.identity, "its key is not that of its certificate");
  const caText = read(files.ca);
  if (caText === undefined) throw corrupt(files.ca, "it is missing");
  const ca = parse(files.ca, () => readCertificate(caText));
  if (!isIssuedBy(certificate, ca)) throw corrupt(files.ca, `it is not the CA that issued ${files.identity}`);
  return identityOf({ node, ca, certificate, key });
}

/**
 * Keeps an identity. Key and certificate are in one file, which is replaced as a whole: they always fit, whenever
 * the machine stops.
 *
 * Throws `E_STORAGE` or `E_STORAGE_FULL`; what was there before is then still good.
 */
export function saveIdentity(parts: IdentityParts, directory: string): Identity {
  const { node, ca, certificate, key } = parts;
  const files = filesIn(directory);
  makePrivateDirectory(directory);
  if (read(files.ca) !== ca.pem) writeDurably(files.ca, ca.pem, 0o644);
  writeDurably(files.identity, `node: ${node}\n${key.pem}${certificate.pem}`, 0o600);
  return identityOf(parts);
}

function identityOf({ node, ca, certificate, key }: IdentityParts): Identity {
  return {
    node,
    caPem: ca.pem,
    caHash: sha256Hex(ca.der),
    certPem: certificate.pem,
    keyPem: key.pem,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
  };
}

function filesIn(directory: string): { identity: string; ca: string } {
  return { identity: join(directory, "identity.pem"), ca: join(directory, "ca.crt") };
}

function read(file: string): string | undefined {
  try {
    return readIfThere(file);
  } catch (cause) {
    throw corrupt(file, asHubError(cause).message, cause);
  }
}

function parse<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw corrupt(file, asHubError(cause).message, cause);
  }
}

function corrupt(file: string, text: string, cause?: unknown): HubError {
  return new HubError(
    "E_STORE_CORRUPT",
    `${file} cannot be used: ${text}. Nothing has been changed. Restore it from a backup, or delete it and join again ` +
      "with a token made for this node (at the hub: hubctl token create --node <name>)",
    { cause },
  );
}
