import type { Path } from "./path.ts";

/** Bytes of a TCP segment on an ordinary link. */
export const segmentBytes = 1_400;
/** Linux's least retransmission time, and its first one for a connection that is being set up (RFC 6298). */
const leastRetransmitMs = 200;
const handshakeRetransmitMs = 1_000;
/** RFC 6298 §2.5 allows a bound of 60 s or more; Linux takes 120 s. */
const mostRetransmitMs = 120_000;
/** As Linux's `tcp_retries2` and `tcp_syn_retries`; where it would give up, we let the segment through. */
const mostRetransmissions = 15;
const mostHandshakeRetransmissions = 6;

/** Consecutive bytes that arrive together. */
export interface Run {
  readonly bytes: number;
  readonly dueAt: number;
}

export interface Plan {
  readonly runs: readonly Run[];
  readonly segments: number;
  /** How often a segment was lost; more than once for one segment counts each time. */
  readonly losses: number;
}

/**
 * One direction of one TCP connection over a {@link Path}. TCP hides a loss by sending again, so it shows as
 * time: the lost segment is late by a retransmission time (200 ms or the round trip, whichever is more;
 * twice that for its second loss, …), and all behind it waits until it is there, then arrives at once.
 *
 *   sent      1 2 3 4 5 6           2 is lost
 *   arrives   1 . . . . . 2 3 4 5 6
 *
 * Losses that overlap cost no more than the longest of them, as with selective acknowledgements.
 */
export class StreamPath {
  readonly #path: Path;
  readonly #openAt: number;
  #retransmitMs: number;
  // Invariant: never goes back; the order of bytes is the order of calls.
  #arrivedAt = Number.NEGATIVE_INFINITY;

  /** @param openAt When the connection stands: what is sent earlier waits until then. */
  constructor(path: Path, openAt: number, roundTripMs: number) {
    this.#path = path;
    this.#openAt = openAt;
    this.#retransmitMs = Math.max(leastRetransmitMs, roundTripMs);
  }

  /** The round trip from now on; the profile is changed at the path itself. */
  setRoundTrip(roundTripMs: number): void {
    this.#retransmitMs = Math.max(leastRetransmitMs, roundTripMs);
  }

  /** When these bytes, sent now, arrive: segment by segment, those that arrive together as one run. */
  plan(now: number, bytes: number): Plan {
    const runs: { bytes: number; dueAt: number }[] = [];
    let losses = 0;
    let segments = 0;
    for (let left = bytes; left > 0; left -= segmentBytes) {
      const size = Math.min(left, segmentBytes);
      losses += this.#send(now, size);
      segments += 1;
      const last = runs.at(-1);
      if (last?.dueAt === this.#arrivedAt) last.bytes += size;
      else runs.push({ bytes: size, dueAt: this.#arrivedAt });
    }
    return { runs, segments, losses };
  }

  /** When a mark without bytes, sent now, arrives: the end of the handshake, the end of the stream. */
  planMark(now: number): number {
    this.#send(now, 0);
    return this.#arrivedAt;
  }

  /** When no more than `queueBytes` wait; until then the sender should not be read. At most `now`: there is room. */
  roomAt(now: number): number {
    const roomAt = this.#path.roomAt();
    return roomAt <= this.#openAt ? now : roomAt;
  }

  /** Moves `#arrivedAt` to when the segment arrives. @returns How often it is lost before. */
  #send(now: number, bytes: number): number {
    let arrivesAt = this.#path.pass(Math.max(now, this.#openAt), bytes);
    let waitMs = this.#retransmitMs;
    let losses = 0;
    while (losses < mostRetransmissions && this.#path.loses()) {
      losses += 1;
      this.#path.repeat(bytes);
      arrivesAt += waitMs;
      waitMs = Math.min(waitMs * 2, mostRetransmitMs);
    }
    this.#arrivedAt = Math.max(this.#arrivedAt, arrivesAt);
    return losses;
  }
}

/**
 * How long the connecting side waits until it may send: SYN there and SYN-ACK back, a second more where one
 * of them is lost, then two, four, ….
 */
export function handshakeMs(up: Path, down: Path): number {
  let waitedMs = 0;
  let waitMs = handshakeRetransmitMs;
  for (let tries = 0; tries < mostHandshakeRetransmissions && (up.loses() || down.loses()); tries++) {
    waitedMs += waitMs;
    waitMs *= 2;
  }
  return waitedMs + up.delayMs() + down.delayMs();
}
