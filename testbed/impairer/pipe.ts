import type { Socket } from "node:net";
import type { Clock } from "../../platform/clock.ts";
import type { Lane } from "./lane.ts";
import type { StreamPath } from "./stream-path.ts";

/** What happened in one direction, over all connections since the start. */
export interface Tally {
  /** Read from the senders. */
  acceptedBytes: number;
  /** Handed to the receivers' sockets. */
  deliveredBytes: number;
  /** Under way when their connection was reset. */
  droppedBytes: number;
  segments: number;
  /** Segments lost, counted once for each time. */
  losses: number;
  /** How often a sender was no longer read, because the queue or the window was full. */
  pauses: number;
}

export function emptyTally(): Tally {
  return { acceptedBytes: 0, deliveredBytes: 0, droppedBytes: 0, segments: 0, losses: 0, pauses: 0 };
}

export interface PipeParts {
  readonly clock: Clock;
  readonly lane: Lane<Pipe>;
  readonly tally: Tally;
  /** The lane's next wake may be another one now. */
  changed(): void;
}

/** Chunks of one connection that may be under way, however small they are. */
const mostItems = 16_384;

/** A function opens the receiving side; false: not now, {@link Pipe.unblock} follows. */
type Content = Buffer | "end" | (() => boolean);

interface Item {
  readonly dueAt: number;
  readonly content: Content;
}

/** The sockets of a pipe; `undefined`: not open yet. */
export interface PipeEnds {
  readonly from: () => Socket | undefined;
  readonly to: () => Socket | undefined;
}

/** One direction of one connection: reads one socket, and writes to the other what has arrived. */
export class Pipe {
  readonly #parts: PipeParts;
  readonly #path: StreamPath;
  readonly #ends: PipeEnds;
  #windowBytes: number;
  // Invariant: ordered by dueAt; those before #first are done.
  #items: Item[] = [];
  #first = 0;
  #inFlightBytes = 0;
  /** The receiver cannot take anything at present. */
  #blocked = false;
  #paused = false;
  #stopped = false;
  #resetAt = Number.POSITIVE_INFINITY;

  constructor(parts: PipeParts, path: StreamPath, windowBytes: number, ends: PipeEnds) {
    this.#parts = parts;
    this.#path = path;
    this.#windowBytes = windowBytes;
    this.#ends = ends;
  }

  /** The sender connects; the receiver is opened when word of it arrives. */
  start(open: () => boolean): void {
    this.#mark(open);
  }

  accept(chunk: Buffer): void {
    if (this.#stopped) return;
    const { clock, lane, tally } = this.#parts;
    const time = lane.timeAt(clock.now());
    const { runs, segments, losses } = this.#path.plan(time, chunk.length);
    let from = 0;
    for (const { bytes, dueAt } of runs) {
      this.#items.push({ dueAt, content: chunk.subarray(from, from + bytes) });
      from += bytes;
    }
    this.#inFlightBytes += chunk.length;
    tally.acceptedBytes += chunk.length;
    tally.segments += segments;
    tally.losses += losses;
    this.run();
  }

  /** The sender has sent all it wants to. */
  end(): void {
    if (!this.#stopped) this.#mark("end");
  }

  /** The sender is gone; the receiver learns it after all that came before. */
  reset(): void {
    if (this.#stopped) return;
    const { clock, lane } = this.#parts;
    this.#resetAt = Math.min(this.#resetAt, this.#path.planMark(lane.timeAt(clock.now())));
    this.run();
  }

  /** The receiver is gone, or the connection was cut: drops what is under way. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#parts.tally.droppedBytes += this.#inFlightBytes;
    this.#inFlightBytes = 0;
    this.#items = [];
    this.#parts.lane.set(this, Number.POSITIVE_INFINITY);
    this.#ends.from()?.pause();
  }

  /** The receiver takes more. */
  unblock(): void {
    this.#blocked = false;
    this.run();
  }

  set(windowBytes: number): void {
    this.#windowBytes = windowBytes;
    this.run();
  }

  inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Delivers what is due, reads on if there is room, and says when to come back. */
  run(): void {
    if (this.#stopped) return;
    const { clock, lane } = this.#parts;
    const now = clock.now();
    const time = lane.timeAt(now);
    if (!lane.isFrozen()) {
      this.#deliver(time);
      if (this.#resetAt <= time) {
        this.stop();
        reset(this.#ends.to());
        return;
      }
    }
    this.#readIfRoom(time);
    lane.set(this, this.#nextWakeAt(time));
    this.#parts.changed();
  }

  #mark(content: Content): void {
    const { clock, lane } = this.#parts;
    this.#items.push({ dueAt: this.#path.planMark(lane.timeAt(clock.now())), content });
    this.run();
  }

  #deliver(time: number): void {
    const to = this.#ends.to();
    to?.cork();
    for (;;) {
      const item = this.#items[this.#first];
      if (item === undefined || item.dueAt > time || this.#blocked) break;
      if (this.#handOver(item.content)) this.#first += 1;
    }
    to?.uncork();
    this.#forget();
  }

  /** @returns Whether it is done; the receiver may be blocked for what follows in either case. */
  #handOver(content: Content): boolean {
    if (typeof content === "function") {
      this.#blocked = !content();
      return !this.#blocked;
    }
    if (content === "end") return this.#handOverEnd();
    this.#inFlightBytes -= content.length;
    this.#parts.tally.deliveredBytes += content.length;
    this.#blocked = this.#ends.to()?.write(content) === false;
    return true;
  }

  /** Not before all else has left the socket: one that is about to end cannot be reset. */
  #handOverEnd(): boolean {
    const to = this.#ends.to();
    if (to === undefined || to.writableLength === 0) {
      to?.end();
      return true;
    }
    this.#blocked = true;
    to.write("", () => this.unblock());
    return false;
  }

  /** Frees what is done, in steps that cost nothing on average. */
  #forget(): void {
    if (this.#first === this.#items.length) this.#items.length = 0;
    else if (this.#first > 1_024 && this.#first * 2 > this.#items.length) this.#items.splice(0, this.#first);
    else return;
    this.#first = 0;
  }

  #readIfRoom(time: number): void {
    const full =
      this.#inFlightBytes >= this.#windowBytes ||
      this.#items.length - this.#first >= mostItems ||
      this.#path.roomAt(time) > time;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) {
      this.#parts.tally.pauses += 1;
      this.#ends.from()?.pause();
    } else this.#ends.from()?.resume();
  }

  #nextWakeAt(time: number): number {
    const next = this.#blocked ? undefined : this.#items[this.#first];
    const roomAt = this.#paused ? this.#path.roomAt(time) : time;
    return Math.min(
      next?.dueAt ?? Number.POSITIVE_INFINITY,
      roomAt > time ? roomAt : Number.POSITIVE_INFINITY,
      this.#resetAt,
    );
  }
}

/**
 * Ends a socket so that its peer sees a reset. Node.js loses a socket, file descriptor and all, that is reset
 * while its end is being sent: that comes first then, and takes a turn of the event loop.
 */
export function reset(socket: Socket | undefined): void {
  if (socket === undefined || socket.destroyed) return;
  if (socket.connecting) socket.destroy();
  else if (socket.writableEnded && !socket.writableFinished) socket.once("finish", () => reset(socket));
  else socket.resetAndDestroy();
}
