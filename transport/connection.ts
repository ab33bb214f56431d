import { type Dialect, type ErrorCode, HubError, isErrorCode } from "../protocol/index.ts";

/** Why a connection ended. */
export interface CloseReason {
  readonly code: ErrorCode;
  readonly text: string;
  /** True if the peer ended it or vanished. */
  readonly remote: boolean;
  /** The peer wants to be left alone for so many ms; `undefined`: it has not said. */
  readonly retryAfterMs?: number | undefined;
}

export interface Peer {
  /** `host:port` of the other end. */
  readonly address: string;
  /** The TLS certificate it showed, DER. */
  readonly certificate: Uint8Array | undefined;
}

export interface ConnectionEvents {
  /** One transport message; its bytes are the receiver's until the next turn of the event loop. */
  data(chunk: Uint8Array): void;
  /** There is room again after {@link Connection.send} said `false`. */
  drained(): void;
  /**
   * The peer has hung up: nothing comes any more, and nothing is sent. Who listens ends the connection, when there is time;
   * else it ends at once.
   */
  readonly hungUp?: (() => void) | undefined;
  /** Once, whoever ended it. */
  closed(reason: CloseReason): void;
}

/** Ordered, reliable transport messages between two processes; nothing else. */
export interface Connection {
  readonly peer: Peer;
  /** Bytes that have arrived so far, also of a transport message that is not complete. */
  readonly bytesReceived: number;
  /** Sets who hears of what happens. Until then nothing is read. */
  start(events: ConnectionEvents): void;
  /**
   * Sends transport messages, in order.
   *
   * @param flushed Called when all of them have left this process; never, if the connection ends before.
   * @returns False if the buffer is full: wait for `drained`. What was given is sent all the same.
   */
  send(messages: readonly Uint8Array[], flushed?: () => void): boolean;
  /** Ends it and tells the peer why, if it still listens. Harmless when it has ended. */
  close(reason: { code: ErrorCode; text: string }): void;
  /** Ends it at once, without a word. */
  destroy(reason: { code: ErrorCode; text: string }): void;
}

/** A connection and the dialect both sides agreed on. */
export interface Dialled {
  readonly connection: Connection;
  readonly dialect: Dialect;
  /**
   * Set if the server has not answered yet: what is sent meanwhile it reads once it lets this client in, and then this
   * resolves. If it refuses, the connection ends with its reason, and this rejects.
   */
  readonly answered?: Promise<void> | undefined;
  /** The server has taken the greeting: it is not said again. */
  readonly greeted?: boolean;
  /** The UDP port on which the other side says it takes QUIC. */
  readonly quicPort?: number | undefined;
}

export interface Listener {
  readonly port: number;
  /** Accepts nobody any more; resolves when the port is free. Connections stay. */
  close(): Promise<void>;
}

/** The sentence that carries a reason over the wire: `E_CODE: text`. */
export function formatReason(reason: { code: ErrorCode; text: string }): string {
  return `${reason.code}: ${reason.text}`;
}

/** Reads {@link formatReason}; any other text is a lost link with that text. */
export function parseReason(text: string, remote: boolean): CloseReason {
  const [code = "", ...rest] = text.split(": ");
  if (isErrorCode(code)) return { code, text: rest.join(": "), remote };
  return { code: "E_LINK_LOST", text: text === "" ? "the connection ended" : text, remote };
}

/** A closed connection as an error. */
export function reasonError(reason: CloseReason): HubError {
  return new HubError(reason.code, reason.text, { retryAfterMs: reason.retryAfterMs });
}
