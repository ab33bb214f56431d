import type { Clock } from "../../platform/clock.ts";

/** Another clock, and how many timers of its are armed. */
export class CountingClock implements Clock {
  armed = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wallTime(): number {
    return this.#clock.wallTime();
  }

  atTurnEnd(run: () => void): void {
    this.#clock.atTurnEnd(run);
  }

  after(delayMs: number, run: () => void): () => void {
    let isArmed = true;
    this.armed++;
    const disarm = (): void => {
      if (isArmed) this.armed--;
      isArmed = false;
    };
    const cancel = this.#clock.after(delayMs, () => {
      disarm();
      run();
    });
    return () => {
      disarm();
      cancel();
    };
  }
}
