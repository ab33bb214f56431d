import type { Outgoing } from "./delivery-queue.ts";
import { Fifo } from "./fifo.ts";
import type { Entry } from "./queue-entry.ts";

/** One resource: at most one message in flight, the others behind it in order. */
interface Key<T extends Outgoing> {
  inFlight: Entry<T> | undefined;
  /** Deletes, then at most one put: a put is replaced by whatever comes after it. */
  waiting: Entry<T>[];
}

/**
 * All state of a queue, by resource. A newer message waits behind the one in flight and replaces the put that
 * waits there already, in its place. A refused one pauses; the other resources go on.
 */
export class StateLane<T extends Outgoing> {
  readonly #keys = new Map<string, Key<T>>();
  /** Whose first waiting entry has nothing before it, in the order in which that came to be. */
  readonly #ready = new Fifo<Key<T>>();
  /** Refused for now. */
  #delayed: Entry<T>[] = [];

  /** @returns False if it took the place of an older put. */
  add(entry: Entry<T>): boolean {
    const key = this.#keyOf(entry.item.key);
    const last = key.waiting.at(-1);
    if (last !== undefined && !last.item.deleted) {
      Object.assign(last, { ...entry, place: last.place, dueAt: last.dueAt });
      return false;
    }
    key.waiting.push(entry);
    if (key.inFlight === undefined && key.waiting.length === 1) this.#ready.push(key);
    return true;
  }

  /** What may go next. */
  next(): Entry<T> | undefined {
    return this.#ready.peek()?.waiting[0];
  }

  /** What {@link next} named goes. @returns False: state has no order to resume. */
  enterFlight(): false {
    const key = this.#ready.shift();
    if (key !== undefined) key.inFlight = key.waiting.shift();
    return false;
  }

  /** What {@link next} named is forgotten. */
  drop(): void {
    const entry = this.#ready.shift()?.waiting.shift();
    if (entry !== undefined) this.finish(entry);
  }

  /** It has left flight for good. */
  finish(entry: Entry<T>): void {
    const name = entry.item.key;
    const key = this.#keyOf(name);
    key.inFlight = undefined;
    if (key.waiting.length === 0) this.#keys.delete(name);
    else this.#ready.push(key);
  }

  /** One in flight was refused for now. @returns False if a newer one goes in its stead. */
  goBack(entry: Entry<T>, dueAt: number): boolean {
    const key = this.#keyOf(entry.item.key);
    if (key.waiting.length > 0 && !entry.item.deleted) {
      this.finish(entry);
      return false;
    }
    key.inFlight = undefined;
    key.waiting.unshift(entry);
    entry.dueAt = dueAt;
    this.#delayed.push(entry);
    return true;
  }

  /** Lets go what has paused long enough. */
  poll(now: number): void {
    if (this.#delayed.length === 0) return;
    const still: Entry<T>[] = [];
    for (const entry of this.#delayed) {
      if (entry.dueAt <= now) this.#ready.push(this.#keyOf(entry.item.key));
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
    for (const { waiting } of this.#keys.values())
      for (const entry of waiting) if (entry.sends > 0) yield entry;
  }

  #keyOf(name: string): Key<T> {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { inFlight: undefined, waiting: [] };
      this.#keys.set(name, key);
    }
    return key;
  }
}
