import { isOfPart, type StoredMessage, type StorePart } from "../protocol/index.ts";

/** Reads on from a position: messages in order, and whether that was all. */
export type ReadPage = (
  after: number,
  limit: number,
) => Promise<{ messages: readonly StoredMessage[]; complete: boolean }>;

/** A link that reads no further holds at most so much; the rest stays in the store. */
const maxHeldMessages = 1024;
const maxHeldBytes = 1 << 20;
/** The first page is small, for most nodes have little waiting; each further one is twice as long. */
const firstPage = 32;
const longestPage = 512;

/**
 * What one link reads of one outbox: first the stored messages, page by page, then new ones as they are
 * committed. A reader that falls behind goes back to the pages, so that it holds little and gets the newest
 * version of what was replaced meanwhile.
 *
 * `committed()` and the pages must come from the same sequence of transactions: what was committed before a
 * page was read is in that page.
 */
export class OutboxFeed implements AsyncIterableIterator<readonly StoredMessage[]> {
  readonly #readPage: ReadPage;
  readonly #signal: AbortSignal;
  readonly #onEnd: () => void;
  readonly #wanted: () => number;
  readonly #part: StorePart;
  /** Everything up to here has been handed out, or is in `#held`. */
  #cursor = 0;
  /** True: all that is stored beyond the cursor will come through `committed`. */
  #live = false;
  #held: StoredMessage[] = [];
  #heldBytes = 0;
  /** Committed while a page is being read: in that page, or behind it. `undefined`: no page is being read. */
  #meanwhile: StoredMessage[] | undefined;
  /** The reader knows that it has all there was. */
  #toldAll = false;
  /** More was committed meanwhile than is held: another page will bring it. */
  #missed = false;
  #nextPage = firstPage;
  #wake: (() => void) | undefined;

  /** @param wanted So many messages the reader can use at once. @param part Of which the pages are. */
  constructor(
    readPage: ReadPage,
    signal: AbortSignal,
    onEnd: () => void,
    wanted: () => number = () => longestPage,
    part: StorePart = "all",
  ) {
    this.#part = part;
    this.#wanted = wanted;
    this.#readPage = readPage;
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
  }

  /** A message of this outbox has been committed. */
  committed(message: StoredMessage): void {
    if (!isOfPart(this.#part, message)) return;
    if (this.#meanwhile === undefined) {
      if (this.#live) this.#hold(message);
    } else if (this.#meanwhile.length < maxHeldMessages) {
      this.#meanwhile.push(message);
    } else {
      this.#missed = true;
    }
    this.#wake?.();
  }

  #hold(message: StoredMessage): void {
    this.#live &&= this.#held.length < maxHeldMessages && this.#heldBytes + message.size <= maxHeldBytes;
    if (!this.#live) return;
    this.#held.push(message);
    this.#heldBytes += message.size;
  }

  async next(): Promise<IteratorResult<readonly StoredMessage[]>> {
    while (!this.#signal.aborted) {
      if (this.#held.length > 0) return { done: false, value: this.#takeHeld() };
      if (this.#live && !this.#toldAll) {
        this.#toldAll = true;
        return { done: false, value: [] };
      }
      if (this.#live) await new Promise<void>((resolve) => (this.#wake = resolve));
      else await this.#page();
      this.#wake = undefined;
    }
    return this.return();
  }

  return(): Promise<IteratorResult<readonly StoredMessage[]>> {
    this.#onEnd();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #takeHeld(): readonly StoredMessage[] {
    const batch = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    this.#cursor = (batch.at(-1) as StoredMessage).position;
    return batch;
  }

  async #page(): Promise<void> {
    this.#meanwhile = [];
    this.#missed = false;
    try {
      const limit = Math.max(1, Math.min(this.#nextPage, this.#wanted()));
      const { messages, complete } = await this.#readPage(this.#cursor, limit);
      this.#nextPage = Math.min(2 * this.#nextPage, longestPage);
      this.#held.push(...messages);
      for (const message of messages) this.#heldBytes += message.size;
      this.#live = complete && !this.#missed;
      const end = messages.at(-1)?.position ?? this.#cursor;
      for (const message of this.#meanwhile) if (this.#live && message.position > end) this.#hold(message);
    } finally {
      this.#meanwhile = undefined;
    }
  }
}
