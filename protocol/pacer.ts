export interface Pace {
  /** So many at once. */
  readonly burst: number;
  /** And so many per second in the long run. */
  readonly perSecond: number;
}

/** Decides when the next one may go to a peer that loses what comes too fast. Pure; monotonic milliseconds. */
export class Pacer {
  readonly #burst: number;
  readonly #everyMs: number;
  #credit: number;
  #at: number;

  constructor({ burst, perSecond }: Pace, now: number) {
    this.#burst = burst;
    this.#everyMs = 1_000 / perSecond;
    this.#credit = burst;
    this.#at = now;
  }

  /** @returns True if one may go now; it counts as gone. */
  take(now: number): boolean {
    this.#credit = Math.min(this.#burst, this.#credit + Math.max(0, now - this.#at) / this.#everyMs);
    this.#at = Math.max(this.#at, now);
    if (this.#credit < 1 - 1e-9) return false;
    this.#credit -= 1;
    return true;
  }

  /** True: nothing has gone for so long that a whole burst may. */
  isFull(now: number): boolean {
    return this.#credit + Math.max(0, now - this.#at) / this.#everyMs >= this.#burst - 1e-9;
  }

  /** When {@link take} will say yes. */
  wakeAt(): number {
    return this.#at + Math.max(0, 1 - this.#credit) * this.#everyMs;
  }
}
