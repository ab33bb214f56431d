import type { Http2Session } from "node:http2";
import type { ErrorCode } from "../protocol/index.ts";
import { formatReason } from "./connection.ts";
import type { ByteStream } from "./stream-connection.ts";
import type { Session } from "./webtransport-session.ts";

/** How long a peer may take to go when it has been told why. */
const endGraceMs = 1_000;
/** The number that goes with a reason; the words say the rest. */
const closeCode = 1;

/** The one stream of a WebTransport session, and the connection that ends with it. */
export class SessionStream implements ByteStream {
  readonly #session: Session;
  readonly #connection: Http2Session;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #ended = false;

  constructor(session: Session, connection: Http2Session, writable: WritableStream<Uint8Array>) {
    this.#session = session;
    this.#connection = connection;
    this.#writer = writable.getWriter();
    this.#writer.closed.catch(() => undefined);
  }

  write(bytes: Uint8Array, written?: () => void): void {
    if (this.#ended) return;
    // What cannot be written was on a connection that has ended; that is told elsewhere.
    this.#writer.write(bytes).then(written, () => undefined);
  }

  end(reason: { code: ErrorCode; text: string }): void {
    if (this.#ended) return;
    this.#ended = true;
    endSession(this.#session, this.#connection, reason);
  }
}

/** Ends a session and the connection that carries it; the words reach the peer if they can. */
export function endSession(
  session: Session,
  connection: Http2Session,
  reason: { code: ErrorCode; text: string },
): void {
  if (connection.destroyed) return;
  if (reason.text === "") return void connection.destroy();
  session.close({ closeCode, reason: formatReason(reason).slice(0, 500) });
  const timer = setTimeout(() => connection.destroy(), endGraceMs);
  connection.once("close", () => clearTimeout(timer));
  connection.close();
}
