import { type EndSignal, isOfPart, type StoredMessage, type StorePart } from "../protocol/index.ts";

export interface PageSource {
  /** Reads on from a position: messages in order, and whether that was all. */
  page(
    after: number,
    limit: number,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly complete: boolean }>;
}

export interface FeedParts {
  readonly pages: PageSource;
  /** The outbox's readers; this one is among them from its beginning to its end. */
  readonly feeds: Set<OutboxFeed>;
  readonly signal: EndSignal;
  /** So many messages the reader can use at once; default: a page. */
  readonly wanted?: (() => number) | undefined;
  /** Of which the pages are. */
  readonly part: StorePart;
}

/** A link that reads no further holds at most so much; the rest stays in the store. */
const maxHeldMessages = 1024;
const maxHeldBytes = 1 << 20;
/** The first page is small, for most nodes have little waiting; each further one is twice as long. */
const firstPage = 32;
const longestPage = 512;

type Result = IteratorResult<readonly StoredMessage[]>;

/**
 * What one link reads of one outbox: first the stored messages, page by page, then new ones as they are
 * committed. A reader that falls behind goes back to the pages, so that it holds little and gets the newest
 * version of what was replaced meanwhile.
 *
 * `committed()` and the pages must come from the same sequence of transactions: what was committed before a
 * page was read is in that page.
 *
 * There are two for each link, and most of the time nothing comes: a reader that waits holds one promise.
 */
export class OutboxFeed implements AsyncIterableIterator<readonly StoredMessage[]> {
  readonly #parts: FeedParts;
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
  /** Answers the reader that waits. */
  #answer: ((result: Result | Promise<Result>) => void) | undefined;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    parts.feeds.add(this);
    parts.signal.addEventListener("abort", () => this.#wake(), { once: true });
  }

  /** A message of this outbox has been committed. */
  committed(message: StoredMessage): void {
    if (!isOfPart(this.#parts.part, message)) return;
    if (this.#meanwhile === undefined) {
      if (this.#live) this.#hold(message);
    } else if (this.#meanwhile.length < maxHeldMessages) {
      this.#meanwhile.push(message);
    } else {
      this.#missed = true;
    }
    this.#wake();
  }

  /** What else is committed in this turn goes with it. */
  #wake(): void {
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.(Promise.resolve().then(() => this.next()));
  }

  #hold(message: StoredMessage): void {
    this.#live &&= this.#held.length < maxHeldMessages && this.#heldBytes + message.size <= maxHeldBytes;
    if (!this.#live) return;
    this.#held.push(message);
    this.#heldBytes += message.size;
  }

  next(): Promise<Result> {
    if (this.#parts.signal.aborted) return this.return();
    if (this.#held.length > 0) return Promise.resolve({ done: false, value: this.#takeHeld() });
    if (!this.#live) return this.#page().then(() => this.next());
    if (this.#toldAll) return new Promise((resolve) => (this.#answer = resolve));
    this.#toldAll = true;
    return Promise.resolve({ done: false, value: [] });
  }

  return(): Promise<Result> {
    this.#parts.feeds.delete(this);
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
      const limit = Math.max(1, Math.min(this.#nextPage, this.#parts.wanted?.() ?? longestPage));
      const { messages, complete } = await this.#parts.pages.page(this.#cursor, limit);
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
