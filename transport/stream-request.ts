import { type Dialect, HubError, isErrorCode, nativeDialect } from "../protocol/index.ts";
import type { Peer } from "./connection.ts";
import type { StreamConnection } from "./stream-connection.ts";
import { encodeFrame, StreamFrameReader } from "./stream-frames.ts";
import type { UpgradeRequest } from "./transport.ts";

/**
 * What is said on a stream before it is a connection: the client's request, which carries what an upgrade request of a
 * WebSocket carries, and the server's answer.
 */

/** The client's request. */
export function encodeRequest(path: string, headers: Readonly<Record<string, string>>): Buffer {
  return encodeFrame("request", requestText(path, headers));
}

/** The same without its frame: what {@link parseRequest} reads. */
export function requestText(path: string, headers: Readonly<Record<string, string>>): string {
  return JSON.stringify({ path, headers, dialects: [nativeDialect] });
}

/** Reads {@link encodeRequest}. Throws `E_BAD_FRAME`. */
export function parseRequest(text: string, peer: Peer): UpgradeRequest {
  const said = parseObject(text, "request");
  const headers = new Map<string, string>();
  const { path, dialects } = said;
  if (typeof path !== "string") throw new HubError("E_BAD_FRAME", "the request names no path");
  for (const [name, value] of Object.entries(objectOf(said.headers) ?? {}))
    if (typeof value === "string") headers.set(name.toLowerCase(), value);
  return {
    header: (name) => headers.get(name.toLowerCase()),
    path,
    peer,
    offersNative: Array.isArray(dialects) && dialects.includes(nativeDialect),
  };
}

/** The server lets the client in. */
export function encodeAnswer(dialect: Dialect): Buffer {
  return encodeFrame("answer", JSON.stringify({ dialect }));
}

/** The server does not let the client in. */
export function encodeRefusal({ code, message: text, retryAfterMs }: HubError): Buffer {
  return encodeFrame("answer", JSON.stringify({ code, text: text.slice(0, 2_000), retryAfterMs }));
}

/** Reads the server's answer. Throws the refusal, or `E_BAD_FRAME`. */
export function parseAnswer(text: string): Dialect {
  const said = parseObject(text, "answer");
  if (said.dialect === "native") return said.dialect;
  const { code, text: words, retryAfterMs } = said;
  if (typeof code !== "string" || !isErrorCode(code))
    throw new HubError("E_BAD_FRAME", "an answer that neither lets in nor refuses");
  const wait =
    typeof retryAfterMs === "number" && retryAfterMs > 0 ? Math.min(retryAfterMs, 3_600_000) : undefined;
  throw new HubError(code, typeof words === "string" ? words : "no reason given", { retryAfterMs: wait });
}

function parseObject(text: string, what: string): Record<string, unknown> {
  try {
    const said = objectOf(JSON.parse(text));
    if (said) return said;
  } catch {
    // Told below.
  }
  throw new HubError("E_BAD_FRAME", `the ${what} is no JSON object`);
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return value as Record<string, unknown>;
}

/** Takes the first frame off a stream; what follows is the connection's, which holds it back until it is started. */
export class FirstFrame {
  /** The text of the frame. Rejects with `E_BAD_FRAME`. */
  readonly text: Promise<string>;
  readonly #connection: StreamConnection;
  readonly #wanted: "request" | "answer";
  readonly #reader = new StreamFrameReader(1);
  #resolve: (text: string) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;
  #done = false;

  constructor(wanted: "request" | "answer", connection: StreamConnection) {
    this.#wanted = wanted;
    this.#connection = connection;
    this.text = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Who waits for it hears of it; who has given up does not.
    this.text.catch(() => undefined);
  }

  push(chunk: Uint8Array): void {
    if (this.#done) {
      this.#connection.arrived(chunk);
      return;
    }
    try {
      const [frame] = this.#reader.push(chunk);
      if (frame === undefined) return;
      this.#done = true;
      if (frame.kind !== this.#wanted)
        throw new HubError("E_BAD_FRAME", `the first frame must be the ${this.#wanted}, not ${frame.kind}`);
      this.#resolve(Buffer.from(frame.bytes).toString());
      const rest = this.#reader.takeRest();
      if (rest) this.#connection.arrived(rest);
    } catch (error) {
      this.#done = true;
      this.#reject(error);
    }
  }
}
