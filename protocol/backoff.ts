export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** How a controller connects again: from 0.1 s doubling to 30 s. There are few of them, and a hub that starts again is back in less than a second. */
export const reconnectBackoff: BackoffOptions = { minMs: 100, maxMs: 30_000 };

/** The pause before the next try, doubling with each failure, with full jitter so that peers do not come in step. */
export class Backoff {
  readonly #options: BackoffOptions;
  readonly #random: () => number;
  #failures = 0;

  /** @param random Uniform in [0, 1). */
  constructor(options: BackoffOptions, random: () => number) {
    this.#options = options;
    this.#random = random;
  }

  /** Counts a failure. @returns ms to wait, uniform between 0 and the current bound. */
  next(): number {
    const bound = Math.min(this.#options.minMs * 2 ** Math.min(this.#failures, 40), this.#options.maxMs);
    this.#failures++;
    return this.#random() * bound;
  }

  /** A try succeeded: start again from the shortest pause. */
  reset(): void {
    this.#failures = 0;
  }
}
