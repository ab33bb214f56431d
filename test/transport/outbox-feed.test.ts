import { describe, expect, it } from "vitest";
import type { StoredMessage } from "../../protocol/index.ts";
import { type FeedSource, Feeds, OutboxFeed, type PageSource } from "../../transport/index.ts";

const stored = (position: number, more: Partial<StoredMessage> = {}): StoredMessage =>
  ({ position, size: 100, priority: 0, ...more }) as StoredMessage;

const positions = (batches: readonly (readonly StoredMessage[])[]): number[] =>
  batches.flat().map(({ position }) => position);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An outbox in memory whose reads end when the test says so. */
class Source implements FeedSource {
  readonly feeds = new Feeds();
  readonly rows: StoredMessage[] = [];
  /** Called before a page is handed over. */
  reading: () => Promise<void> | void = () => {};
  pagesRead = 0;

  put(message: StoredMessage): void {
    this.rows.push(message);
    this.feeds.committed(message);
  }

  pages(): PageSource {
    return {
      page: async (after, limit) => {
        const rest = this.rows.filter(({ position }) => position > after);
        this.pagesRead++;
        await this.reading();
        return { messages: rest.slice(0, limit), complete: rest.length <= limit };
      },
    };
  }
}

function reader({ greedy = true, wanted = 1_000 } = {}) {
  const batches: (readonly StoredMessage[])[] = [];
  const errors: unknown[] = [];
  return {
    batches,
    errors,
    wanted,
    feed: undefined as OutboxFeed | undefined,
    take(batch: readonly StoredMessage[]) {
      batches.push(batch);
      if (greedy) this.feed?.next();
    },
    failed(error: unknown) {
      errors.push(error);
    },
    follow(source: FeedSource) {
      this.feed = new OutboxFeed(source, this, "all");
      return this.feed;
    },
  };
}

describe("what a link reads of an outbox", () => {
  it("is what was stored, the word that this is all, and then what comes", async () => {
    const source = new Source();
    for (let i = 1; i <= 100; i++) source.put(stored(i));
    const to = reader();
    to.follow(source).next();
    await turn();
    expect(to.batches.map((batch) => batch.length)).toEqual([32, 64, 4, 0]);
    source.put(stored(101));
    expect(positions(to.batches)).toEqual(Array.from({ length: 101 }, (_, i) => i + 1));
  });

  it("holds no message twice that is committed while a page is read", async () => {
    const source = new Source();
    source.put(stored(1));
    source.reading = () => {
      source.reading = () => {};
      // The first is in the page that was read, as its transaction came before.
      source.feeds.committed(stored(1));
      source.put(stored(2));
    };
    const to = reader();
    to.follow(source).next();
    await turn();
    expect(positions(to.batches)).toEqual([1, 2]);
    expect(source.pagesRead).toBe(1);
  });

  it("goes back to the pages when its reader rests, and forgets nothing", async () => {
    const source = new Source();
    const to = reader({ greedy: false });
    const feed = to.follow(source);
    feed.next();
    await turn();
    expect(to.batches).toEqual([[]]);
    for (let i = 1; i <= 3_000; i++) source.put(stored(i));
    to.batches.length = 0;
    for (let i = 0; i < 20; i++) {
      feed.next();
      await turn();
    }
    expect(positions(to.batches)).toEqual(Array.from({ length: 3_000 }, (_, i) => i + 1));
    expect(source.pagesRead).toBeGreaterThan(1);
  });

  it("has more than it may hold read again when too much comes during one page", async () => {
    const source = new Source();
    source.reading = () => {
      source.reading = () => {};
      for (let i = 1; i <= 2_000; i++) source.put(stored(i));
    };
    const to = reader();
    to.follow(source).next();
    await turn();
    expect(positions(to.batches)).toEqual(Array.from({ length: 2_000 }, (_, i) => i + 1));
  });

  it("brings a message that is larger than all that it may hold", async () => {
    const source = new Source();
    const to = reader();
    to.follow(source).next();
    await turn();
    source.put(stored(1, { size: 5 << 20 }));
    await turn();
    expect(positions(to.batches)).toEqual([1]);
  });

  it("reads no more than its reader wants", async () => {
    const source = new Source();
    for (let i = 1; i <= 100; i++) source.put(stored(i));
    const to = reader({ greedy: false, wanted: 10 });
    to.follow(source).next();
    await turn();
    expect(to.batches.map((batch) => batch.length)).toEqual([10]);
  });

  it("ends in the middle of a page: nothing is handed over, and nothing is told any more", async () => {
    const source = new Source();
    source.put(stored(1));
    const to = reader();
    const feed = to.follow(source);
    source.reading = () => feed.end();
    feed.next();
    await turn();
    source.put(stored(2));
    expect(to.batches).toEqual([]);
    expect(source.feeds.size).toBe(0);
  });

  it("says that the store cannot be read, and reads on when it is asked again", async () => {
    const source = new Source();
    source.put(stored(1));
    source.reading = () => {
      throw new Error("damaged");
    };
    const to = reader();
    const feed = to.follow(source);
    feed.next();
    await turn();
    expect(to.errors).toEqual([new Error("damaged")]);
    source.reading = () => {};
    feed.next();
    await turn();
    expect(positions(to.batches)).toEqual([1]);
  });
});
