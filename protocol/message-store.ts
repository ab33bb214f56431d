import type { SendRecord } from "./delivery-queue.ts";
import type { ErrorCode } from "./errors.ts";
import type { Receipt, StoredMessage } from "./frame.ts";

/** A message the peer has acked, with what it said about it. */
export interface Settled extends SendRecord<StoredMessage> {
  readonly receipt?: Receipt | undefined;
}

/** What has a priority above 0, or what has not. */
export type StorePart = "all" | "urgent" | "rest";

/** True for a message of this part. */
export function isOfPart(part: StorePart, { priority }: Pick<StoredMessage, "priority">): boolean {
  return part === "all" || priority > 0 === (part === "urgent");
}

/** Takes what a store hands out for one link. */
export interface FeedReader {
  /** So many messages it can use at once; what it gets may be less, or more. */
  readonly wanted: number;
  /** The next messages, in order; none: that is all for now. Once for each {@link Feed.next}. */
  take(batch: readonly StoredMessage[]): void;
  /** The store could not be read. */
  failed(error: unknown): void;
}

/** What one link reads of a store. There are thousands that wait: no promise, no listener for each. */
export interface Feed {
  /** Asks for the next batch, once at a time; it may be handed over before this returns. */
  next(): void;
  /** Nothing is handed over any more. */
  end(): void;
}

/**
 * Messages on their way to one peer, as a link sees them. The hub has one per node, the edge one towards
 * the hub, a controller one in memory.
 */
export interface MessageStore {
  /**
   * All unsettled messages in the order of their positions, then new ones as they are stored. For one key that order is
   * the order of versions.
   *
   * @param part Default: all.
   */
  follow(reader: FeedReader, part?: StorePart): Feed;
  /** It can be followed in two parts, so that what is urgent is found at once behind any number of others. */
  readonly urgentApart?: boolean;
  /** Acked: writes the checkpoint and drops the message unless a newer one has replaced it. Resolves once durable. */
  settle(batch: readonly Settled[]): Promise<void>;
  /** Never acceptable to the peer: kept for people, not sent again. */
  refuse(record: SendRecord<StoredMessage>, code: ErrorCode, text: string): Promise<void>;
  /** Its time to live is over. */
  expire(item: StoredMessage): Promise<void>;
  /** What was sent and not acked when a link ended, or when its time to live did; `expire` follows then. */
  unacked(records: readonly SendRecord<StoredMessage>[]): void;
}
