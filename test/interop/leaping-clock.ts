import type { Clock } from "../../platform/clock.ts";

interface Timer {
  readonly at: number;
  readonly run: () => void;
  cancel: () => void;
}

/**
 * Real time that a test pushes forward: sockets, disks and timers go on as ever, and what falls due during a leap
 * runs at once, in the order of its time.
 */
export class LeapingClock implements Clock {
  readonly #timers = new Set<Timer>();
  #ahead = 0;

  now(): number {
    return performance.now() + this.#ahead;
  }

  wallTime(): number {
    return Math.floor(Date.now() + this.#ahead);
  }

  after(delayMs: number, run: () => void): () => void {
    const timer: Timer = { at: this.now() + delayMs, run, cancel: () => {} };
    this.#timers.add(timer);
    this.#arm(timer);
    return () => this.#remove(timer);
  }

  atTurnEnd(run: () => void): void {
    setImmediate(run);
  }

  /** Pushes time forward. The event loop turns a few times behind each timer that runs. */
  async leap(ms: number): Promise<void> {
    const end = this.now() + ms;
    for (let next = this.#first(); next !== undefined && next.at <= end; next = this.#first()) {
      this.#moveTo(next.at);
      this.#fire(next);
      await turns();
    }
    this.#moveTo(end);
    for (const timer of this.#timers) this.#arm(timer);
    await turns();
  }

  #moveTo(at: number): void {
    this.#ahead += Math.max(at - this.now(), 0);
  }

  #first(): Timer | undefined {
    return [...this.#timers].sort((a, b) => a.at - b.at)[0];
  }

  #arm(timer: Timer): void {
    timer.cancel();
    const armed = setTimeout(
      () => this.#fire(timer),
      Math.min(Math.max(timer.at - this.now(), 0), 2 ** 31 - 1),
    );
    timer.cancel = () => clearTimeout(armed);
  }

  #fire(timer: Timer): void {
    this.#remove(timer);
    timer.run();
  }

  #remove(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}
