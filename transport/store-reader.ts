import type {
  DeliveryQueue,
  Feed,
  FeedReader,
  MessageStore,
  StoredMessage,
  StorePart,
} from "../protocol/index.ts";

/** So many urgent messages are read ahead, whatever else waits. */
const maxUrgent = 256;

export interface StoreReaderParts {
  readonly queue: DeliveryQueue<StoredMessage>;
  /** The queue has got more. */
  readonly wake: () => void;
  /** The store cannot be read. */
  readonly failed: (error: unknown) => void;
}

/** Hands a store's messages to the queue, no further ahead than the queue can use; what is urgent apart from the rest. */
export class StoreReader {
  readonly #parts: StoreReaderParts;
  #readings: readonly Reading[] = [];
  #ended = false;

  constructor(parts: StoreReaderParts) {
    this.#parts = parts;
  }

  /** The store has handed out all that it held when it was first read. */
  get hasAll(): boolean {
    return this.#readings.every((one) => one.hasAll);
  }

  /** @param ready Nothing is read before it resolves. */
  start(store: MessageStore, ready?: Promise<void>): void {
    if (this.#ended) return;
    const parts: readonly StorePart[] = store.urgentApart ? ["urgent", "rest"] : ["all"];
    this.#readings = parts.map((part) => new Reading(store, part, this.#parts));
    const begin = (): void => {
      for (const one of this.#readings) if (!this.#ended) one.goOn();
    };
    if (ready === undefined) begin();
    else void ready.then(begin);
  }

  /** The queue may have room again. */
  goOn(): void {
    for (const one of this.#readings) if (one.rests && one.hasRoom) one.goOn();
  }

  /** The link has ended. */
  end(): void {
    this.#ended = true;
    for (const one of this.#readings) one.end();
  }
}

/** One part of the store on its way to the queue. */
class Reading implements FeedReader {
  readonly #part: StorePart;
  readonly #parts: StoreReaderParts;
  readonly #feed: Feed;
  /** The part has handed out all that it held at first. */
  hasAll = false;
  /** There was no room for more. */
  rests = false;

  constructor(store: MessageStore, part: StorePart, parts: StoreReaderParts) {
    this.#part = part;
    this.#parts = parts;
    this.#feed = store.follow(this, part);
  }

  /** There is room for so much again that it is worth while to read. */
  get hasRoom(): boolean {
    return this.#waiting < this.wanted / 2;
  }

  /** Twice the window: the next ones are at hand when room comes, and the rest stays in the store. */
  get wanted(): number {
    return this.#part === "urgent" ? maxUrgent : Math.max(2 * this.#parts.queue.windowMessages, 32);
  }

  goOn(): void {
    this.rests = false;
    this.#feed.next();
  }

  end(): void {
    this.rests = false;
    this.#feed.end();
  }

  take(batch: readonly StoredMessage[]): void {
    const { queue, wake } = this.#parts;
    try {
      for (const item of batch) queue.offer(item);
    } catch (error) {
      this.failed(error);
      return;
    }
    if (batch.length === 0) this.hasAll = true;
    wake();
    this.rests = this.#waiting >= this.wanted;
    if (!this.rests) this.#feed.next();
  }

  failed(error: unknown): void {
    this.#parts.failed(error);
  }

  get #waiting(): number {
    const { waiting, urgent } = this.#parts.queue;
    return this.#part === "urgent" ? urgent : this.#part === "rest" ? waiting - urgent : waiting;
  }
}
