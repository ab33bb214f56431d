import { ApiError } from "../../kubernetes/index.ts";
import type { ObjectChange } from "./resource-store.ts";

export interface ChangeLogLimits {
  /** Changes remembered per type. */
  readonly changes: number;
  /** Characters of JSON in them, per type. */
  readonly characters: number;
}

/** A change, and how many characters of JSON it brought. */
export interface LoggedChange {
  readonly change: ObjectChange;
  /** Revision of the object before it; 0: there was none. */
  readonly previousRevision: number;
  readonly size: number;
}

/**
 * The recent changes of one type. Readers share it and remember nothing but their place, so that one who does not read
 * costs nothing: he finds out that his place is gone.
 *
 *     seq:      base          base + 3
 *                │               │
 *             [ r12 ][ r15 ][ r16 ]      horizon = 9: what happened up to r9 is forgotten
 */
export class ChangeLog {
  readonly #limits: ChangeLogLimits;
  /** Changes before `#first` are forgotten already. */
  #changes: LoggedChange[] = [];
  #first = 0;
  /** Sequence number of `#changes[0]`. */
  #base = 0;
  #size = 0;
  #horizon: number;
  #waiting: (() => void)[] = [];

  constructor(horizon: number, limits: ChangeLogLimits) {
    this.#horizon = horizon;
    this.#limits = limits;
  }

  /** The last revision whose change is forgotten; what came after it can be told. */
  get horizon(): number {
    return this.#horizon;
  }

  /** @returns What was forgotten to make room. */
  add(entry: LoggedChange): LoggedChange[] {
    this.#changes.push(entry);
    this.#size += entry.size;
    const forgotten: LoggedChange[] = [];
    while (this.#changes.length - this.#first > 1 && this.#isTooLong()) forgotten.push(this.#forget());
    const wake = this.#waiting;
    this.#waiting = [];
    for (const one of wake) one();
    return forgotten;
  }

  /** Changes after a revision, oldest first. Throws `Expired` if some of them are forgotten. */
  after(revision: number): ObjectChange[] {
    this.#require(revision);
    return this.#changes.slice(this.#indexAfter(revision)).map((entry) => entry.change);
  }

  /** Where a reader who knows everything up to a revision begins. Throws `Expired`. */
  placeAfter(revision: number): number {
    this.#require(revision);
    return this.#base + this.#indexAfter(revision);
  }

  /** The change at a place; `undefined`: it has not happened yet. Throws `Expired` if it is forgotten. */
  at(place: number): ObjectChange | undefined {
    const index = place - this.#base;
    if (index < this.#first)
      throw expired("this watch reads too slowly: changes it has not seen are forgotten");
    return this.#changes[index]?.change;
  }

  /** Resolves with the next change or the signal. */
  next(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener("abort", aborted);
        resolve();
      };
      const aborted = (): void => {
        this.#waiting = this.#waiting.filter((one) => one !== done);
        done();
      };
      signal.addEventListener("abort", aborted, { once: true });
      this.#waiting.push(done);
    });
  }

  #require(revision: number): void {
    if (revision >= this.#horizon) return;
    throw expired(`too old resource version: ${revision} (${this.#horizon})`);
  }

  #isTooLong(): boolean {
    return this.#changes.length - this.#first > this.#limits.changes || this.#size > this.#limits.characters;
  }

  #forget(): LoggedChange {
    const entry = this.#changes[this.#first++] as LoggedChange;
    this.#size -= entry.size;
    this.#horizon = entry.change.revision;
    if (this.#first >= 256 && this.#first * 2 > this.#changes.length) {
      this.#changes = this.#changes.slice(this.#first);
      this.#base += this.#first;
      this.#first = 0;
    }
    return entry;
  }

  #indexAfter(revision: number): number {
    let [low, high] = [this.#first, this.#changes.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#changes[middle] as LoggedChange).change.revision > revision) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export function expired(text: string): ApiError {
  return new ApiError("Expired", text);
}
