import {
  createMessage,
  event,
  type Filter,
  type HubApi,
  HubError,
  type Message,
  type MessageDraft,
  type PublishDraft,
  type Published,
} from "../../../protocol/index.ts";
import { QueuedSubscription } from "../../../transport/index.ts";

/** The part of a hub that routes need: what they publish is recorded, what nodes send is put in by hand. */
export class FakeHub implements Pick<HubApi, "publish" | "subscribe" | "request"> {
  readonly published: PublishDraft[] = [];
  readonly unknownNodes = new Set<string>();
  answer: (draft: PublishDraft) => Promise<Message> = () =>
    Promise.reject(new HubError("E_TIMEOUT", "silence"));
  readonly #subscriptions = new Set<QueuedSubscription>();
  #ids = 0;

  publish(draft: PublishDraft): Promise<Published> {
    if (this.unknownNodes.has(draft.node ?? "")) {
      return Promise.reject(new HubError("E_UNKNOWN_NODE", `there is no node ${draft.node}`));
    }
    this.published.push(draft);
    return Promise.resolve({} as Published);
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): QueuedSubscription {
    const attach = (one: QueuedSubscription) => {
      this.#subscriptions.add(one);
      return () => this.#subscriptions.delete(one);
    };
    return new QueuedSubscription(filter, attach, options.signal);
  }

  request(draft: PublishDraft): Promise<Message> {
    return this.answer(draft);
  }

  message(draft: Partial<MessageDraft> & { resource: string }): Message {
    const common = { node: "edge-1", source: "bus", group: "user", operation: "upload", content: null };
    return createMessage(
      { ...common, ...draft },
      { id: `${draft.id ?? `m-${++this.#ids}`}`, timestamp: 1, delivery: () => event() },
    );
  }

  /** A message of a node. Resolves when it is taken; rejects with `E_NO_CONSUMER` if it is not. */
  async send(message: Message): Promise<void> {
    const takers = [...this.#subscriptions].filter((one) => one.wants(message));
    if (takers.length === 0) throw new HubError("E_NO_CONSUMER", "nobody takes it");
    await Promise.all(takers.map((one) => one.take(message)));
  }
}
