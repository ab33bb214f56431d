import type { Clock } from "../../platform/clock.ts";

const firstDelayMs = 100;
const longestDelayMs = 30_000;

/**
 * Things to look at, by key, one after the other. A key that comes while it waits is looked at once; one whose look fails
 * is looked at again, later and later.
 */
export class WorkQueue {
  readonly #look: (key: string) => Promise<void>;
  readonly #failed: (key: string, error: unknown) => void;
  readonly #clock: Clock;
  readonly #waiting = new Set<string>();
  readonly #delays = new Map<string, number>();
  readonly #timers = new Map<string, () => void>();
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(
    parts: { readonly clock: Clock; readonly failed: (key: string, error: unknown) => void },
    look: (key: string) => Promise<void>,
  ) {
    this.#clock = parts.clock;
    this.#failed = parts.failed;
    this.#look = look;
  }

  add(key: string): void {
    if (this.#closed) return;
    this.#waiting.add(key);
    this.#working ??= this.#work();
  }

  /** Ends when the look that is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    await this.#working;
  }

  async #work(): Promise<void> {
    // What was just committed is looked at after whoever committed it has gone on.
    await Promise.resolve();
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#look(key);
        this.#delays.delete(key);
      } catch (error) {
        this.#again(key, error);
      }
    }
    this.#working = undefined;
  }

  #again(key: string, error: unknown): void {
    if (this.#closed) return;
    this.#failed(key, error);
    const delay = this.#delays.get(key) ?? firstDelayMs;
    this.#delays.set(key, Math.min(delay * 2, longestDelayMs));
    this.#timers.get(key)?.();
    const cancel = this.#clock.after(delay, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, cancel);
  }
}
