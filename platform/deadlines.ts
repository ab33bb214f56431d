import type { Clock } from "./clock.ts";

/** The moment of one item; made and set by its {@link Deadlines}. */
export interface Deadline<T> {
  readonly item: T;
  /** Monotonic ms; Infinity: not set. */
  at: number;
  /** Its place in the heap, -1: not set. */
  slot: number;
}

/**
 * Moments of thousands of items with one timer of the clock: a timer with its closures costs each of them several hundred
 * bytes, and those that are set anew with every message cost time.
 *
 * Invariant: a binary heap by `at`, and each entry knows its slot.
 */
export class Deadlines<T> {
  readonly #clock: Clock;
  readonly #due: (item: T) => void;
  readonly #heap: Deadline<T>[] = [];
  /** When the timer runs; it may be too early, never too late. */
  #timerAt = Number.POSITIVE_INFINITY;
  #cancelTimer: () => void = () => {};

  /** @param due Is told whose moment has come; it is not set any more then. */
  constructor(clock: Clock, due: (item: T) => void) {
    this.#clock = clock;
    this.#due = due;
  }

  /** Set now. */
  get size(): number {
    return this.#heap.length;
  }

  /** The deadline of an item, not set. */
  of(item: T): Deadline<T> {
    return { item, at: Number.POSITIVE_INFINITY, slot: -1 };
  }

  /** Sets it, also if it is set. NaN would stand before all others for ever: it is taken for now. */
  set(deadline: Deadline<T>, at: number): void {
    deadline.at = Number.isNaN(at) ? this.#clock.now() + 1 : at;
    if (deadline.slot < 0) deadline.slot = this.#heap.push(deadline) - 1;
    this.#rise(deadline);
    this.#sink(deadline);
    this.#arm();
  }

  /** Harmless if it is not set. */
  clear(deadline: Deadline<T>): void {
    const { slot } = deadline;
    if (slot < 0) return;
    deadline.slot = -1;
    deadline.at = Number.POSITIVE_INFINITY;
    const last = this.#heap.pop() as Deadline<T>;
    if (last !== deadline) {
      this.#put(last, slot);
      this.#rise(last);
      this.#sink(last);
    }
    // A timer for nothing would keep a process alive; one that is too early does no harm.
    if (this.#heap.length === 0) this.#disarm();
  }

  #arm(): void {
    const [first] = this.#heap;
    if (first === undefined || first.at >= this.#timerAt) return;
    this.#cancelTimer();
    this.#timerAt = first.at;
    this.#cancelTimer = this.#clock.after(Math.max(Math.ceil(first.at - this.#clock.now()), 0), () =>
      this.#look(),
    );
  }

  #disarm(): void {
    this.#cancelTimer();
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #look(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    try {
      for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
        this.clear(first);
        this.#due(first.item);
      }
    } finally {
      this.#arm();
    }
  }

  #rise(deadline: Deadline<T>): void {
    for (let { slot } = deadline; slot > 0; slot = deadline.slot) {
      const parent = this.#heap[(slot - 1) >> 1] as Deadline<T>;
      if (parent.at <= deadline.at) return;
      this.#put(parent, slot);
      this.#put(deadline, (slot - 1) >> 1);
    }
  }

  #sink(deadline: Deadline<T>): void {
    for (;;) {
      const { slot } = deadline;
      const left = this.#heap[2 * slot + 1];
      const right = this.#heap[2 * slot + 2];
      const least = left !== undefined && right !== undefined && right.at < left.at ? right : left;
      if (least === undefined || least.at >= deadline.at) return;
      const below = least.slot;
      this.#put(least, slot);
      this.#put(deadline, below);
    }
  }

  #put(deadline: Deadline<T>, slot: number): void {
    this.#heap[slot] = deadline;
    deadline.slot = slot;
  }
}
