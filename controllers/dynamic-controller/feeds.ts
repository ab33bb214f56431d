import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { OncePer } from "../../platform/logger.ts";
import { HubError } from "../../sdk/index.ts";
import { neededIndex, neededOnNode, nodeOf } from "../edge-controller/pod-indexes.ts";
import { neededPaths } from "../edge-controller/references.ts";
import type { Informer, ObjectChange } from "../runtime/informer.ts";
import { nameOf } from "../runtime/informer.ts";
import { pods } from "../runtime/kinds.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { requireAccess } from "./access.ts";
import { partsOf, pathOf } from "./fed-objects.ts";
import { type FeedLimits, NodeFeed } from "./node-feed.ts";
import { NodeWatches } from "./node-watches.ts";
import type { Watch, WatchRecord } from "./watch.ts";
import { WatchStore } from "./watch-store.ts";
import { WatchedKinds } from "./watched-kinds.ts";

export interface FeedsOptions extends FeedLimits {
  /** Watches of one node. */
  readonly maxWatches: number;
  /** So long after its end a watch may be opened again as if it had not ended. */
  readonly keepMs: number;
}

interface Fed {
  readonly watches: NodeWatches;
  readonly feed: NodeFeed;
}

/** A node's right to watch is looked at again so often. */
const recheckMs = 300_000;
/** The edge-controller takes away what pods do not need any more a moment after it has changed. */
const othersMs = 5_000;
const maxRemembered = 10_000;

/** What the programs of all nodes watch, and the objects that come to the nodes for it. */
export class Feeds {
  readonly #parts: ControllerParts;
  readonly #options: FeedsOptions;
  readonly #store: WatchStore;
  readonly #kinds: WatchedKinds;
  readonly #pods: Informer;
  readonly #queue: WorkQueue;
  readonly #nodes = new Map<string, Fed>();
  readonly #gone = new Map<string, KubeObject>();
  readonly #unsaved = new Set<string>();
  readonly #saves = new KeyedLanes();
  readonly #complaints: OncePer;
  #endObserving: () => void = () => {};

  constructor(parts: ControllerParts, options: FeedsOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#store = new WatchStore(parts.objects);
    this.#kinds = new WatchedKinds(parts, (kindKey, change) => this.#changed(kindKey, change));
    this.#pods = parts.informers.of(pods);
    neededIndex(this.#pods);
    this.#queue = new WorkQueue(parts, (node) => this.#reconcile(node), { name: "watches of nodes" });
    this.#complaints = new OncePer(parts.clock, 600_000);
  }

  /** Goes on with the watches that were open. Rejects if they cannot be read. */
  async start(): Promise<void> {
    await this.#pods.synced;
    for (const [node, records] of await this.#store.load()) {
      const { watches } = this.#of(node);
      for (const record of records)
        if (record.closedAt === undefined || !watches.has(record.id)) watches.put(record);
      this.#queue.add(node);
    }
    this.#endObserving = this.#pods.observe((change) => this.#podChanged(change));
  }

  async close(): Promise<void> {
    this.#endObserving();
    this.#kinds.closeAll();
    await this.#queue.close();
    await this.#saves.idle();
  }

  /** The node's link has come up: whatever the hub has forgotten is published again. */
  connected(node: string): void {
    const found = this.#nodes.get(node);
    if (found === undefined) return;
    found.feed.reload();
    this.#queue.add(node);
  }

  /** The node watches this. Resolves when it is kept over restarts. Throws an ApiError if it may or can not. */
  async open(node: string, record: WatchRecord): Promise<void> {
    const { watches, feed } = this.#of(node);
    try {
      const isNew = !watches.has(record.id);
      if (isNew && watches.size >= this.#options.maxWatches)
        throw new ApiError(
          "TooManyRequests",
          `node ${node} has ${watches.size} watches, and may not have more`,
        );
      watches.put(record);
      if (isNew) await this.#admit(node, record.id);
      await this.#save(node, watches);
      feed.touchAll(watches.paths());
    } finally {
      this.#queue.add(node);
    }
  }

  /** These are all that the node watches. @returns Why some of them are not fed, by id. */
  async sync(node: string, records: readonly WatchRecord[]): Promise<Map<string, ApiError>> {
    const failed = new Map<string, ApiError>();
    const open = new Map(records.map((record) => [record.id, record]));
    const { watches } = this.#of(node);
    const now = this.#parts.clock.wallTime();
    for (const { id } of watches.records)
      if (!open.has(id) && watches.close(id, now)) this.#unsaved.add(node);
    for (const record of open.values()) {
      try {
        await this.open(node, record);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        failed.set(record.id, error);
      }
    }
    this.#queue.add(node);
    return failed;
  }

  #of(node: string): Fed {
    const found = this.#nodes.get(node);
    if (found !== undefined) return found;
    const watches = new NodeWatches(this.#kinds);
    const feed = new NodeFeed(node, {
      hub: this.#parts.hub,
      watches,
      limits: this.#options,
      isKeptElsewhere: (path) => this.#isKeptElsewhere(node, path),
      last: (path) => this.#gone.get(path),
      refused: (path, why) => this.#refused(node, path, why),
    });
    const made = { watches, feed };
    this.#nodes.set(node, made);
    return made;
  }

  /** Is the node allowed to watch this, and is there such a kind? Then it is fed. */
  async #admit(node: string, id: string): Promise<void> {
    const { watches, feed } = this.#of(node);
    const watch = watches.unchecked(Infinity).find(({ record }) => record.id === id);
    if (watch === undefined) return;
    let kind: string;
    try {
      kind = await this.#requireWatchable(node, watch);
    } catch (error) {
      if (error instanceof ApiError && error.code < 500) this.#end(node, watch);
      throw error;
    }
    watches.checked(id, this.#parts.clock.now(), kind, () => {
      feed.touchAll(watches.paths());
      this.#queue.add(node);
    });
  }

  /** Throws why not. @returns The kind of its objects. */
  async #requireWatchable(node: string, { target, record }: Watch): Promise<string> {
    const { objects } = this.#parts;
    await requireAccess(objects, node, { verb: "watch", target });
    const { labelSelector, fieldSelector } = record;
    const { namespace } = target;
    const { kind } = await objects.list(target, {
      namespace,
      limit: 1,
      ...(labelSelector === "" ? {} : { labelSelector }),
      ...(fieldSelector === "" ? {} : { fieldSelector }),
    });
    return kind.replace(/List$/, "");
  }

  #end(node: string, { record }: Watch): void {
    const { watches, feed } = this.#of(node);
    feed.touchAll(watches.end(record.id).map(pathOf));
    this.#unsaved.add(node);
    this.#queue.add(node);
  }

  async #reconcile(node: string): Promise<number | undefined> {
    const found = this.#nodes.get(node);
    if (found === undefined) return undefined;
    const { watches, feed } = found;
    const { clock } = this.#parts;
    try {
      await this.#recheck(node, watches);
      const ended = watches.expire(clock.wallTime() - this.#options.keepMs);
      if (ended.length > 0) feed.touchAll(ended.map(pathOf));
      if (await feed.round()) return 0;
    } catch (error) {
      if (!(error instanceof HubError && error.code === "E_UNKNOWN_NODE")) throw error;
      watches.clear();
      this.#nodes.delete(node);
      await this.#save(node, watches);
      return undefined;
    }
    if (feed.isSettled && watches.release()) this.#unsaved.add(node);
    if (this.#unsaved.has(node)) await this.#save(node, watches);
    if (watches.size === 0 && feed.isSettled && this.#nodes.get(node) === found) this.#nodes.delete(node);
    return this.#untilNext(watches);
  }

  /** A right may be taken away, and given later to whom it was not. */
  async #recheck(node: string, watches: NodeWatches): Promise<void> {
    const { clock, log } = this.#parts;
    for (const { record } of watches.unchecked(clock.now() - recheckMs)) {
      try {
        await this.#admit(node, record.id);
      } catch (error) {
        if (!(error instanceof ApiError) || error.code >= 500) throw error;
        const { key } = record;
        if (this.#complaints.pass(`${node} ${key}`) !== undefined)
          log.warn("a watch of a node is not fed any more", { node, key, reason: error.message });
      }
    }
  }

  #untilNext(watches: NodeWatches): number | undefined {
    if (watches.size === 0) return undefined;
    const { firstClosedAt } = watches;
    if (firstClosedAt === undefined) return recheckMs;
    const left = firstClosedAt + this.#options.keepMs - this.#parts.clock.wallTime();
    return Math.min(recheckMs, Math.max(left, 1));
  }

  /** One after the other for a node, each time what is true then. */
  #save(node: string, watches: NodeWatches): Promise<void> {
    return this.#saves.run(node, async () => {
      this.#unsaved.delete(node);
      try {
        await this.#store.save(node, watches.records);
      } catch (error) {
        this.#unsaved.add(node);
        throw error;
      }
    });
  }

  /** What pods of the node need, and they themselves, the edge-controller brings. */
  #isKeptElsewhere(node: string, path: string): boolean {
    const { kind, namespace, name } = partsOf(path);
    if (kind === "pod") return nodeOf(this.#pods.get({ namespace, name })) === node;
    if (kind !== "configmap" && kind !== "secret") return false;
    return neededOnNode(this.#pods, node, path).length > 0;
  }

  #changed(kindKey: string, { object, previous }: ObjectChange): void {
    const path = pathOf((object ?? previous) as KubeObject);
    this.#gone.delete(path);
    let isFed = false;
    for (const [node, { watches, feed }] of this.#nodes) {
      const concerns = [object, previous].some((one) => one !== undefined && watches.concerns(kindKey, one));
      if (!concerns) continue;
      isFed = true;
      feed.touch(path);
      this.#queue.add(node);
    }
    if (object !== undefined || previous === undefined || !isFed) return;
    if (this.#gone.size >= maxRemembered) this.#gone.delete(this.#gone.keys().next().value as string);
    this.#gone.set(path, previous);
  }

  /** What the edge-controller brings may change hands with a pod. */
  #podChanged({ object, previous }: ObjectChange): void {
    for (const pod of [previous, object]) {
      const node = nodeOf(pod);
      const found = this.#nodes.get(node);
      if (pod === undefined || found === undefined) continue;
      for (const path of [`${pod.metadata.namespace}/pod/${nameOf(pod).name}`, ...neededPaths(pod)]) {
        found.feed.distrust(path);
        this.#parts.clock.after(othersMs, () => {
          found.feed.distrust(path);
          this.#queue.add(node);
        });
      }
      this.#queue.add(node);
    }
  }

  #refused(node: string, path: string, why: HubError | "limit"): void {
    const kind = why === "limit" ? "limit" : why.code;
    if (this.#complaints.pass(`${node} ${kind}`) === undefined) return;
    const { log } = this.#parts;
    if (why !== "limit")
      log.error("an object cannot be brought to a node", { node, resource: path, error: why });
    else log.warn("a node watches more objects than it may", { node, resource: path });
  }
}
