import { createHash, randomBytes } from "node:crypto";
import { isSignedWith, readCertificate, signWith, verifyCertificate } from "../platform/certificate.ts";
import { type Dialect, HubError, HubHandshake, nonceBytes, PeerHandshake } from "../protocol/index.ts";
import type { ByteStream } from "./stream-connection.ts";
import { encodeFrame } from "./stream-frames.ts";
import { parseAnswer, parseRequest, requestText } from "./stream-request.ts";
import type { StreamWords } from "./stream-words.ts";
import type { DialOptions, ListenOptions, UpgradeRequest } from "./transport.ts";

/** What both sides of a handshake have: what the other says, where to answer, and what TLS has shown. */
export interface HandshakeParts {
  readonly words: StreamWords;
  readonly bytes: ByteStream;
  /** DER of the certificate that the hub has shown on this very connection. */
  readonly hubCertificate: Uint8Array | undefined;
}

/** Asks to be let in, and proves whose key this is. @returns The dialect. Rejects with the hub's refusal. */
export async function askToEnter(
  { words, bytes, hubCertificate }: HandshakeParts,
  path: string,
  { headers, tls: { cert, key } }: Pick<DialOptions, "headers" | "tls">,
): Promise<Dialect> {
  if (cert === undefined || key === undefined)
    throw new HubError("E_IDENTITY", "WebTransport needs a certificate and its key to prove who this is");
  const handshake = new PeerHandshake({
    nonce: randomBytes(nonceBytes),
    certificate: readCertificate(cert).der,
    request: Buffer.from(requestText(path, headers)),
    hubFingerprint: fingerprintOf(hubCertificate),
    sign: (signed) => signWith(key, signed),
  });
  bytes.write(encodeFrame("hello", handshake.hello));
  // A hub that lets nobody in now answers in the place of its challenge.
  let said = await words.next("challenge", "answer");
  if (said.kind === "challenge") {
    bytes.write(encodeFrame("proof", handshake.prove(said.bytes)));
    said = await words.next("answer");
  }
  return parseAnswer(Buffer.from(said.bytes).toString());
}

/**
 * Hears a client out. @returns The request of one that has proven to hold the key of its certificate, which is as good as
 * TLS would have had it. Rejects with `E_IDENTITY`, or for words that do not belong here.
 */
export async function hearRequest(
  { words, bytes, hubCertificate }: HandshakeParts,
  address: string,
  options: Pick<ListenOptions, "clientCertificate" | "tls" | "handshakeTimeoutMs">,
): Promise<UpgradeRequest> {
  const handshake = new HubHandshake({
    nonce: randomBytes(nonceBytes),
    hubFingerprint: fingerprintOf(hubCertificate),
    verify: isSignedWith,
    deadline: performance.now() + options.handshakeTimeoutMs,
  });
  const hello = await words.next("hello");
  bytes.write(encodeFrame("challenge", handshake.hello(hello.bytes, performance.now())));
  const proof = await words.next("proof");
  const { certificate, request } = handshake.proof(proof.bytes, performance.now());
  if (options.clientCertificate === "require")
    verifyCertificate(readCertificate(certificate), readCertificate(String(options.tls.ca)), {
      now: Date.now(),
      usage: "clientAuth",
    });
  return parseRequest(Buffer.from(request).toString(), { address, certificate });
}

function fingerprintOf(certificate: Uint8Array | undefined): Uint8Array {
  if (certificate === undefined) throw new HubError("E_IDENTITY", "the hub has shown no certificate");
  return createHash("sha256").update(certificate).digest();
}
