import type {
  QuicClientSession as QuicClient,
  QuicServer,
  QuicServerSession as QuicSession,
  QuicStream,
} from "@currentspace/http3";
import { asHubError, type ErrorCode, HubError } from "../protocol/index.ts";
import { type CloseReason, formatReason, parseReason } from "./connection.ts";
import type { ByteStream } from "./stream-connection.ts";

/** What both ends of our QUIC agree on before anything else. */
export const quicProtocol = "cloud-edge-hub/1";

const packageName = "@currentspace/http3";
export type QuicPackage = typeof import("@currentspace/http3");
export type { QuicClient, QuicServer, QuicSession, QuicStream };

/** Loads the QUIC package on first use. Rejects with `E_UNSUPPORTED`, saying what to install. */
export async function loadQuic(): Promise<QuicPackage> {
  try {
    return await import("@currentspace/http3");
  } catch (cause) {
    throw new HubError(
      "E_UNSUPPORTED",
      `QUIC needs the package ${packageName} and Node.js 24: npm install ${packageName}@0.9 (${asHubError(cause).message.split("\n")[0]})`,
      { cause },
    );
  }
}

/**
 * Options for both ends. A silent connection is kept longer than our own keepalive keeps it. Two streams can be opened,
 * so that a peer that opens a second one is noticed and told. The size of datagrams is the package's affair: it begins
 * with the 1,200 bytes that every path carries (RFC 9000 §14) and tries what else the path lets through.
 */
export const quicTerms = {
  runtimeMode: "portable",
  fallbackPolicy: "error",
  maxIdleTimeoutMs: 30_000,
  initialMaxStreamsBidi: 2,
  initialMaxData: 4 << 20,
  initialMaxStreamDataBidiLocal: 1 << 20,
} as const;

/** The number that goes with a reason; the words say the rest. */
const closeCode = 1;

/** The one stream of a session, and the session that ends with it. */
export class QuicByteStream implements ByteStream {
  readonly #session: QuicClient | QuicSession;
  readonly #stream: QuicStream | undefined;
  #ended = false;

  constructor(session: QuicClient | QuicSession, stream?: QuicStream) {
    this.#session = session;
    this.#stream = stream;
  }

  write(bytes: Uint8Array, written?: () => void): void {
    if (this.#ended || this.#stream === undefined || this.#stream.destroyed) return;
    this.#stream.write(bytes, (error) => error || written?.());
  }

  end(reason: { code: ErrorCode; text: string }): void {
    if (this.#ended) return;
    this.#ended = true;
    const words = reason.text === "" ? "" : formatReason(reason).slice(0, 500);
    // The client's session gives a promise, the server's nothing; neither tells more than the event `close`.
    void Promise.resolve(this.#session.close(closeCode, words)).catch(() => undefined);
  }
}

/** What a session's end says: the peer's words, or what TLS had against a certificate. */
export function reasonOfClose(info: { errorCode: number; reason: string }): CloseReason {
  const reason = parseReason(info.reason, true);
  // RFC 9000 §20.1: a failed handshake closes with 0x100 and the number of the TLS alert.
  const alert = info.errorCode - 0x100;
  if (reason.code !== "E_LINK_LOST" || alert < 0 || alert > 0xff) return reason;
  const words = info.reason === "" ? `a certificate is not good (TLS alert ${alert})` : info.reason;
  return { code: "E_IDENTITY", text: words, remote: true };
}
