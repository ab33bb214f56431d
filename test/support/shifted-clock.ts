import { type Clock, systemClock } from "../../platform/clock.ts";

/** The real time with a wall clock that is wrong by so much; it can be set anew while the test runs. */
export class ShiftedClock implements Clock {
  /** Milliseconds ahead of the real time; negative: behind. */
  aheadMs: number;
  readonly now = systemClock.now;
  readonly after = systemClock.after;
  readonly atTurnEnd = systemClock.atTurnEnd;

  constructor(aheadMs: number) {
    this.aheadMs = aheadMs;
  }

  wallTime(): number {
    return Date.now() + this.aheadMs;
  }
}
