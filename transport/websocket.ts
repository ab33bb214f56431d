import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type RawData, WebSocket } from "ws";
import { type Dialect, type ErrorCode, HubError, nativeDialect } from "../protocol/index.ts";
import {
  type CloseReason,
  type Connection,
  type ConnectionEvents,
  type Dialled,
  formatReason,
  type Peer,
  parseReason,
} from "./connection.ts";
import { parseRetryAfter } from "./http-refusal.ts";
import { Inflow, type InflowOptions } from "./inflow.ts";
import { type DialOptions, maxGreetingBytes } from "./transport.ts";

/** The request header in which a client offers our dialect, and the answer's. A KubeEdge peer ignores both. */
export const offerHeader = "hub-dialects";
export const choiceHeader = "hub-dialect";
/** In a request: the client's first words in our dialect, base64url; in the answer: they have been taken. */
export const greetingHeader = "hub-greeting";
/** In the answer to a client of our dialect: the UDP port where the same hub takes QUIC. */
export const quicPortHeader = "hub-quic-port";

export const greetingTaken = "taken";

/** Key exchange groups: the default of Node.js costs a thin link 4 KiB more a handshake. */
export const keyExchange = "X25519:P-256:P-384";

/** More than so many unsent bytes and a connection says "full". */
const highWaterBytes = 1 << 20;
/** How long a peer may take to answer a close frame. */
const closeGraceMs = 1_000;
/** Larger TLS records would make a thin link look dead: nothing is heard before a record is complete. */
export const tlsRecordBytes = 4_096;
/** The longest close reason that fits into a close frame. */
const maxReasonBytes = 123;

// ── one connection ───────────────────────────────────────────────────────────────────────────────────────

/** Where a socket has its connection: with listeners of their own, thousands of links would hold megabytes of functions. */
const ofSocket = Symbol("connection");

interface SocketOfConnection {
  [ofSocket]?: WebSocketConnection;
}

/** A listener for the sockets of all connections: it finds the one that it is called for. */
function forSockets<Args extends unknown[]>(
  listener: (connection: WebSocketConnection, ...args: Args) => void,
): (this: object, ...args: Args) => void {
  return function (...args) {
    const connection = (this as SocketOfConnection)[ofSocket];
    if (connection !== undefined) listener(connection, ...args);
  };
}

export class WebSocketConnection implements Connection {
  static readonly #listeners = {
    message: forSockets((connection, data: RawData) => connection.#came(data as Uint8Array)),
    drain: forSockets((connection) => connection.#drained()),
    end: forSockets((connection) => connection.#end()),
    error: forSockets((connection, error: Error) => connection.#failed(error)),
    close: forSockets((connection, _code: number, reason: Buffer) => connection.#closed(reason.toString())),
  };
  readonly peer: Peer;
  readonly #socket: WebSocket;
  readonly #raw: TLSSocket;
  readonly #binary: boolean;
  readonly #side: "client" | "server";
  readonly #inflow: Inflow | undefined;
  #greeting: Uint8Array | undefined;
  #events: ConnectionEvents | undefined;
  #reason: CloseReason | undefined;
  #full = false;
  #hungUp = false;

  /**
   * @param side A server's frames carry no mask: they are written as they are, all of a turn at once.
   * @param inflow How fast the peer is listened to; default: as it talks.
   * @param greeting What the peer has said already, with its request.
   */
  constructor(
    socket: WebSocket,
    raw: TLSSocket,
    about: {
      peer: Peer;
      dialect: Dialect;
      side: "client" | "server";
      inflow?: InflowOptions | undefined;
      greeting?: Uint8Array | undefined;
    },
  ) {
    const { peer, dialect } = about;
    this.#socket = socket;
    this.#raw = raw;
    this.#side = about.side;
    this.#inflow = about.inflow && new Inflow(about.inflow);
    this.#greeting = about.greeting;
    this.#binary = dialect === "native";
    this.peer = peer;
    socket.pause();
    raw.setMaxSendFragment(tlsRecordBytes);
    (socket as SocketOfConnection)[ofSocket] = this;
    (raw as SocketOfConnection)[ofSocket] = this;
    socket.on("error", WebSocketConnection.#listeners.error);
  }

  get bytesReceived(): number {
    return this.#raw.bytesRead;
  }

  start(events: ConnectionEvents): void {
    this.#events = events;
    this.#socket.on("message", WebSocketConnection.#listeners.message);
    this.#socket.on("close", WebSocketConnection.#listeners.close);
    this.#raw.on("drain", WebSocketConnection.#listeners.drain);
    if (events.hungUp !== undefined) this.#leaveEndToOwner();
    this.#socket.resume();
    const greeting = this.#greeting;
    this.#greeting = undefined;
    if (greeting !== undefined) events.data(greeting);
  }

  /** Thousands may hang up in one moment, and `ws` and the socket would end each of them at once. */
  #leaveEndToOwner(): void {
    this.#raw.removeAllListeners("end");
    this.#raw.allowHalfOpen = true;
    this.#raw.on("end", WebSocketConnection.#listeners.end);
  }

  #came(data: Uint8Array): void {
    this.#pace(data.length);
    this.#events?.data(data);
  }

  #drained(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#events?.drained();
  }

  #end(): void {
    this.#hungUp = true;
    // Where one side has said that it closes, the reason is known, and the end was only waited for.
    if (this.#socket.readyState === WebSocket.OPEN) this.#events?.hungUp?.();
    else this.#socket.terminate();
  }

  #failed(error: Error & { code?: string }): void {
    const code: ErrorCode =
      error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH" ? "E_TOO_LARGE" : "E_BAD_FRAME";
    this.#reason ??= error.code?.startsWith("WS_ERR")
      ? { code, text: error.message, remote: true }
      : { code: "E_LINK_LOST", text: error.message, remote: true };
    this.#endSoon();
  }

  #closed(reason: string): void {
    this.#events?.closed(this.#reason ?? parseReason(reason, true));
  }

  /** What comes is not read on before others have had their turn. */
  #pace(bytes: number): void {
    const restMs = this.#inflow?.add(bytes, performance.now());
    if (restMs === undefined || this.#socket.isPaused) return;
    this.#socket.pause();
    const goOn = (): void => this.#socket.resume();
    if (restMs === 0) setImmediate(goOn);
    else setTimeout(goOn, restMs);
  }

  send(messages: readonly Uint8Array[], flushed?: () => void): boolean {
    if (this.#socket.readyState !== WebSocket.OPEN) return true;
    // The kernel would still take it.
    if (this.#hungUp) return false;
    if (this.#side === "server")
      this.#raw.write(serverFrames(messages, this.#binary), flushed && ((error) => error || flushed()));
    else this.#sendMasked(messages, flushed);
    this.#full = this.#socket.bufferedAmount > highWaterBytes;
    return !this.#full;
  }

  #sendMasked(messages: readonly Uint8Array[], flushed?: () => void): void {
    const options = { binary: this.#binary, compress: false };
    if (messages.length > 1) this.#raw.cork();
    messages.forEach((message, i) => {
      const last = i === messages.length - 1;
      this.#socket.send(message, options, (error) => error || !last || flushed?.());
    });
    if (messages.length > 1) this.#raw.uncork();
  }

  close(reason: { code: ErrorCode; text: string }): void {
    this.#reason ??= { ...reason, remote: false };
    this.#socket.resume();
    this.#socket.close(4000, fitting(formatReason(reason)));
    this.#endSoon();
  }

  /** A peer that does not answer the close frame is cut off. */
  #endSoon(): void {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const timer = setTimeout(() => this.#socket.terminate(), closeGraceMs);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  destroy(reason: { code: ErrorCode; text: string }): void {
    this.#reason ??= { ...reason, remote: false };
    this.#socket.terminate();
  }
}

/** Whole frames without mask, back to back. Source: RFC 6455 §5.2. */
function serverFrames(messages: readonly Uint8Array[], binary: boolean): Buffer {
  let length = 0;
  for (const message of messages)
    length += message.length + (message.length < 126 ? 2 : message.length < 65_536 ? 4 : 10);
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const message of messages) {
    const size = message.length;
    out[at] = binary ? 0x82 : 0x81;
    if (size < 126) {
      out[at + 1] = size;
      at += 2;
    } else if (size < 65_536) {
      out[at + 1] = 126;
      at = out.writeUInt16BE(size, at + 2);
    } else {
      out[at + 1] = 127;
      at = out.writeBigUInt64BE(BigInt(size), at + 2);
    }
    out.set(message, at);
    at += size;
  }
  return out;
}

function fitting(text: string): string {
  let short = text;
  while (Buffer.byteLength(short) > maxReasonBytes) short = short.slice(0, -1);
  return short;
}

// ── dialling ─────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Dials a WebSocket over TLS. The dialect is ours if the server takes the offer, else KubeEdge's.
 *
 * Rejects with `E_LINK_LOST`, or with the code the server gave in a refusal.
 */
export function dialWebSocket(url: string, options: DialOptions, signal: AbortSignal): Promise<Dialled> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new HubError("E_ABORTED", "gave up before dialling"));
    let request: ClientRequest | undefined;
    const socket = new WebSocket(url, {
      finishRequest: (made) => {
        request = made;
        made.end();
      },
      headers: { ...options.headers, ...offer(options) },
      ...options.tls,
      ecdhCurve: keyExchange,
      handshakeTimeout: options.handshakeTimeoutMs,
      maxPayload: options.maxMessageBytes + 64 * 1024,
      perMessageDeflate: false,
      skipUTF8Validation: true,
      followRedirects: false,
    });
    const abort = (): void => socket.terminate();
    signal.addEventListener("abort", abort, { once: true });
    const failed = (error: Error): void => {
      signal.removeEventListener("abort", abort);
      reject(signal.aborted ? new HubError("E_ABORTED", "gave up dialling") : dialError(error, url));
    };
    socket.once("error", failed);
    // Node.js lets go of the socket when an answer that is no upgrade has ended; what happens to it then is nobody's concern.
    request?.once("socket", (raw) => raw.on("error", ignored));
    const { connectTimeoutMs } = options;
    if (connectTimeoutMs !== undefined) request?.once("socket", (raw) => expectAnswer(raw, connectTimeoutMs));
    socket.once("unexpected-response", (request, response) => {
      void refusalOf(response).then((error) => {
        request.destroy();
        failed(error);
      });
    });
    socket.once("upgrade", (response: IncomingMessage) => {
      const raw = response.socket as TLSSocket;
      raw.setNoDelay(true);
      if (options.onSession) raw.on("session", options.onSession);
      const dialect: Dialect = response.headers[choiceHeader] === nativeDialect ? "native" : "kubeedge";
      socket.once("open", () => {
        socket.off("error", failed);
        signal.removeEventListener("abort", abort);
        if (options.probeEveryMs > 0 && dialect === "kubeedge") probe(socket, options.probeEveryMs);
        const peer = { address: addressOf(raw), certificate: raw.getPeerX509Certificate?.()?.raw };
        resolve({
          connection: new WebSocketConnection(socket, raw, { peer, dialect, side: "client" }),
          dialect,
          greeted: dialect === "native" && response.headers[greetingHeader] === greetingTaken,
          quicPort: dialect === "native" ? parsePort(response.headers[quicPortHeader]) : undefined,
        });
      });
    });
  });
}

function offer({ offerNative, greeting }: DialOptions): Record<string, string> {
  if (!offerNative) return {};
  const said = greeting && { [greetingHeader]: Buffer.from(greeting).toString("base64url") };
  return { [offerHeader]: nativeDialect, ...said };
}

/** Reads a request's greeting. Throws `E_BAD_FRAME`. */
export function readGreeting(header: string | undefined): Uint8Array | undefined {
  if (header === undefined) return undefined;
  const bytes = Buffer.from(header, "base64url");
  if (bytes.length > maxGreetingBytes || bytes.toString("base64url") !== header)
    throw new HubError(
      "E_BAD_FRAME",
      `the header ${greetingHeader} is not base64url, or has more than ${maxGreetingBytes} bytes`,
    );
  return bytes;
}

function ignored(): void {}

/** The port that a hub has named in the header for QUIC; `undefined`: none. */
export function parsePort(header: string | string[] | undefined): number | undefined {
  const port = typeof header === "string" && /^\d{1,5}$/.test(header) ? Number(header) : 0;
  return port > 0 && port <= 65_535 ? port : undefined;
}

/** A path that swallows everything answers nothing: waiting for TCP's own repeats would take ever longer. */
function expectAnswer(raw: Socket, timeoutMs: number): void {
  const timer = setTimeout(() => {
    raw.destroy(new HubError("E_TIMEOUT", `nobody answered within ${timeoutMs / 1_000} s`));
  }, timeoutMs);
  raw.once("connect", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
}

/** A stock cloud answers nothing of its own, but its WebSocket library answers pings. */
function probe(socket: WebSocket, everyMs: number): void {
  let answered = true;
  socket.on("pong", () => (answered = true));
  const timer = setInterval(() => {
    if (!answered) return socket.terminate();
    answered = false;
    socket.ping();
  }, everyMs);
  socket.once("close", () => clearInterval(timer));
}

async function refusalOf(response: IncomingMessage): Promise<HubError> {
  let text = "";
  try {
    for await (const chunk of response) {
      text += chunk;
      if (text.length > 2_000) break;
    }
  } catch {
    // The status is enough.
  }
  const reason = parseReason(text.trim(), true);
  const said = text === "" ? "" : `: ${reason.text}`;
  return new HubError(
    reason.code,
    reason.code === "E_LINK_LOST" ? `the hub answered ${response.statusCode}${said}` : reason.text,
    { retryAfterMs: parseRetryAfter(response.headers["retry-after"]) },
  );
}

/** Why there is no connection: TLS, or everything else. */
export function dialError(error: Error, url: string): HubError {
  if (error instanceof HubError) return error;
  const code = (error as { code?: string }).code ?? "";
  const isTls = /CERT|SIGNATURE|SIGNED|ISSUER|ERR_TLS|SSL/.test(code);
  const text = `${url}: ${error.message || code || "no connection"}`;
  return new HubError(isTls ? "E_IDENTITY" : "E_LINK_LOST", text, { cause: error, retryable: true });
}

export function addressOf(socket: Socket): string {
  return `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
}
