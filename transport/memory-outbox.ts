import {
  type ErrorCode,
  type FeedReader,
  HubError,
  type Message,
  type MessageStore,
  type NodeId,
  packMessage,
  type Receipt,
  type SendRecord,
  type Settled,
  type StoredMessage,
} from "../protocol/index.ts";
import { Feeds, OutboxFeed, type PageSource } from "./outbox-feed.ts";

type Item = StoredMessage & { readonly node: NodeId };

interface Sending {
  readonly item: Item;
  readonly resolve: (receipt: Receipt | undefined) => void;
  readonly reject: (error: HubError) => void;
}

/**
 * Messages on their way over links that may break, held in memory until the peer acks them; for controllers,
 * and for the hub towards them. Each message counts and they keep their order: every one goes as an event of
 * the link, whatever it is to its node.
 */
export class MemoryOutbox implements MessageStore {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  readonly #sending = new Map<number, Sending>();
  #last = 0;
  #bytes = 0;
  #closed: HubError | undefined;
  readonly feeds = new Feeds();

  constructor(limits: { maxMessages: number; maxBytes: number }) {
    this.#maxMessages = limits.maxMessages;
    this.#maxBytes = limits.maxBytes;
  }

  get size(): number {
    return this.#sending.size;
  }

  /**
   * Sends a message over this link or a later one.
   *
   * Resolves when the peer has acked it. Rejects with what the peer said, with `E_OUTBOX_FULL`, or with the
   * reason of {@link close}.
   */
  send(message: Message): Promise<Receipt | undefined> {
    if (this.#closed) return Promise.reject(this.#closed);
    const packed = packMessage(message);
    if (
      this.#sending.size >= this.#maxMessages ||
      (this.#sending.size > 0 && this.#bytes + packed.length > this.#maxBytes)
    ) {
      const held = `${this.#sending.size} messages, ${this.#bytes} bytes`;
      return Promise.reject(
        new HubError("E_OUTBOX_FULL", `too much is unacknowledged: ${held}; wait for earlier ones`),
      );
    }
    const item: Item = {
      position: ++this.#last,
      size: packed.length,
      kind: "event",
      key: "",
      deleted: false,
      priority: message.delivery.kind === "event" ? message.delivery.priority : 0,
      expiresAt: Number.POSITIVE_INFINITY,
      id: message.id,
      version: message.resourceVersion,
      acceptedAt: 0,
      packed,
      node: message.node,
    };
    this.#bytes += packed.length;
    return new Promise((resolve, reject) => {
      this.#sending.set(item.position, { item, resolve, reject });
      this.feeds.committed(item);
    });
  }

  follow(reader: FeedReader): OutboxFeed {
    return new OutboxFeed(this, reader, "all");
  }

  pages(): PageSource {
    return { page: (after) => Promise.resolve({ messages: this.#after(after), complete: true }) };
  }

  settle(batch: readonly Settled[]): Promise<void> {
    for (const { item, receipt } of batch) this.#done(item.position)?.resolve(receipt);
    return Promise.resolve();
  }

  refuse(record: SendRecord<StoredMessage>, code: ErrorCode, text: string): Promise<void> {
    this.#done(record.item.position)?.reject(new HubError(code, text));
    return Promise.resolve();
  }

  expire(item: StoredMessage): Promise<void> {
    this.#done(item.position)?.reject(new HubError("E_EXPIRED", "its time to live is over"));
    return Promise.resolve();
  }

  unacked(): void {}

  /** Gives up what is not acked. */
  close(error: HubError): void {
    if (this.#closed) return;
    this.#closed = error;
    for (const { reject } of this.#sending.values()) reject(error);
    this.#sending.clear();
  }

  #after(cursor: number): Item[] {
    if (cursor === 0) return [...this.#sending.values()].map((one) => one.item);
    const found: Item[] = [];
    for (let position = cursor + 1; position <= this.#last; position++) {
      const sending = this.#sending.get(position);
      if (sending) found.push(sending.item);
    }
    return found;
  }

  #done(position: number): Sending | undefined {
    const sending = this.#sending.get(position);
    if (sending === undefined) return undefined;
    this.#sending.delete(position);
    this.#bytes -= sending.item.size;
    return sending;
  }
}
