import type { Outgoing } from "./delivery-queue.ts";
import type { Entry } from "./queue-entry.ts";

/** So many done events, and half of all, and they are thrown out. */
const compactAt = 256;

/**
 * The events of one priority, in order. Any number may be in flight. After a refusal the lane goes back: it
 * waits until nothing of it is in flight and the pause is over, then starts again from its oldest event.
 */
export class EventLane<T extends Outgoing> {
  readonly priority: number;
  #entries: Entry<T>[] = [];
  #done = 0;
  // Invariant: what is not done and stands before `next` is in flight, unless the lane goes back.
  #next = 0;
  #inFlight = 0;
  /** Refusals since the last ack. */
  #refusals = 0;
  #goingBack = false;
  #notBefore = 0;
  /** The next event is the oldest after a refusal. */
  #resume = false;

  constructor(priority: number) {
    this.priority = priority;
  }

  /** Events held, with those that are done and not yet thrown out. */
  get held(): number {
    return this.#entries.length;
  }

  /** Those that have not been sent, or are to go again. */
  get waiting(): number {
    return this.#entries.length - this.#done - this.#inFlight;
  }

  add(entry: Entry<T>): void {
    this.#entries.push(entry);
  }

  /** The event that may go next. */
  next(): Entry<T> | undefined {
    if (this.#goingBack) return undefined;
    while (this.#entries[this.#next]?.done) this.#next++;
    return this.#entries[this.#next];
  }

  /** What {@link next} named goes. @returns See `Transmission.resume`. */
  enterFlight(): boolean {
    this.#next++;
    this.#inFlight++;
    const resume = this.#resume;
    this.#resume = false;
    return resume;
  }

  acked(): void {
    this.#refusals = 0;
  }

  /** It has left flight for good. */
  finish(entry: Entry<T>): void {
    this.#inFlight--;
    this.#end(entry);
  }

  /** What {@link next} named is forgotten. */
  drop(): void {
    const entry = this.next();
    if (entry !== undefined) this.#end(entry);
  }

  /**
   * One in flight was refused: it and all that follow go again.
   *
   * @param pauseMs The pause after so many refusals; `undefined` for an event that only waits for another.
   */
  goBack(entry: Entry<T>, now: number, pauseMs: ((refusals: number) => number) | undefined): void {
    this.#inFlight--;
    if (pauseMs !== undefined) {
      if (!this.#goingBack) this.#refusals++;
      const refusals = Math.max(this.#refusals, entry.refusals);
      this.#notBefore = Math.max(this.#notBefore, now + pauseMs(refusals));
    }
    this.#goingBack = true;
  }

  /** Starts again from the oldest if it is time. */
  poll(now: number): void {
    if (now < this.wakeAt()) return;
    this.#goingBack = false;
    this.#resume = true;
    this.#next = 0;
  }

  /** When {@link poll} will start again; Infinity unless only the pause is in the way. */
  wakeAt(): number {
    return this.#goingBack && this.#inFlight === 0 ? this.#notBefore : Number.POSITIVE_INFINITY;
  }

  /** What was sent and is not in flight: refused, or waiting for one that was. */
  *refused(): IterableIterator<Entry<T>> {
    for (const entry of this.#entries) if (entry.sends > 0 && !entry.inFlight && !entry.done) yield entry;
  }

  #end(entry: Entry<T>): void {
    entry.done = true;
    this.#done++;
    if (
      this.#done === this.#entries.length ||
      (this.#done >= compactAt && this.#done * 2 >= this.#entries.length)
    )
      this.#compact();
  }

  #compact(): void {
    const sent = this.#entries.slice(0, this.#next).filter((entry) => !entry.done).length;
    this.#entries = this.#entries.filter((entry) => !entry.done);
    this.#next = sent;
    this.#done = 0;
  }
}
