import type { Outgoing } from "./delivery-queue.ts";
import { Fifo } from "./fifo.ts";
import type { Entry } from "./queue-entry.ts";

/**
 * All state of a queue, by resource. A newer message waits behind the one in flight and replaces the put that
 * waits there already, in its place. A refused one pauses; the other resources go on.
 */
export class StateLane<T extends Outgoing> {
  /**
   * The first entry of each resource: in flight, or next; the others follow behind it. Deletes, then at most one put: a
   * put that waits is replaced by whatever comes after it.
   */
  readonly #first = new Map<string, Entry<T>>();
  /** Those of them that may go, in the order in which they came to be first. */
  readonly #ready = new Fifo<Entry<T>>();
  /** Refused for now. */
  #delayed: Entry<T>[] = [];

  /** @returns False if it took the place of an older put. */
  add(entry: Entry<T>): boolean {
    const first = this.#first.get(entry.item.key);
    if (first === undefined) {
      this.#first.set(entry.item.key, entry);
      this.#ready.push(entry);
      return true;
    }
    let last = first;
    while (last.behind !== undefined) last = last.behind;
    if (last.inFlight || last.item.deleted) {
      last.behind = entry;
      return true;
    }
    Object.assign(last, { ...entry, place: last.place, dueAt: last.dueAt });
    return false;
  }

  /** What may go next. */
  next(): Entry<T> | undefined {
    return this.#ready.peek();
  }

  /** What {@link next} named goes. @returns False: state has no order to resume. */
  enterFlight(): false {
    this.#ready.shift();
    return false;
  }

  /** What {@link next} named is forgotten. */
  drop(): void {
    const entry = this.#ready.shift();
    if (entry !== undefined) this.finish(entry);
  }

  /** It has left flight for good. */
  finish(entry: Entry<T>): void {
    const { item, behind } = entry;
    // Else one old entry would hold all that ever came behind it.
    entry.behind = undefined;
    if (behind === undefined) {
      this.#first.delete(item.key);
      return;
    }
    this.#first.set(item.key, behind);
    this.#ready.push(behind);
  }

  /** One in flight was refused for now. @returns False if a newer one goes in its stead. */
  goBack(entry: Entry<T>, dueAt: number): boolean {
    if (entry.behind !== undefined && !entry.item.deleted) {
      this.finish(entry);
      return false;
    }
    entry.dueAt = dueAt;
    this.#delayed.push(entry);
    return true;
  }

  /** Lets go what has paused long enough. */
  poll(now: number): void {
    if (this.#delayed.length === 0) return;
    const still: Entry<T>[] = [];
    for (const entry of this.#delayed) {
      if (entry.dueAt <= now) this.#ready.push(entry);
      else still.push(entry);
    }
    this.#delayed = still;
  }

  /** When {@link poll} will let something go; Infinity for never. */
  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const entry of this.#delayed) at = Math.min(at, entry.dueAt);
    return at;
  }

  /** What was sent and is not in flight, after a refusal. */
  *refused(): IterableIterator<Entry<T>> {
    for (const entry of this.#first.values()) if (entry.sends > 0 && !entry.inFlight) yield entry;
  }
}
