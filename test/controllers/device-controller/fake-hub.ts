import {
  compareVersions,
  contentOf,
  createMessage,
  event,
  type Filter,
  type HubApi,
  HubError,
  type Message,
  type MessageDraft,
  matchesPattern,
  messageOfDraft,
  type NodeView,
  type PublishDraft,
  type Published,
  type PublishOutcome,
  presenceResource,
  presenceSource,
  publishEach,
  type ResourceQuery,
  type ResourceView,
  volatile,
} from "../../../protocol/index.ts";
import { QueuedSubscription } from "../../../transport/index.ts";

/** What was published, in short. */
export interface Said {
  readonly node: string;
  readonly operation: string;
  readonly resource: string;
  readonly version: string | undefined;
  readonly parentId: string | undefined;
  readonly content: unknown;
}

/** A hub in memory: it keeps the newest version of each resource of a node, and hands on what tests let nodes say. */
export class FakeHub
  implements Pick<HubApi, "publish" | "publishBatch" | "resources" | "nodes" | "subscribe">
{
  said: Said[] = [];
  /** Publishing fails with it. */
  failure: HubError | undefined;
  readonly #known = new Map<string, Map<string, ResourceView>>();
  readonly #connected = new Map<string, "native" | "kubeedge">();
  readonly #subscriptions = new Set<QueuedSubscription>();
  #ids = 0;

  addNode(node: string): void {
    this.#known.set(node, new Map());
  }

  async connect(node: string, dialect: "native" | "kubeedge"): Promise<void> {
    if (!this.#known.has(node)) this.addNode(node);
    this.#connected.set(node, dialect);
    await this.#tellPresence(node, "connected");
  }

  async disconnect(node: string): Promise<void> {
    this.#connected.delete(node);
    await this.#tellPresence(node, "disconnected");
  }

  /** What was published since it was asked last. */
  take(): Said[] {
    return this.said.splice(0);
  }

  publish(draft: PublishDraft): Promise<Published> {
    return new Promise((resolve) => resolve(this.#put(draft)));
  }

  publishBatch(drafts: readonly PublishDraft[]): Promise<PublishOutcome[]> {
    return publishEach(drafts, (draft) => this.publish(draft));
  }

  async resources({ node, resource = "*" }: ResourceQuery): Promise<ResourceView[]> {
    await Promise.resolve();
    return [...this.#of(node).values()].filter((view) => matchesPattern(resource, view.resource));
  }

  nodes(): Promise<NodeView[]> {
    return Promise.resolve([...this.#known.keys()].map((node) => ({ node }) as NodeView));
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): QueuedSubscription {
    const attach = (one: QueuedSubscription) => {
      this.#subscriptions.add(one);
      for (const node of this.#connected.keys()) void this.#tellPresence(node, "connected", one);
      return () => this.#subscriptions.delete(one);
    };
    return new QueuedSubscription(filter, attach, options.signal);
  }

  /** A message of a node's DeviceTwin. Resolves when it is acked. */
  async report(node: string, draft: Partial<MessageDraft> & { resource: string }): Promise<void> {
    const common = { node, source: "twin", group: "resource", operation: "update", content: null };
    const stamp = { id: `report-${++this.#ids}`, timestamp: 1, delivery: () => event() };
    const message = createMessage({ ...common, ...draft }, stamp);
    const takers = [...this.#subscriptions].filter((one) => one.wants(message));
    if (takers.length === 0) throw new HubError("E_NO_CONSUMER", "nobody takes it");
    await Promise.all(takers.map((one) => one.take(message)));
  }

  #put(draft: PublishDraft): Published {
    if (this.failure !== undefined) throw this.failure;
    const message = messageOfDraft(draft, { id: `m-${++this.#ids}`, timestamp: 1 });
    const resources = this.#of(message.node);
    const { path } = message.resource;
    const { kind } = message.delivery;
    const said = { id: message.id, node: message.node, resource: path, kind };
    if (kind === "volatile" && !this.#connected.has(message.node))
      throw new HubError("E_LINK_LOST", "not connected");
    if (kind === "state") {
      const accepted = resources.get(path)?.accepted;
      const version = message.resourceVersion ?? accepted;
      const isDeletion = message.operation === "delete";
      const order = accepted === undefined || version === undefined ? 1 : compareVersions(version, accepted);
      if (order < 0 || (order === 0 && !isDeletion)) return { ...said, version: accepted, stale: true };
      resources.set(path, {
        resource: path,
        checkpoint: undefined,
        accepted: version,
        acceptedDeleted: isDeletion,
        acceptedId: message.id,
        state: "waiting",
      });
    }
    this.#note(message);
    return { ...said, version: message.resourceVersion, stale: false };
  }

  #note(message: Message): void {
    const { node, operation, resource, resourceVersion: version, parentId } = message;
    this.said.push({
      node,
      operation,
      resource: resource.path,
      version,
      parentId,
      content: contentOf(message),
    });
  }

  #of(node: string): Map<string, ResourceView> {
    const found = this.#known.get(node);
    if (found === undefined) throw new HubError("E_UNKNOWN_NODE", `no node is called ${node}`);
    return found;
  }

  async #tellPresence(
    node: string,
    operation: "connected" | "disconnected",
    to?: QueuedSubscription,
  ): Promise<void> {
    const content = { client_id: node, event_type: operation, dialect: this.#connected.get(node) };
    const draft = { node, source: presenceSource, resource: presenceResource, operation, content };
    const stamp = { id: `p-${++this.#ids}`, timestamp: 1, delivery: () => volatile };
    const message = createMessage(draft, stamp);
    const takers = to === undefined ? [...this.#subscriptions] : [to];
    await Promise.all(takers.filter((one) => one.wants(message)).map((one) => one.take(message)));
  }
}
