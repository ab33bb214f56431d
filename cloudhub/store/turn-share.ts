/** Messages of one node that go into a transaction in any case: about a millisecond of work. */
const least = 128;
const most = 1_024;
/** A message costs about 10 µs: so many per ms of a transaction make it longer by a tenth. */
const perMs = 10;

/**
 * How much of one node's work goes into one transaction, so that all others, who wait for it, hardly notice: little where
 * the disk is quick, more where a transaction takes long anyway.
 */
export class TurnShare {
  #messages = least;

  get messages(): number {
    return this.#messages;
  }

  /** A transaction took so long, with the wait for its turn. */
  took(ms: number): void {
    this.#messages = Math.min(Math.max(Math.floor(ms * perMs), least), most);
  }
}
