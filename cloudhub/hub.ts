import { randomUUID } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import type { Logger, OncePer } from "../platform/logger.ts";
import {
  asHubError,
  type Budgets,
  type Checkpoint,
  contentOf,
  event,
  type Filter,
  type HeldContents,
  type HubApi,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type Message,
  messageOfDraft,
  type NodeId,
  type NodeView,
  type PublishDraft,
  type Published,
  type PublishOptions,
  type PublishOutcome,
  parseResource,
  publishEach,
  type ResourceQuery,
  type ResourceVersion,
  type ResourceView,
  type RolloutNode,
  type RolloutQuery,
  type RolloutView,
  requireNodeId,
  requireVersion,
  type Subscription,
  state,
} from "../protocol/index.ts";
import {
  type ChannelCounters,
  type CloseReason,
  KnownPaths,
  newCounters,
  QueuedSubscription,
  type Subscriber,
} from "../transport/index.ts";
import { AckedContents } from "./acked-contents.ts";
import { Ledger } from "./ledger.ts";
import { LinkTable } from "./link-table.ts";
import type { HubMetrics } from "./metrics.ts";
import type { NodeBudgets } from "./node-budgets.ts";
import type { NodeLink, NodeLinkHub } from "./node-link.ts";
import type { HubOptions } from "./options.ts";
import { Presence } from "./presence.ts";
import { type NodeFacts, rolloutOf } from "./rollout.ts";
import type { Backlog, HubStore, NodeRecord, SaidToHold } from "./store/hub-store.ts";
import { Upstream } from "./upstream.ts";

export interface HubParts {
  readonly store: HubStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Faults are logged once per node and code in its period. */
  readonly once: OncePer;
  readonly metrics: HubMetrics;
  readonly budgets: NodeBudgets;
  /** The node connects too often, and is slowed down. */
  readonly isFlapping: (node: NodeId) => boolean;
}

/** What is held of one stock edge while nobody takes its messages. */
const heldMessages = 256;
const heldMs = 60_000;

/** The hub behind its listeners: publish, subscribe, request, links, ledger. Knows nothing of sockets and rights. */
export class Hub implements HubApi, NodeLinkHub {
  readonly counters: ChannelCounters = newCounters();
  readonly links: LinkTable<NodeLink>;
  readonly ledger: Ledger;
  readonly budgets: NodeBudgets;
  readonly #parts: HubParts;
  readonly #options: HubOptions;
  readonly #upstream: Upstream;
  readonly #contents: AckedContents;
  readonly #presence: Presence;
  readonly #paths: KnownPaths;
  /** Links that came in place of another one. */
  readonly #tookOver = new WeakSet<NodeLink>();
  #closed = false;

  constructor(parts: HubParts, options: HubOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#contents = new AckedContents(options.delivery.deltaCacheBytes);
    this.links = new LinkTable(options.nodes.maxNodes);
    this.#paths = new KnownPaths(options.nodes.maxNodes);
    const dialectOf = (node: NodeId) => this.links.get(node)?.dialect;
    this.#presence = new Presence({ clock: parts.clock, log: parts.log, dialectOf });
    this.budgets = parts.budgets;
    this.ledger = new Ledger(parts.store, (node, position) => this.links.get(node)?.sendsOf(position));
    const upstream = { maxBytes: options.limits.upstreamBytes, heldMessages, heldMs };
    this.#upstream = new Upstream(parts.clock, upstream, (message, reason) => {
      parts.metrics.upstreamDropped(reason);
      this.fault(
        message.node,
        new HubError("E_DROPPED", `${message.operation} of ${message.source}: ${reason}`),
        "an upstream message was lost",
      );
    });
  }

  // ── controllers ────────────────────────────────────────────────────────────────────────────────────────

  async publish(draft: PublishDraft, options: PublishOptions = {}): Promise<Published> {
    const message = this.messageOf(draft);
    const published = await this.put(message);
    if (options.until === "acked" && message.delivery.kind !== "volatile")
      await this.acked(published, options);
    return published;
  }

  publishBatch(drafts: readonly PublishDraft[], options: PublishOptions = {}): Promise<PublishOutcome[]> {
    return publishEach(drafts, (draft) => this.publish(draft, options));
  }

  /** Accepts a message for a node. Resolves once it is durable; a volatile one, once it is on the wire. */
  async put(message: Message): Promise<Published> {
    if (this.#closed) throw new HubError("E_CLOSED", "the hub is shutting down");
    const { node, id, resource, content } = message;
    const { messageBytes } = this.#options.limits;
    if (content.length > messageBytes) {
      throw new HubError(
        "E_TOO_LARGE",
        `content may have at most ${messageBytes} bytes, this one has ${content.length}`,
      );
    }
    // What is no JSON would break the link of every KubeEdge peer it is sent to.
    contentOf(message);
    const outbox = this.#parts.store.outbox(node);
    const about = { id, node, resource: resource.path, kind: message.delivery.kind };
    if (isNodeDeletion(message)) {
      this.links.get(node)?.close({ code: "E_CLOSED", text: "the node was deleted" });
      return { ...about, version: message.resourceVersion, stale: false };
    }
    if (message.delivery.kind === "volatile") {
      if (!this.links.get(node)?.sendVolatile(message))
        throw new HubError("E_LINK_LOST", `${node} is not connected, and a volatile message is not kept`);
      return { ...about, version: message.resourceVersion, stale: false };
    }
    const { stale, version } = await outbox.put(message);
    const published = { ...about, version, stale };
    if (!stale && published.kind === "state") this.ledger.accepted(published);
    return published;
  }

  async acked(
    published: Published,
    options: Pick<PublishOptions, "signal" | "timeoutMs"> = {},
  ): Promise<void> {
    const { signal, timeoutMs } = options;
    if (published.kind === "volatile") return;
    await this.ledger.acked(published, {
      signal,
      timeoutMs,
      after: (delayMs, run) => this.#parts.clock.after(delayMs, run),
    });
  }

  subscribe(filter: Filter, options: { signal?: AbortSignal } = {}): Subscription {
    return new QueuedSubscription(filter, (subscriber) => this.attach(subscriber), options.signal);
  }

  /** Hands a subscriber everything it wants from now on, beginning with the nodes that are connected. @returns Detaches it. */
  attach(subscriber: Subscriber): () => void {
    const unsubscribe = this.#upstream.subscribe(subscriber);
    this.#presence.add(
      subscriber,
      [...this.links.values()].map(({ node }) => node),
    );
    return () => {
      unsubscribe();
      this.#presence.remove(subscriber);
    };
  }

  async request(draft: PublishDraft, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Message> {
    const message = this.messageOf({
      ...draft,
      delivery: draft.delivery ?? event({ ttlMs: options.timeoutMs }),
    });
    const { answer, cancel } = this.#upstream.answerTo(message.id, message.node, options.timeoutMs);
    const abort = (): void => cancel(new HubError("E_ABORTED", "gave up waiting for an answer"));
    options.signal?.addEventListener("abort", abort, { once: true });
    if (options.signal?.aborted) abort();
    this.put(message).catch((error: unknown) => cancel(asHubError(error)));
    return await answer.finally(() => options.signal?.removeEventListener("abort", abort));
  }

  where(query: LedgerQuery): Promise<LedgerEntry[]> {
    return this.ledger.where({ ...query, node: this.known(query.node).node });
  }

  async checkpoint(node: string, resource: string): Promise<Checkpoint | undefined> {
    return await this.#parts.store.checkpoint(this.known(node).node, parseResource(resource).path);
  }

  async resources(query: ResourceQuery): Promise<ResourceView[]> {
    const limit = Math.min(Math.max(query.limit ?? 1_000, 1), 10_000);
    return await this.#parts.store.resources({ ...query, node: this.known(query.node).node, limit });
  }

  /** @param covers Of which nodes it is told; default: of all. */
  async rollout(query: RolloutQuery, covers?: (node: NodeRecord) => boolean): Promise<RolloutView> {
    const { store } = this.#parts;
    const resource = parseResource(query.resource).path;
    const version = query.version === undefined ? undefined : requireVersion(query.version);
    const slowest = Math.min(Math.max(query.slowest ?? 10, 0), 1_000);
    const holdings = (await store.holdings(resource)).filter(({ node }) => {
      const record = store.node(node);
      return record !== undefined && (covers?.(record) ?? true);
    });
    const factsOf = (node: NodeId): NodeFacts => {
      const link = this.links.get(node);
      const lastSeenAt = store.node(node)?.lastSeenAt;
      return { connected: link !== undefined, lastSeenAt, sends: (position) => link?.sendsOf(position) };
    };
    const view = rolloutOf({ resource, version, holdings, factsOf, slowest });
    return { ...view, slowest: await Promise.all(view.slowest.map((one) => this.#withBacklog(one))) };
  }

  async #withBacklog(one: RolloutNode): Promise<RolloutNode> {
    if (one.state !== "offline" && one.state !== "queued") return one;
    // A node can be removed meanwhile.
    if (this.#parts.store.node(one.node) === undefined) return one;
    return { ...one, backlogMessages: (await this.#parts.store.outbox(one.node).backlog()).messages };
  }

  async nodes(): Promise<NodeView[]> {
    const { store } = this.#parts;
    const backlogs = await store.backlogs();
    return store.nodes().map((record) => this.#viewOf(record, backlogs.get(record.node)));
  }

  async view(record: NodeRecord): Promise<NodeView> {
    return this.#viewOf(record, await this.#parts.store.outbox(record.node).backlog());
  }

  /** @param backlog `undefined`: it has joined this moment. */
  #viewOf(record: NodeRecord, backlog: Backlog = { messages: 0, bytes: 0 }): NodeView {
    const link = this.links.get(record.node);
    return {
      ...record,
      connected: link !== undefined,
      flapping: this.#parts.isFlapping(record.node),
      connectedAt: link?.connectedAt,
      address: link?.address,
      dialect: link?.dialect,
      transport: link?.transport,
      software: link?.software,
      backlogMessages: backlog.messages,
      backlogBytes: backlog.bytes,
      inFlight: link?.load.inFlight ?? 0,
      budgetWaitMs:
        link === undefined || link.load.waiting === 0 ? undefined : this.budgets.waitMs(record.node, "bulk"),
    };
  }

  /** Throws `E_UNKNOWN_NODE`, or `E_NO_NODE` for what is no node's name. */
  known(name: unknown): NodeRecord {
    const node = requireNodeId(name);
    const record = this.#parts.store.node(node);
    if (record) return record;
    throw new HubError(
      "E_UNKNOWN_NODE",
      `no node is called ${node}; it joins with a token, or add it with: hubctl nodes add ${node}`,
    );
  }

  /** The checked message of a draft. */
  messageOf(draft: PublishDraft): Message {
    return messageOfDraft(draft, { id: randomUUID(), timestamp: this.#parts.clock.wallTime() });
  }

  // ── nodes ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Puts a node's link in place of the one it may have. The node must be known to the store. */
  connect(link: NodeLink): void {
    // One that only waits for its end is not taken over: controllers hear that the node went and came.
    this.links.get(link.node)?.endIfWaiting();
    const joining = this.links.add(link);
    const { node, dialect, transport, address } = link;
    if (joining.verdict === "full") {
      const error = this.full();
      this.fault(node, error, "a node was turned away");
      link.close({ code: error.code, text: error.message });
      return;
    }
    if (joining.replaced) this.#takeOver(link, joining.replaced);
    this.#parts.log.info("node connected", {
      node,
      dialect,
      transport,
      address,
      replaced: joining.replaced !== undefined,
    });
    link.start(this.ledger.observed(node), this.#paths.firstBytes(node, address, this.#parts.clock.now()));
    // What it said with its request may have ended it already.
    if (joining.replaced === undefined && this.links.get(node) === link) this.#presence.announce(node, true);
  }

  /** Once is a node that came back before its old link was found dead; again and again may be two nodes. */
  #takeOver(link: NodeLink, replaced: NodeLink): void {
    replaced.close({ code: "E_REPLACED", text: "a newer connection of this node took over" });
    this.#tookOver.add(link);
    if (!this.#tookOver.has(replaced)) return;
    const text = "its connections replace each other again and again; do two agents use this node's name?";
    this.fault(link.node, new HubError("E_REPLACED", text), "a node's link was taken over");
  }

  full(): HubError {
    return new HubError(
      "E_NODE_LIMIT",
      `${this.links.size} nodes are connected; nodes.maxNodes allows no more`,
    );
  }

  received(message: Message): Promise<void> {
    const error = impostor(message);
    return error ? Promise.reject(error) : this.#upstream.accept(message);
  }

  receivedOnce(message: Message): void {
    const error = impostor(message);
    if (error) this.fault(message.node, error, "a message was not taken");
    else this.#upstream.acceptOnce(message);
  }

  fault(node: NodeId, error: HubError, what: string): void {
    this.#parts.metrics.fault(error.code);
    const held = this.#parts.once.pass(`${node} ${error.code}`);
    if (held !== undefined)
      this.#parts.log.warn(what, { node, error, ...(held > 0 ? { heldBack: held } : {}) });
  }

  heldBy(node: NodeId): HeldContents {
    return this.#contents.of(node);
  }

  budgetsOf(node: NodeId): Budgets | undefined {
    return this.budgets.of(node, this.#parts.store.node(node)?.labels ?? {});
  }

  resuming(node: NodeId): ReturnType<NodeLinkHub["resuming"]> {
    const { store, metrics } = this.#parts;
    return {
      known: {
        digest: (count) => store.digest(node, count),
        held: (count, buckets) => store.held(node, count, buckets),
        correct: (held) => this.#correct(node, held),
      },
      ended: (outcome) => metrics.resumed(outcome),
    };
  }

  /** What is lost and does not wait is published again by whoever looks at what the node is to get. */
  async #correct(node: NodeId, held: readonly SaidToHold[]): Promise<void> {
    const { store, metrics, log } = this.#parts;
    const { settled, deletions, lost, ahead } = await store.correct(node, held);
    this.ledger.corrected(node, settled);
    for (const { resource, version } of deletions)
      await this.put(this.messageOf(deletionOf(node, resource, version)));
    metrics.corrected("settled", settled.length);
    metrics.corrected("deleted", deletions.length);
    metrics.corrected("lost", lost);
    metrics.corrected("ahead", ahead);
    if (lost + ahead + deletions.length === 0) return;
    log.warn("a node has not what it was thought to have", {
      node,
      lost,
      ahead,
      deletedAgain: deletions.length,
    });
    if (lost + ahead > 0 && this.links.get(node) !== undefined) this.#presence.announce(node, true);
  }

  closed(link: NodeLink, reason: CloseReason): void {
    const current = this.links.remove(link);
    const { node } = link;
    this.#paths.ended(node, link.address, link.learned, this.#parts.clock.now());
    this.#parts.metrics.linkClosed(reason.code);
    this.#parts.log.info("node link closed", {
      node,
      code: reason.code,
      text: reason.text,
      replaced: !current,
    });
    if (!current) return;
    this.#presence.announce(node, false);
    if (this.#closed || this.#parts.store.node(node) === undefined) return;
    this.#parts.store
      .saveNode(node, { lastSeenAt: this.#parts.clock.wallTime() })
      .catch((error: unknown) =>
        this.fault(node, asHubError(error), "the time of a node's leaving could not be noted"),
      );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const link of [...this.links.values()])
      link.close({ code: "E_CLOSED", text: "the hub is shutting down" });
    this.#upstream.close();
    await Promise.resolve();
  }

  get load(): { nodes: number; upstreamBytes: number; subscribers: number } {
    return {
      nodes: this.links.size,
      upstreamBytes: this.#upstream.bytes,
      subscribers: this.#upstream.subscribers,
    };
  }
}

/** What a node still has of a resource whose deletion it has acked is deleted again. */
function deletionOf(node: NodeId, resource: string, resourceVersion: ResourceVersion): PublishDraft {
  return { node, resource, operation: "delete", resourceVersion, delivery: state, content: {} };
}

/**
 * KubeEdge's cloud takes the deletion of a node's own Node object as the end of its session, and sends it nothing. A node
 * that watches others' is told of theirs.
 */
function isNodeDeletion({ node, group, operation, resource }: Message): boolean {
  return group === "resource" && operation === "delete" && resource.type === "node" && resource.name === node;
}

/** Names under which only the cloud speaks. Source: KubeEdge CloudHub, upstream dispatch. */
const cloudSources: ReadonlySet<string> = new Set([
  "cloudhub",
  "cloudStream",
  "devicecontroller",
  "edgecontroller",
  "synccontroller",
]);
/** A node repeats the cloud's name in these. */
const answers: ReadonlySet<string> = new Set(["response", "error", "upload"]);

/** A node must not speak in the name of the cloud: controllers would believe it. */
function impostor({ source, operation }: Message): HubError | undefined {
  if (!cloudSources.has(source) || answers.has(operation)) return undefined;
  return new HubError("E_FORBIDDEN", `a node sent ${operation} in the name of ${source}`);
}
