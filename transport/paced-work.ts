import type { Clock } from "../platform/clock.ts";
import { type Pace, Pacer } from "../protocol/index.ts";

/** Work that thousands may ask for at once: done in the order in which it was asked for, at a pace that others hardly notice. */
export class PacedWork {
  readonly #clock: Clock;
  readonly #pacer: Pacer;
  readonly #jobs = new Set<() => void>();
  #isRunning = false;

  constructor(clock: Clock, pace: Pace) {
    this.#clock = clock;
    this.#pacer = new Pacer(pace, clock.now());
  }

  add(job: () => void): void {
    this.#jobs.add(job);
    if (!this.#isRunning) this.#run();
  }

  #run(): void {
    this.#isRunning = true;
    for (const job of this.#jobs) {
      if (!this.#pacer.take(this.#clock.now())) {
        this.#clock.after(Math.max(this.#pacer.wakeAt() - this.#clock.now(), 1), () => this.#run());
        return;
      }
      this.#jobs.delete(job);
      job();
    }
    this.#isRunning = false;
  }
}
