import {
  type Feed,
  type FeedReader,
  isOfPart,
  type StoredMessage,
  type StorePart,
} from "../protocol/index.ts";

/** Reads an outbox page by page, for one feed. */
export interface PageSource {
  /**
   * Reads on from a position: messages in order, and whether that was all.
   *
   * @param feed Whose end ends a read that takes long.
   */
  page(
    after: number,
    limit: number,
    feed: Pick<OutboxFeed, "ended">,
  ): Promise<{ readonly messages: readonly StoredMessage[]; readonly complete: boolean }>;
}

export interface FeedSource {
  /** Who follows it now. */
  readonly feeds: Feeds;
  pages(part: StorePart): PageSource;
}

/** Those who follow one outbox. */
export class Feeds {
  #feeds: readonly OutboxFeed[] = [];

  get size(): number {
    return this.#feeds.length;
  }

  add(feed: OutboxFeed): void {
    // Not `[...feeds, feed]`: that reserves room for sixteen more.
    this.#feeds = this.#feeds.concat(feed);
  }

  delete(feed: OutboxFeed): void {
    this.#feeds = this.#feeds.filter((one) => one !== feed);
  }

  /** A message of the outbox has been committed. */
  committed(message: StoredMessage): void {
    for (const feed of this.#feeds) feed.committed(message);
  }
}

/** A link that reads no further holds at most so much; the rest stays in the store. */
const maxHeldMessages = 1024;
const maxHeldBytes = 1 << 20;
/** The first page is small, for most nodes have little waiting; each further one is twice as long. */
const firstPage = 32;
const longestPage = 512;

/** Reading the stored messages page by page. */
interface Paging {
  readonly pages: PageSource;
  nextPage: number;
  /** Committed while a page is being read: in that page, or behind it. `undefined`: no page is being read. */
  meanwhile: StoredMessage[] | undefined;
  /** More was committed meanwhile than is held: another page will bring it. */
  missed: boolean;
}

/**
 * What one link reads of one outbox: first the stored messages, page by page, then new ones as they are
 * committed. A reader that falls behind goes back to the pages, so that it holds little and gets the newest
 * version of what was replaced meanwhile.
 *
 * `committed()` and the pages must come from the same sequence of transactions: what was committed before a
 * page was read is in that page.
 */
export class OutboxFeed implements Feed {
  readonly #source: FeedSource;
  readonly #reader: FeedReader;
  readonly #part: StorePart;
  /** Handed out up to here; what is held follows. */
  #cursor = 0;
  /** `undefined`: all that is stored beyond the cursor comes through `committed`. */
  #paging: Paging | undefined;
  #held: StoredMessage[] | undefined;
  #heldBytes = 0;
  /** The reader knows that it has all there was. */
  #toldAll = false;
  /** The reader waits for a batch. */
  #asked = false;
  #ended = false;

  constructor(source: FeedSource, reader: FeedReader, part: StorePart) {
    this.#source = source;
    this.#reader = reader;
    this.#part = part;
    this.#page(firstPage);
    source.feeds.add(this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** A message of this outbox has been committed. */
  committed(message: StoredMessage): void {
    if (this.#ended || !isOfPart(this.#part, message)) return;
    const paging = this.#paging;
    if (paging === undefined) {
      this.#hold(message);
      this.#goOn();
    } else if (paging.meanwhile !== undefined) {
      if (paging.meanwhile.length < maxHeldMessages) paging.meanwhile.push(message);
      else paging.missed = true;
    }
  }

  next(): void {
    this.#asked = true;
    this.#goOn();
  }

  end(): void {
    this.#ended = true;
    this.#held = undefined;
    this.#paging = undefined;
    this.#source.feeds.delete(this);
  }

  /** Hands over what there is, or sees to it that it comes. */
  #goOn(): void {
    if (!this.#asked || this.#ended) return;
    if (this.#held !== undefined) this.#handOver(this.#takeHeld(this.#held));
    else if (this.#paging !== undefined) void this.#read(this.#paging);
    else if (!this.#toldAll) {
      this.#toldAll = true;
      this.#handOver([]);
    }
  }

  #handOver(batch: readonly StoredMessage[]): void {
    this.#asked = false;
    this.#reader.take(batch);
  }

  #takeHeld(held: readonly StoredMessage[]): readonly StoredMessage[] {
    this.#held = undefined;
    this.#heldBytes = 0;
    this.#cursor = (held.at(-1) as StoredMessage).position;
    return held;
  }

  #hold(message: StoredMessage): void {
    if (this.#paging !== undefined) return;
    const held = this.#held?.length ?? 0;
    if (held >= maxHeldMessages || this.#heldBytes + message.size > maxHeldBytes) {
      this.#page(longestPage);
      return;
    }
    this.#held ??= [];
    this.#held.push(message);
    this.#heldBytes += message.size;
  }

  #page(nextPage: number): void {
    const pages = this.#source.pages(this.#part);
    this.#paging = { pages, nextPage, meanwhile: undefined, missed: false };
  }

  async #read(paging: Paging): Promise<void> {
    if (paging.meanwhile !== undefined) return;
    paging.meanwhile = [];
    paging.missed = false;
    const limit = Math.max(1, Math.min(paging.nextPage, this.#reader.wanted));
    let page: Awaited<ReturnType<PageSource["page"]>>;
    try {
      page = await paging.pages.page(this.#cursor, limit, this);
    } catch (error) {
      paging.meanwhile = undefined;
      this.#asked = false;
      if (!this.#ended) this.#reader.failed(error);
      return;
    }
    if (!this.#ended) this.#took(page, paging);
  }

  #took({ messages, complete }: Awaited<ReturnType<PageSource["page"]>>, paging: Paging): void {
    const { meanwhile = [], missed } = paging;
    paging.meanwhile = undefined;
    paging.nextPage = Math.min(2 * paging.nextPage, longestPage);
    if (messages.length > 0) this.#held = [...messages];
    for (const message of messages) this.#heldBytes += message.size;
    if (complete && !missed) this.#paging = undefined;
    const end = messages.at(-1)?.position ?? this.#cursor;
    for (const message of meanwhile) if (message.position > end) this.#hold(message);
    this.#goOn();
  }
}
