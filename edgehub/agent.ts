import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { Delivery, Message, MessageDraft, NodeId } from "../protocol/index.ts";
import type { RequestLimit } from "./requests.ts";
import type { EdgeStore } from "./store/edge-store.ts";

/** A message for the cloud. */
export type UpstreamDraft = Omit<MessageDraft, "node" | "delivery"> & {
  /** Default: an event without end. State needs no version here: the newest one counts. */
  readonly delivery?: Delivery;
};

/** What a module can do with the agent it is part of. Modules know nothing of each other. */
export interface Agent {
  readonly node: NodeId;
  readonly store: EdgeStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Is the link to the cloud up? */
  readonly connected: boolean;
  /**
   * Does the cloud confirm twins by messages of its own, as KubeEdge's does, for want of acks? `undefined`: no link, so
   * nobody knows which cloud is next.
   */
  readonly peerConfirmsTwins: boolean | undefined;
  /**
   * A message of this node, not sent yet: for `EdgeStore.write`, beside rows of the module's own. Throws
   * `E_TOO_LARGE`, and `E_BAD_MESSAGE` for what is none.
   */
  draft(draft: UpstreamDraft): Message;
  /** Sends a message to the cloud. Resolves once it is on this node's disk; a volatile one, once it is sent. */
  publish(draft: UpstreamDraft): Promise<Message>;
  /**
   * Asks the cloud, and waits for the message that names this one as its parent.
   *
   * Rejects with `E_LINK_LOST` at once if the link is down, `E_TIMEOUT`, `E_ABORTED`, `E_NO_CONSUMER` if the limit asks
   * for that, or what `publish` rejects with.
   */
  request(draft: UpstreamDraft, limit: RequestLimit): Promise<Message>;
  /** The message that names this one as its parent, whether that has been sent or not. Rejects with `E_TIMEOUT`, `E_ABORTED`. */
  answerTo(message: Message, limit: RequestLimit): Promise<Message>;
}
