/** Runs work one after the other per key; different keys do not wait for each other. */
export class KeyedLanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Lanes with unfinished work. */
  get size(): number {
    return this.#tails.size;
  }

  /** @returns What the work returned. A failure of earlier work in the lane stops nothing. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    const result = before === undefined ? work() : before.then(work, work);
    const tail: Promise<void> = result.then(
      () => this.#end(key, tail),
      () => this.#end(key, tail),
    );
    this.#tails.set(key, tail);
    return result;
  }

  /** Resolves when all work that was begun has ended. */
  async idle(): Promise<void> {
    while (this.#tails.size > 0) await Promise.all(this.#tails.values());
  }

  #end(key: string, tail: Promise<unknown>): void {
    if (this.#tails.get(key) === tail) this.#tails.delete(key);
  }
}
