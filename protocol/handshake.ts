import { HubError } from "./errors.ts";

/**
 * How a peer proves who it is on a link whose TLS has no client certificates: it signs what both sides have just said to
 * each other, and the certificate that the hub has shown on this very connection, with the key of its own certificate. A
 * recorded handshake is of no use, since the hub's nonce is another one; nor is one that somebody in between passes on,
 * since he shows another certificate. Pure: bytes in, bytes out; docs/transports.md has the conversation.
 *
 *     peer                                                 hub
 *      | -- hello: nonce, certificate, request ------------> |
 *      | <----------------------------- challenge: nonce --- |
 *      | -- proof: signature ------------------------------> |  then the certificate is judged as one of TLS
 */

/** The version of these words: first field of the hello. */
export const handshakeVersion = "cloud-edge-hub handshake 1";
/** First field of what is signed: it keeps the signature from meaning anything elsewhere. */
const purpose = "cloud-edge-hub handshake 1: proof of the peer's key";

/** Length of each side's nonce: random bytes, used once. */
export const nonceBytes = 32;
const fingerprintBytes = 32;
const longestSignature = 1_024;

// ── the peer ─────────────────────────────────────────────────────────────────────────────────────────────

export interface PeerHandshakeOptions {
  readonly nonce: Uint8Array;
  /** DER. */
  readonly certificate: Uint8Array;
  /** What the peer asks for, in the transport's own words; signed with everything else. */
  readonly request: Uint8Array;
  /** SHA-256 of the certificate (DER) that the hub has shown on this connection. */
  readonly hubFingerprint: Uint8Array;
  /** Signs the SHA-256 of the bytes with the certificate's key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

/** The peer's side: say {@link hello}, then answer one challenge. */
export class PeerHandshake {
  readonly hello: Uint8Array;
  readonly #options: PeerHandshakeOptions;
  #isOver = false;

  constructor(options: PeerHandshakeOptions) {
    const { nonce, certificate, request } = options;
    this.#options = options;
    this.hello = fields([utf8(handshakeVersion), nonce, certificate, request]);
  }

  /** @returns The proof. Throws `E_BAD_FRAME` for a challenge that is none, or a second one. */
  prove(challenge: Uint8Array): Uint8Array {
    if (this.#isOver) throw new HubError("E_BAD_FRAME", "a second challenge");
    this.#isOver = true;
    requireNonce(readFields(challenge, 1)[0]);
    const { sign, hubFingerprint } = this.#options;
    return fields([sign(transcript(this.hello, challenge, hubFingerprint))]);
  }
}

// ── the hub ──────────────────────────────────────────────────────────────────────────────────────────────

export interface HubHandshakeOptions {
  readonly nonce: Uint8Array;
  /** SHA-256 of the certificate (DER) that this hub has shown on this connection. */
  readonly hubFingerprint: Uint8Array;
  /** Is it the signature of the certificate's key over the SHA-256 of the bytes? False for a certificate that is none. */
  readonly verify: (certificate: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
  /** Monotonic ms after which nothing is taken any more. */
  readonly deadline: number;
}

/** A peer that has shown to hold the key of this certificate, and what it asks for. */
export interface ProvenPeer {
  readonly certificate: Uint8Array;
  readonly request: Uint8Array;
}

/**
 * The hub's side: one hello, then one proof. Whether the certificate is of this hub's CA, valid, not revoked and of the
 * node that the request names is judged afterwards, by whoever judges a client certificate of TLS.
 */
export class HubHandshake {
  readonly #options: HubHandshakeOptions;
  readonly #challenge: Uint8Array;
  #hello: (ProvenPeer & { readonly bytes: Uint8Array }) | undefined;
  #isOver = false;

  constructor(options: HubHandshakeOptions) {
    this.#options = options;
    this.#challenge = fields([options.nonce]);
  }

  /** When the shell has to give up, monotonic ms; Infinity: the peer has proven itself. */
  nextWakeAt(): number {
    return this.#isOver ? Number.POSITIVE_INFINITY : this.#options.deadline;
  }

  /** @returns The challenge. Throws `E_BAD_FRAME`, `E_TIMEOUT`, or `E_UNSUPPORTED` for words of another version. */
  hello(bytes: Uint8Array, now: number): Uint8Array {
    this.#requireTime(now);
    if (this.#hello !== undefined) throw new HubError("E_BAD_FRAME", "a second hello");
    const [version] = readFields(bytes, undefined);
    if (version === undefined || !isText(version, handshakeVersion))
      throw new HubError("E_UNSUPPORTED", `this hub speaks "${handshakeVersion}"`);
    const [, nonce, certificate, request] = readFields(bytes, 4) as [
      unknown,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    requireNonce(nonce);
    this.#hello = { bytes, certificate, request };
    return this.#challenge;
  }

  /** Throws `E_BAD_FRAME`, `E_TIMEOUT`, or `E_IDENTITY` for a proof that is none; a second try is never good. */
  proof(bytes: Uint8Array, now: number): ProvenPeer {
    this.#requireTime(now);
    const hello = this.#hello;
    if (hello === undefined || this.#isOver)
      throw new HubError("E_BAD_FRAME", "a proof where the handshake has none");
    this.#isOver = true;
    const [signature = bytes] = readFields(bytes, 1);
    const signed = transcript(hello.bytes, this.#challenge, this.#options.hubFingerprint);
    const isGood =
      signature.length <= longestSignature && this.#options.verify(hello.certificate, signed, signature);
    if (!isGood) {
      throw new HubError(
        "E_IDENTITY",
        "the proof was not made with the certificate's key, or was made for another connection",
      );
    }
    return hello;
  }

  #requireTime(now: number): void {
    if (now > this.#options.deadline)
      throw new HubError("E_TIMEOUT", "the handshake was not complete within the time limit");
  }
}

// ── words ────────────────────────────────────────────────────────────────────────────────────────────────

function transcript(hello: Uint8Array, challenge: Uint8Array, hubFingerprint: Uint8Array): Uint8Array {
  if (hubFingerprint.length !== fingerprintBytes)
    throw new HubError("E_INTERNAL", "a handshake needs the SHA-256 of the hub's certificate");
  return fields([utf8(purpose), hello, challenge, hubFingerprint]);
}

/** Each field with its length before it, two bytes: no two lists of fields give the same bytes. */
function fields(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 2 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    if (part.length > 0xffff) throw new HubError("E_TOO_LARGE", "a field of a handshake is too long");
    view.setUint16(at, part.length);
    bytes.set(part, at + 2);
    at += 2 + part.length;
  }
  return bytes;
}

/** @param count How many there must be; `undefined`: any. */
function readFields(bytes: Uint8Array, count: number | undefined): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: Uint8Array[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const end = at + 2 + view.getUint16(at);
    if (end > bytes.length) break;
    found.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (at !== bytes.length || (count !== undefined && found.length !== count))
    throw new HubError(
      "E_BAD_FRAME",
      "a word of the handshake is cut off, or has other fields than it should",
    );
  return found;
}

function requireNonce(nonce: Uint8Array | undefined): void {
  if (nonce?.length !== nonceBytes)
    throw new HubError("E_BAD_FRAME", `a nonce of the handshake has ${nonceBytes} bytes`);
}

const encoder = new TextEncoder();

function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

function isText(bytes: Uint8Array, text: string): boolean {
  const wanted = utf8(text);
  return bytes.length === wanted.length && bytes.every((byte, i) => byte === wanted[i]);
}
