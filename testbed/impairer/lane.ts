import { DueQueue } from "./due-queue.ts";

/**
 * One direction of all connections: its time, and who is due next. Its time stands still while it is frozen,
 * so what is under way then has the rest of its way before it afterwards, at the same rate. Pure.
 */
export class Lane<Item> {
  readonly #due = new DueQueue<Item>();
  #frozenAt: number | undefined;
  /** How long it has been frozen in all, without this time. */
  #frozenMs = 0;

  /** The lane's own time, at which things are due. */
  timeAt(now: number): number {
    return (this.#frozenAt ?? now) - this.#frozenMs;
  }

  isFrozen(): boolean {
    return this.#frozenAt !== undefined;
  }

  freeze(now: number): void {
    this.#frozenAt ??= now;
  }

  thaw(now: number): void {
    if (this.#frozenAt === undefined) return;
    this.#frozenMs += now - this.#frozenAt;
    this.#frozenAt = undefined;
  }

  /** @param dueAt In the lane's time; `Infinity`: not at all. */
  set(item: Item, dueAt: number): void {
    this.#due.set(item, dueAt);
  }

  /** Takes out who is due; `undefined`: nobody, or the lane is frozen. */
  take(now: number): Item | undefined {
    return this.isFrozen() ? undefined : this.#due.take(this.timeAt(now));
  }

  /** When `take` has something to give, in the time of its argument; `Infinity`: not before something changes. */
  nextWakeAt(): number {
    return this.isFrozen() ? Number.POSITIVE_INFINITY : this.#due.nextAt() + this.#frozenMs;
  }
}
