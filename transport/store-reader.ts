import type { DeliveryQueue, MessageStore, StoredMessage, StorePart } from "../protocol/index.ts";

/** So many urgent messages are read ahead, whatever else waits. */
const maxUrgent = 256;

export interface StoreReaderParts {
  readonly queue: DeliveryQueue<StoredMessage>;
  readonly signal: AbortSignal;
  /** The queue has got more. */
  readonly wake: () => void;
  /** The store cannot be read. */
  readonly failed: (error: unknown) => void;
}

/** Hands a store's messages to the queue, no further ahead than the queue can use; what is urgent apart from the rest. */
export class StoreReader {
  readonly #parts: StoreReaderParts;
  /** Parts of the store that have not handed out yet all they held. */
  readonly #unread = new Set<StorePart>();
  /** Parts that wait for room in the queue, and how they go on. */
  readonly #waiting = new Map<StorePart, () => void>();

  constructor(parts: StoreReaderParts) {
    this.#parts = parts;
  }

  /** The store has handed out all that it held when it was first read. */
  get hasAll(): boolean {
    return this.#unread.size === 0;
  }

  start(store: MessageStore): void {
    const parts: readonly StorePart[] = store.urgentApart ? ["urgent", "rest"] : ["all"];
    for (const part of parts) {
      this.#unread.add(part);
      void this.#read(store, part);
    }
  }

  /** The queue may have room again. */
  goOn(): void {
    for (const [part, goOn] of this.#waiting) {
      if (this.#waitingOf(part) >= this.#most(part) / 2) continue;
      this.#waiting.delete(part);
      goOn();
    }
  }

  /** The link has ended. */
  end(): void {
    for (const goOn of this.#waiting.values()) goOn();
    this.#waiting.clear();
  }

  async #read(store: MessageStore, part: StorePart): Promise<void> {
    const { queue, signal, wake, failed } = this.#parts;
    try {
      for await (const batch of store.follow(signal, () => this.#most(part), part)) {
        for (const item of batch) queue.offer(item);
        if (batch.length === 0) this.#unread.delete(part);
        wake();
        if (this.#waitingOf(part) >= this.#most(part))
          await new Promise<void>((resolve) => this.#waiting.set(part, resolve));
      }
    } catch (error) {
      failed(error);
    }
  }

  #waitingOf(part: StorePart): number {
    const { waiting, urgent } = this.#parts.queue;
    return part === "urgent" ? urgent : part === "rest" ? waiting - urgent : waiting;
  }

  /** Twice the window: the next ones are at hand when room comes, and the rest stays in the store. */
  #most(part: StorePart): number {
    return part === "urgent" ? maxUrgent : Math.max(2 * this.#parts.queue.windowMessages, 32);
  }
}
