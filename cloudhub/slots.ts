import type { Clock } from "../platform/clock.ts";
import { HubError } from "../protocol/index.ts";

export interface SlotOptions {
  /** So many at once. */
  readonly atOnce: number;
  /** So many wait until one leaves; more are told when to come again. */
  readonly maxWaiting: number;
}

/** Who waits longer is told to come again. */
const maxWaitMs = 10_000;
/** Who has not left after so long is taken for one that is slow, and does not keep others out. */
const maxHeldMs = 5_000;
const leastRetryMs = 1_000;
const greatestRetryMs = 60_000;
/** How much a single departure says about how fast they follow each other. */
const weight = 0.1;

/**
 * Lets in so many at once, in the order in which they came. Who finds too many waiting is told when to come again, each
 * a bit later than the one before, as fast as slots come free.
 */
export class Slots {
  readonly #clock: Clock;
  readonly #options: SlotOptions;
  /** Called with the way out, or to be told to come again. */
  readonly #waiting = new Set<(leave: () => void) => void>();
  #inside = 0;
  /** Between two departures, ms, while others wait. */
  #gapMs = 10;
  #leftAt: number;
  /** The latest moment somebody was told to come again. */
  #promisedAt = 0;

  constructor(clock: Clock, options: SlotOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#leftAt = clock.now();
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Half of the room is taken: who comes now may soon find none, and then has come in vain. */
  get isCrowded(): boolean {
    return this.#waiting.size >= Math.max(1, this.#options.maxWaiting / 2);
  }

  /** Resolves with the way out, to be called once; later calls do nothing. Rejects with `E_BUSY`. */
  enter(): Promise<() => void> {
    if (this.#inside < this.#options.atOnce && this.#waiting.size === 0)
      return Promise.resolve(this.#enter());
    if (this.#waiting.size >= this.#options.maxWaiting) return Promise.reject(this.#busy());
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(maxWaitMs, () => {
        this.#waiting.delete(letIn);
        reject(this.#busy());
      });
      const letIn = (leave: () => void): void => {
        cancel();
        resolve(leave);
      };
      this.#waiting.add(letIn);
    });
  }

  #enter(): () => void {
    this.#inside++;
    let inside = true;
    const leave = (): void => {
      if (!inside) return;
      inside = false;
      cancel();
      this.#inside--;
      this.#left();
    };
    const cancel = this.#clock.after(maxHeldMs, leave);
    return leave;
  }

  #left(): void {
    const now = this.#clock.now();
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#gapMs += weight * (Math.min(now - this.#leftAt, maxHeldMs) - this.#gapMs);
      this.#waiting.delete(next);
      next(this.#enter());
    }
    this.#leftAt = now;
  }

  #busy(): HubError {
    const now = this.#clock.now();
    const at = Math.max(now + this.#waiting.size * this.#gapMs, this.#promisedAt) + this.#gapMs;
    this.#promisedAt = Math.min(at, now + greatestRetryMs);
    const retryAfterMs = Math.max(leastRetryMs, Math.round(this.#promisedAt - now));
    const text = `${this.#inside} nodes are coming in and ${this.#waiting.size} wait`;
    return new HubError("E_BUSY", text, { retryAfterMs });
  }
}
