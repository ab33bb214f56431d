/** Messages of a priority above 0, and all others. What has no place in a queue (acks, pings, volatile) has no budget. */
export type TrafficClass = "urgent" | "bulk";

/** Bytes that may be sent; 0: any number. */
export interface BudgetLimits {
  readonly perSecond: number;
  readonly perDay: number;
}

/** What of a peer's traffic has a budget. It outlives links. */
export type Budgets = Readonly<Partial<Record<TrafficClass, ByteBudget>>>;

/** What has gone of a day. */
export interface DayUse {
  readonly bytes: number;
  /** When that day is over, monotonic ms. */
  readonly endsAt: number;
}
/** Of the classes of which something has gone. */
export type UsedDays = Readonly<Partial<Record<TrafficClass, DayUse>>>;

/** A day of a budget. */
export const dayMs = 86_400_000;

/**
 * How many bytes of one class may go to one peer. A day begins with the first byte of it and is over 24 hours later; a
 * message that is larger than what is left goes all the same, and the next ones wait longer. Pure; monotonic ms.
 */
export class ByteBudget {
  readonly limits: BudgetLimits;
  /** Of this second: negative while what was sent is not paid for. Invariant: at most `perSecond`. */
  #level: number;
  #at: number;
  #spentToday = 0;
  #dayEndsAt = Number.NEGATIVE_INFINITY;
  #isWaiting = false;
  #waits = 0;

  /** @param used What has gone already of a day that has begun. */
  constructor(limits: BudgetLimits, now: number, used?: DayUse) {
    this.limits = limits;
    this.#level = limits.perSecond;
    this.#at = now;
    if (used === undefined) return;
    this.#spentToday = used.bytes;
    this.#dayEndsAt = used.endsAt;
  }

  /** What has gone of this day; `undefined`: none has begun. */
  used(now: number): DayUse | undefined {
    return now < this.#dayEndsAt ? { bytes: this.#spentToday, endsAt: this.#dayEndsAt } : undefined;
  }

  /** How often a queue has come to a stop for it. */
  get waits(): number {
    return this.#waits;
  }

  /** When a message may go, monotonic ms; now or earlier: at once. */
  freeAt(now: number): number {
    const { perSecond, perDay } = this.limits;
    this.#earn(now);
    const secondAt = perSecond > 0 && this.#level < 0 ? now - (this.#level * 1_000) / perSecond : now;
    const dayAt = perDay > 0 && this.#spentToday >= perDay && now < this.#dayEndsAt ? this.#dayEndsAt : now;
    return Math.max(secondAt, dayAt);
  }

  /** A message would go now. @returns True: it must wait. */
  stops(now: number): boolean {
    const stops = this.freeAt(now) > now;
    if (stops && !this.#isWaiting) this.#waits++;
    this.#isWaiting = stops;
    return stops;
  }

  /** So many bytes have gone. */
  spend(bytes: number, now: number): void {
    this.#earn(now);
    if (this.limits.perSecond > 0) this.#level -= bytes;
    if (now >= this.#dayEndsAt) {
      this.#dayEndsAt = now + dayMs;
      this.#spentToday = 0;
    }
    this.#spentToday += bytes;
  }

  #earn(now: number): void {
    const earned = (Math.max(now - this.#at, 0) * this.limits.perSecond) / 1_000;
    this.#level = Math.min(this.#level + earned, this.limits.perSecond);
    this.#at = Math.max(this.#at, now);
  }
}

/**
 * The budgets of limits, where there are any.
 *
 * @param used What has gone already of days that have begun.
 */
export function budgetsOf(
  limits: Readonly<Record<TrafficClass, BudgetLimits>>,
  now: number,
  used: UsedDays = {},
): Budgets | undefined {
  const some = (["urgent", "bulk"] as const).filter((one) => {
    const { perSecond, perDay } = limits[one];
    return perSecond > 0 || perDay > 0;
  });
  if (some.length === 0) return undefined;
  return Object.fromEntries(some.map((one) => [one, new ByteBudget(limits[one], now, used[one])]));
}
