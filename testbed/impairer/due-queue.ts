/** Which of many things is due next: a binary heap in which everything stands at most once. */
export class DueQueue<Item> {
  // Invariant: no entry is due before its parent, entries[(i - 1) >> 1]; places.get(entries[i].item) === i.
  readonly #entries: { at: number; item: Item }[] = [];
  readonly #places = new Map<Item, number>();

  /** Puts the item in, or moves it to another time; `Infinity` takes it out. */
  set(item: Item, at: number): void {
    const place = this.#places.get(item);
    if (place === undefined) {
      if (at !== Number.POSITIVE_INFINITY) this.#rise(this.#entries.push({ at, item }) - 1);
      return;
    }
    const entry = this.#entries[place];
    if (entry === undefined || entry.at === at) return;
    entry.at = at;
    if (at === Number.POSITIVE_INFINITY) this.#remove(place);
    else this.#sink(this.#rise(place));
  }

  /** When the first item is due; `Infinity`: there is none. */
  nextAt(): number {
    return this.#entries[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Takes out the first item that is due at this time; `undefined`: none is. */
  take(now: number): Item | undefined {
    const first = this.#entries[0];
    if (first === undefined || first.at > now) return undefined;
    this.#remove(0);
    return first.item;
  }

  #remove(place: number): void {
    const entry = this.#entries[place];
    const last = this.#entries.pop();
    if (entry === undefined || last === undefined) return;
    this.#places.delete(entry.item);
    if (entry === last) return;
    this.#entries[place] = last;
    this.#sink(this.#rise(place));
  }

  /** @returns Where the entry is then. */
  #rise(from: number): number {
    let place = from;
    const entry = this.#entries[place];
    if (entry === undefined) return place;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#entries[above];
      if (parent === undefined || parent.at <= entry.at) break;
      this.#put(place, parent);
      place = above;
    }
    this.#put(place, entry);
    return place;
  }

  #sink(from: number): void {
    let place = from;
    const entry = this.#entries[place];
    if (entry === undefined) return;
    for (;;) {
      let below = 2 * place + 1;
      const left = this.#entries[below];
      const right = this.#entries[below + 1];
      let child = left;
      if (left !== undefined && right !== undefined && right.at < left.at) {
        child = right;
        below += 1;
      }
      if (child === undefined || child.at >= entry.at) break;
      this.#put(place, child);
      place = below;
    }
    this.#put(place, entry);
  }

  #put(place: number, entry: { at: number; item: Item }): void {
    this.#entries[place] = entry;
    this.#places.set(entry.item, place);
  }
}
