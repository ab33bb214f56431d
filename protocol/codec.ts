import type { ErrorCode } from "./errors.ts";
import type { Frame, OwnersFrame, Receipt, Refusal, StoredMessage } from "./frame.ts";
import type { Message } from "./message.ts";

/** How frames look on a link. `native` is spoken between our own halves, `kubeedge` with KubeEdge's. */
export type Dialect = "kubeedge" | "native";

export interface FrameLimits {
  /** The largest message taken, in bytes of its frame. */
  readonly maxMessageBytes: number;
}

/** A message that arrived and is to be acknowledged. */
export interface Received {
  readonly position: number;
  readonly message: Message;
}

/**
 * One dialect on one link: turns frames into bytes and bytes into frames, and remembers what the dialect
 * needs to tell acks apart. Pure but for that memory, which is bounded by the messages in flight.
 *
 * Each `Uint8Array` handed out is one transport message (one WebSocket message); several native frames may
 * be joined into one, `kubeedge` texts may not (`joinable`).
 */
export interface LinkCodec {
  readonly dialect: Dialect;
  readonly joinable: boolean;
  /** Will the peer acknowledge this message, which {@link message} has just encoded? If not, it is settled when sent. */
  expectsAck(message: StoredMessage): boolean;
  /** Does the peer answer, sooner or later, all that it is expected to ack? */
  readonly answersAll: boolean;
  /** Does the peer say `resume`? Only then may what follows a refused event be held back. */
  readonly resumes: boolean;
  /** Does the peer want our acks? */
  readonly acknowledges: boolean;
  message(item: StoredMessage, resume: boolean): Uint8Array;
  volatile(message: Message): Uint8Array;
  acks(received: readonly Received[], receipts: readonly Receipt[]): Uint8Array[];
  /** Empty if the dialect has no such word. */
  nack(received: Received, refusal: Refusal): Uint8Array[];
  /** hello, ping, bye, call, reply and what a node has; empty if the dialect has no such word. */
  control(frame: ControlFrame): Uint8Array[];
  /** The peer has acked this. */
  acked(item: StoredMessage): void;
  /** The peer has refused it. @returns True: only the form in which it came; it goes again at once, in another. */
  refused(item: StoredMessage, code: ErrorCode): boolean;
  /** The peer will not ack this any more. */
  forget(position: number): void;
  /**
   * Reads what arrived. `kubeedge`: one whole transport message a call. `native`: any chunks.
   *
   * Throws `E_BAD_FRAME` or `E_TOO_LARGE`; the link must be closed then.
   */
  push(chunk: Uint8Array): Frame[];
}

export type ControlFrame = OwnersFrame | Extract<Frame, { type: "ping" | "bye" }>;
