import { createPrivateKey, sign } from "node:crypto";
import { HubError } from "../protocol/index.ts";
import type { PrivateKey } from "./certificate.ts";

/**
 * Certificate requests, written by hand: they are the only ASN.1 that an agent writes, once a year, and the library
 * that the hub issues certificates with would stay in its memory for good.
 */

/** Whom a certificate names. */
export interface Subject {
  readonly organization?: string | undefined;
  readonly commonName: string;
}

/** DER of object identifiers. */
const organizationType = Buffer.from("060355040a", "hex");
const commonNameType = Buffer.from("0603550403", "hex");

/** By curve: the hash that goes with it, and DER of ecdsa-with-SHA256, -SHA384, -SHA512 (RFC 5758 §3.2). */
const signatures: Readonly<Record<string, { readonly hash: string; readonly type: Buffer }>> = {
  prime256v1: { hash: "sha256", type: Buffer.from("06082a8648ce3d040302", "hex") },
  secp384r1: { hash: "sha384", type: Buffer.from("06082a8648ce3d040303", "hex") },
  secp521r1: { hash: "sha512", type: Buffer.from("06082a8648ce3d040304", "hex") },
};

const tags = {
  integer: 0x02,
  bits: 0x03,
  utf8: 0x0c,
  printable: 0x13,
  sequence: 0x30,
  set: 0x31,
  first: 0xa0,
};

/** Creates a certificate request (PKCS#10, RFC 2986 §4) without attributes, as Go does. @returns DER. */
export function createRequest(key: PrivateKey, { organization, commonName }: Subject): Uint8Array {
  const privateKey = createPrivateKey(key.pem);
  const signature = signatures[privateKey.asymmetricKeyDetails?.namedCurve ?? ""];
  if (signature === undefined) throw new HubError("E_BAD_OPTION", "the key is on no curve that can sign");
  const version = encoded(tags.integer, Buffer.of(0));
  const name = encoded(
    tags.sequence,
    ...(organization === undefined ? [] : [namePart(organizationType, organization)]),
    namePart(commonNameType, commonName),
  );
  const information = encoded(tags.sequence, version, name, key.publicKey, encoded(tags.first));
  const bits = encoded(tags.bits, Buffer.of(0), sign(signature.hash, information, privateKey));
  return encoded(tags.sequence, information, encoded(tags.sequence, signature.type), bits);
}

/** As printable text wherever that can be: byte for byte what Go writes. */
function namePart(type: Buffer, value: string): Buffer {
  const tag = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value) ? tags.printable : tags.utf8;
  return encoded(tags.set, encoded(tags.sequence, type, encoded(tag, Buffer.from(value))));
}

/** Tag, length, content; a length from 128 on is written as the number of its bytes and these (X.690 §8.1.3). */
function encoded(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const hex = content.length.toString(16);
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, content]);
}
