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

  /** Nobody could have heard the try: it disturbs nobody to try again soon. No failure is counted. */
  soon(): number {
    return this.#random() * this.#options.minMs;
  }

  /**
   * The peer has said when to come again. No failure is counted.
   *
   * @returns ms to wait: no less than it said, and up to half as long again, so that those it told the same do not
   *   come in step.
   */
  told(retryAfterMs: number): number {
    return retryAfterMs * (1 + this.#random() / 2);
  }

  /** A try succeeded: start again from the shortest pause. */
  reset(): void {
    this.#failures = 0;
  }
}
