import type { Clock } from "../platform/clock.ts";
import { type Pace, Pacer } from "../protocol/index.ts";

/** Work that thousands may ask for at once: done in the order in which it was asked for, at a pace that others hardly notice. */
export class PacedWork {
  readonly #clock: Clock;
  readonly #pacer: Pacer;
  readonly #jobs = new Set<() => void>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pacer = new Pacer(pace, clock.now());
  }

  /** Does it when its turn comes: at once, if nobody waits. */
  add(job: () => void): void {
    if (this.#closed) {
      job();
      return;
    }
    this.#jobs.add(job);
    if (this.#cancel === undefined) this.#run();
  }

  /** It need not be done any more. */
  remove(job: () => void): void {
    this.#jobs.delete(job);
  }

  /** Does the first that waits, before its turn. @returns False: nothing waits. */
  doFirst(): boolean {
    const [job] = this.#jobs;
    if (job === undefined) return false;
    this.#jobs.delete(job);
    job();
    return true;
  }

  /** Forgets what waits; what is added from now on does not wait. */
  close(): void {
    this.#closed = true;
    this.#jobs.clear();
    this.#cancel?.();
  }

  #run(): void {
    this.#cancel = undefined;
    for (const job of this.#jobs) {
      if (!this.#pacer.take(this.#clock.now())) {
        const pauseMs = Math.max(this.#pacer.wakeAt() - this.#clock.now(), 1);
        this.#cancel = this.#clock.after(pauseMs, () => this.#run());
        return;
      }
      this.#jobs.delete(job);
      job();
    }
  }
}
