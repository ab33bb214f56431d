import { HubError } from "../../protocol/errors.ts";
import { createMessage, type Message } from "../../protocol/index.ts";
import type {
  Filter,
  HubApi,
  Incoming,
  NodeView,
  PublishDraft,
  Published,
  PublishOutcome,
  ResourceQuery,
  ResourceView,
  Subscription,
} from "../../sdk/index.ts";

type Words = Pick<PublishDraft, "operation" | "resource" | "content"> & { readonly node: string };

interface Subscriber {
  readonly filter: Filter;
  give(incoming: Incoming): void;
}

/** The hub as a controller sees it: keeps what was accepted last of each resource, hands out what nodes say. */
export class FakeHub
  implements Pick<HubApi, "publish" | "publishBatch" | "resources" | "nodes" | "subscribe">
{
  /** What was published and not stale. */
  readonly published: PublishDraft[] = [];
  /** Fails every publish, while it is set. */
  failure: HubError | undefined;
  readonly #known: Set<string>;
  readonly #resources = new Map<string, ResourceView>();
  readonly #subscribers = new Set<Subscriber>();
  #ids = 0;

  constructor(nodes: readonly string[]) {
    this.#known = new Set(nodes);
  }

  /** As a HubApi, of which the other verbs are not to be called. */
  get api(): HubApi {
    return this as unknown as HubApi;
  }

  /** What was published since the last call: `insert default/pod/a` to nodes. */
  news(node?: string): string[] {
    const all = this.published.splice(0);
    return all
      .filter((one) => node === undefined || one.node === node)
      .map((one) => `${one.operation} ${one.resource}`);
  }

  join(node: string): void {
    this.#known.add(node);
  }

  async publish(draft: PublishDraft): Promise<Published> {
    await Promise.resolve();
    const { node = "", resource } = draft;
    if (this.failure !== undefined) throw this.failure;
    if (!this.#known.has(node)) throw new HubError("E_UNKNOWN_NODE", `no node is called ${node}`);
    const key = `${node} ${resource}`;
    const known = this.#resources.get(key);
    const newest = Number(known?.accepted ?? 0);
    const isDelete = draft.operation === "delete";
    const version = draft.resourceVersion === "next" ? newest + 1 : Number(draft.resourceVersion ?? newest);
    const isOld = version < newest || (version === newest && (!isDelete || known?.acceptedDeleted === true));
    const stale = draft.parentId === undefined && known !== undefined && isOld;
    const published = {
      id: draft.id ?? String(++this.#ids),
      node,
      resource,
      version: String(version),
      stale,
    };
    if (!stale && draft.parentId === undefined)
      this.#resources.set(key, viewOf(resource, { ...published, isDelete }));
    if (!stale) this.published.push(draft);
    return { ...published, kind: draft.delivery?.kind ?? "volatile" } as unknown as Published;
  }

  publishBatch(drafts: readonly PublishDraft[]): Promise<PublishOutcome[]> {
    const outcome = (draft: PublishDraft): Promise<PublishOutcome> =>
      this.publish(draft).then(
        (published) => ({ ok: true, published }),
        (error: HubError) => ({ ok: false, error }),
      );
    return Promise.all(drafts.map(outcome));
  }

  async resources({ node, resource = "*" }: ResourceQuery): Promise<ResourceView[]> {
    await Promise.resolve();
    if (!this.#known.has(node)) throw new HubError("E_UNKNOWN_NODE", `no node is called ${node}`);
    const pattern = new RegExp(`^${node} ${resource.replaceAll("*", ".*")}$`);
    return [...this.#resources].filter(([key]) => pattern.test(key)).map(([, view]) => view);
  }

  async nodes(): Promise<NodeView[]> {
    await Promise.resolve();
    return [...this.#known].map((node) => ({ node, labels: { site: "plant-2" } }) as unknown as NodeView);
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): Subscription {
    const waiting: Incoming[] = [];
    let wake: () => void = () => {};
    let isOpen = true;
    const subscriber = {
      filter,
      give: (incoming: Incoming) => {
        waiting.push(incoming);
        wake();
      },
    };
    this.#subscribers.add(subscriber);
    const close = (): void => {
      isOpen = false;
      this.#subscribers.delete(subscriber);
      wake();
    };
    options.signal?.addEventListener("abort", close, { once: true });
    async function* arriving(): AsyncGenerator<Incoming> {
      while (isOpen) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    }
    return Object.assign(arriving(), { close }) as unknown as Subscription;
  }

  /** The node's link comes up or goes. */
  link(node: string, connected: boolean): void {
    const operation = connected ? "connected" : "disconnected";
    const message = messageOf(
      { node, operation, resource: "node/connection" },
      "cloudhub",
      String(++this.#ids),
    );
    for (const { filter, give } of this.#subscribers)
      if (filter.presence) give({ message, ack: () => {}, nack: () => {} });
  }

  /** The node's edged says something. @returns `ack`, or `nack`, once a controller has decided. */
  says(words: Words): { readonly id: string; readonly outcome: Promise<"ack" | "nack"> } {
    const id = `asked-${++this.#ids}`;
    const message = messageOf(words, "edged", id);
    const outcome = new Promise<"ack" | "nack">((resolve) => {
      for (const { filter, give } of this.#subscribers)
        if (filter.groups?.includes("meta"))
          give({ message, ack: () => resolve("ack"), nack: () => resolve("nack") });
    });
    return { id, outcome };
  }

  /** MetaServer of the node asks something. @returns The id of its message. */
  asks(node: string, resource: string, content: unknown): string {
    const id = `asked-${++this.#ids}`;
    const draft = { node, resource, operation: "null", content };
    const message = createMessage(
      { ...draft, source: "metaserver", group: "dynamiccontroller" },
      { id, timestamp: 0, delivery: () => ({ kind: "volatile" }) },
    );
    for (const { filter, give } of this.#subscribers)
      if (filter.groups?.includes("dynamiccontroller")) give({ message, ack: () => {}, nack: () => {} });
    return id;
  }

  /** What was answered. */
  answerTo(id: string): PublishDraft | undefined {
    return this.published.find((one) => one.parentId === id);
  }
}

function messageOf(words: Words, source: string, id: string): Message {
  const group = source === "edged" ? "meta" : "resource";
  return createMessage(
    { ...words, source, group },
    { id, timestamp: 0, delivery: () => ({ kind: "volatile" }) },
  );
}

function viewOf(resource: string, one: { id: string; version: string; isDelete: boolean }): ResourceView {
  return {
    resource,
    checkpoint: undefined,
    accepted: one.version,
    acceptedDeleted: one.isDelete,
    acceptedId: one.id,
    state: "current",
  } as unknown as ResourceView;
}
