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

/** Says that a reader is to stop: the part of an `AbortSignal` that is needed here. There is one for each link, so it may cost less. */
export interface EndSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/**
 * Messages on their way to one peer, as a link sees them. The hub has one per node, the edge one towards
 * the hub, a controller one in memory.
 */
export interface MessageStore {
  /**
   * All unsettled messages in the order of their positions, then new ones as they are stored; ends with the
   * signal. For one key that order is the order of versions. An empty batch says: this is all for now.
   *
   * @param wanted So many messages the reader can use at once; what it gets may be less, or more.
   * @param part Default: all.
   */
  follow(signal: EndSignal, wanted?: () => number, part?: StorePart): AsyncIterable<readonly StoredMessage[]>;
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
