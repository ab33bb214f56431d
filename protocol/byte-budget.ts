/** Messages of a priority above 0, and all others. What has no place in a queue (acks, pings, volatile) has no budget. */
export type TrafficClass = "urgent" | "bulk";

/** Bytes that may be sent; 0: any number. */
export interface BudgetLimits {
  readonly perSecond: number;
  readonly perDay: number;
}

/** What of a peer's traffic has a budget. It outlives links. */
export type Budgets = Readonly<Partial<Record<TrafficClass, ByteBudget>>>;

const dayMs = 86_400_000;

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

  constructor(limits: BudgetLimits, now: number) {
    this.limits = limits;
    this.#level = limits.perSecond;
    this.#at = now;
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

/** The budgets of limits, where there are any. */
export function budgetsOf(
  limits: Readonly<Record<TrafficClass, BudgetLimits>>,
  now: number,
): Budgets | undefined {
  const some = Object.entries(limits).filter(([, { perSecond, perDay }]) => perSecond > 0 || perDay > 0);
  if (some.length === 0) return undefined;
  return Object.fromEntries(some.map(([name, one]) => [name, new ByteBudget(one, now)]));
}
