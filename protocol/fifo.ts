/** First in, first out; shifting costs nothing on average. */
export class Fifo<E> {
  #items: (E | undefined)[] = [];
  #head = 0;

  push(item: E): void {
    this.#items.push(item);
  }

  peek(): E | undefined {
    return this.#items[this.#head];
  }

  shift(): E | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    }
    return item;
  }
}
