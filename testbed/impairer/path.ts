import type { DirectionProfile } from "./profile.ts";

/**
 * One direction of one link, as a packet sees it: a queue that empties at a rate, then a delay, and chance.
 * Pure: time and chance are arguments. It knows nothing of TCP: what is built on it decides what a loss means
 * (a stall in a stream, see `StreamPath`; a datagram that is gone) and what a full queue means.
 */
export class Path {
  #profile: DirectionProfile;
  readonly #random: () => number;
  /** When the last bit taken has left the queue. */
  #freeAt = Number.NEGATIVE_INFINITY;

  /** @param random Uniform in [0, 1). Asked only where jitter or loss are set. */
  constructor(profile: DirectionProfile, random: () => number) {
    this.#profile = profile;
    this.#random = random;
  }

  /** From now on; what was taken before keeps its time. */
  set(profile: DirectionProfile): void {
    this.#profile = profile;
  }

  /** Takes a packet at this time. @returns When it is at the far end; packets may overtake each other there. */
  pass(now: number, bytes: number): number {
    this.#freeAt = Math.max(now, this.#freeAt) + this.#sendingMs(bytes);
    return this.#freeAt + this.delayMs();
  }

  /** The link carries these bytes once more, after all it has taken so far. */
  repeat(bytes: number): void {
    this.#freeAt += this.#sendingMs(bytes);
  }

  /** Whether the next packet gets lost: draws. */
  loses(): boolean {
    const { lossPercent } = this.#profile;
    return lossPercent > 0 && this.#random() * 100 < lossPercent;
  }

  /** How long the next packet is on its way after the queue: draws. */
  delayMs(): number {
    const { delayMs, jitterMs } = this.#profile;
    return jitterMs === 0 ? delayMs : Math.max(0, delayMs + (this.#random() * 2 - 1) * jitterMs);
  }

  /** When no more than `queueBytes` wait; a time that has passed: there is room. */
  roomAt(): number {
    const { rateBitsPerSecond, queueBytes } = this.#profile;
    return rateBitsPerSecond === 0 ? Number.NEGATIVE_INFINITY : this.#freeAt - this.#sendingMs(queueBytes);
  }

  #sendingMs(bytes: number): number {
    const { rateBitsPerSecond } = this.#profile;
    return rateBitsPerSecond === 0 ? 0 : (bytes * 8_000) / rateBitsPerSecond;
  }
}
