import { type Pace, Pacer } from "../protocol/index.ts";
import type { Connection } from "./connection.ts";

/**
 * Frames are joined into transport messages of about so many bytes: few enough for speed, and small enough that
 * a thin link brings one, and with it an ack, every few seconds.
 */
const joinedBytes = 16 << 10;
/** So many messages wait for their turn at a peer that must be paced; more are dropped. */
const maxPaced = 200;

interface Unanswered {
  readonly bytes: Uint8Array;
  /** Of a stored message: to be named when it has left. */
  readonly position: number | undefined;
}

/** The sending half of a channel: all output of a turn of the event loop leaves together. */
export class Outgoing {
  readonly #connection: Connection;
  readonly #joinable: boolean;
  readonly #pacer: Pacer | undefined;
  /** Bytes of a transport message, about. */
  #pieceBytes = joinedBytes;
  readonly #left: (positions: readonly number[]) => void;
  #messages: Uint8Array[] = [];
  #positions: number[] = [];
  #paced: Unanswered[] = [];

  /** @param left Told which unanswered messages have left this process. */
  constructor(
    connection: Connection,
    options: { joinable: boolean; pace: Pace | undefined; now: number },
    left: (positions: readonly number[]) => void,
  ) {
    this.#connection = connection;
    this.#joinable = options.joinable;
    this.#pacer = options.pace && new Pacer(options.pace, options.now);
    this.#left = left;
  }

  add(messages: readonly Uint8Array[]): void {
    for (const message of messages) this.#messages.push(message);
  }

  addOne(message: Uint8Array): void {
    this.#messages.push(message);
  }

  /** A message that the peer answers nothing to. @returns False if too many wait already. */
  addUnanswered(message: Unanswered): boolean {
    if (this.#pacer === undefined) {
      this.#leaves(message);
      return true;
    }
    if (this.#paced.length >= maxPaced) return false;
    this.#paced.push(message);
    return true;
  }

  /** From now on frames are joined into messages of about so many bytes. */
  setPiece(bytes: number): void {
    this.#pieceBytes = Math.min(bytes, joinedBytes);
  }

  /** When something paced may go; Infinity if nothing waits. */
  wakeAt(): number {
    if (this.#pacer === undefined || this.#paced.length === 0) return Number.POSITIVE_INFINITY;
    return this.#pacer.wakeAt();
  }

  /** @returns Bytes sent, and whether the connection has room for more. */
  flush(now: number): { bytes: number; room: boolean } {
    this.#pace(now);
    if (this.#messages.length === 0) return { bytes: 0, room: true };
    const messages =
      this.#joinable && this.#messages.length > 1 ? joined(this.#messages, this.#pieceBytes) : this.#messages;
    const positions = this.#positions;
    this.#messages = [];
    if (positions.length > 0) this.#positions = [];
    let bytes = 0;
    for (const message of messages) bytes += message.length;
    const room = this.#connection.send(
      messages,
      positions.length === 0 ? undefined : () => this.#left(positions),
    );
    return { bytes, room };
  }

  #pace(now: number): void {
    if (this.#pacer === undefined || this.#paced.length === 0) return;
    let gone = 0;
    for (const message of this.#paced) {
      if (!this.#pacer.take(now)) break;
      this.#leaves(message);
      gone++;
    }
    this.#paced = this.#paced.slice(gone);
  }

  #leaves({ bytes, position }: Unanswered): void {
    this.#messages.push(bytes);
    if (position !== undefined) this.#positions.push(position);
  }
}

/** The same bytes in fewer pieces. */
function joined(parts: readonly Uint8Array[], pieceBytes: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let from = 0; from < parts.length; ) {
    let length = (parts[from] as Uint8Array).length;
    let to = from + 1;
    for (; to < parts.length && length + (parts[to] as Uint8Array).length <= pieceBytes; to++)
      length += (parts[to] as Uint8Array).length;
    pieces.push(to === from + 1 ? (parts[from] as Uint8Array) : concatenated(parts, { from, to, length }));
    from = to;
  }
  return pieces;
}

function concatenated(
  parts: readonly Uint8Array[],
  { from, to, length }: { from: number; to: number; length: number },
): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (let i = from; i < to; i++) {
    const part = parts[i] as Uint8Array;
    all.set(part, at);
    at += part.length;
  }
  return all;
}
