import type { KubeObject } from "../../kubernetes/index.ts";
import { HubError } from "../../sdk/index.ts";
import { type Informer, nameOf, type ObjectChange } from "../runtime/informer.ts";
import { configMaps, nodes, pods, secrets } from "../runtime/kinds.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { type NodeSync, type NodeSyncParts, nodeSync, type WantedObjects } from "./node-sync.ts";
import { neededIndex, neededOnNode, nodeOf, nodesThatNeed, podsOnNode } from "./pod-indexes.ts";
import { neededPaths, pathOf } from "./references.ts";
import type { SentToNodes } from "./requests.ts";
import { remains, type SentKind, sentOf, type Wanted } from "./wanted.ts";

/** A node that is not known to the hub is looked for again so much later; its first link tells sooner. */
const unknownNodeMs = 60_000;
/** Objects that are gone are remembered until nodes have been told; no more of them than this. */
const maxRemembered = 10_000;

/** Brings nodes their pods, what these need, and to those that ask for it their Node object. */
export class Downstream implements SentToNodes, WantedObjects {
  readonly #parts: ControllerParts;
  readonly #pods: Informer;
  readonly #nodes: Informer;
  readonly #needed: Readonly<Record<"configmap" | "secret", Informer>>;
  readonly #queue: WorkQueue;
  readonly #syncs = new Map<string, NodeSync>();
  /** The same for all nodes. */
  readonly #syncParts: NodeSyncParts;
  readonly #gone = new Map<string, KubeObject>();
  readonly #readOwnNode = new Set<string>();
  /** Resolves when all kinds are listed. */
  readonly ready: Promise<unknown>;
  readonly #ends: (() => void)[] = [];

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    const { informers } = parts;
    this.#pods = informers.of(pods);
    this.#nodes = informers.of(nodes);
    this.#needed = { configmap: informers.of(configMaps), secret: informers.of(secrets) };
    neededIndex(this.#pods);
    this.#queue = new WorkQueue(parts, (node) => this.#reconcile(node), { name: "objects of nodes" });
    this.#syncParts = {
      hub: parts.hub,
      objects: this,
      refused: (node, { resource }, error) =>
        parts.log.error("an object cannot be brought to a node", { node, resource, error }),
    };
    const all = [this.#pods, this.#nodes, this.#needed.configmap, this.#needed.secret];
    this.ready = Promise.all(all.map((one) => one.synced));
  }

  start(): void {
    this.#ends.push(
      this.#pods.observe((change) => this.#podChanged(change)),
      this.#nodes.observe((change) => this.#nodeChanged(change)),
      this.#needed.configmap.observe((change) => this.#neededChanged("configmap", change)),
      this.#needed.secret.observe((change) => this.#neededChanged("secret", change)),
    );
    void this.#addAll();
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.close();
  }

  /** The node's link has come up: whatever the hub has forgotten is published again. */
  connected(node: string): void {
    this.#sync(node).reload();
    this.#queue.add(node);
  }

  // ── what requests tell ───────────────────────────────────────────────────────────────────────────────────

  readsItsNode(node: string): void {
    if (this.#readOwnNode.has(node)) return;
    this.#readOwnNode.add(node);
    this.#touch(node, nodePath(node));
  }

  lacksItsNode(node: string): void {
    this.#readOwnNode.add(node);
    this.#sync(node).resend(nodePath(node));
    this.#queue.add(node);
  }

  async hasStalePod(node: string, namespace: string, name: string, uid: string): Promise<void> {
    const path = pathOf("pod", { namespace, name });
    const [view] = await this.#parts.hub.resources({ node, resource: path });
    if (view?.acceptedDeleted && view.state === "waiting") return;
    // Others have published it, and others will take it away.
    if (view !== undefined && !view.acceptedDeleted && sentOf(view) === undefined) return;
    await this.#parts.hub.publish({
      node,
      resource: path,
      operation: "delete",
      resourceVersion: "next",
      content: remains(path, uid),
    });
    this.#sync(node).resend(path);
    this.#queue.add(node);
  }

  // ── what a node is to have ───────────────────────────────────────────────────────────────────────────────

  wanted(node: string, path: string): Wanted | undefined {
    const [namespace = "", kind = "", name = ""] = path.split("/");
    const object = this.#find(node, kind as SentKind, namespace, name);
    return object === undefined ? undefined : { kind: kind as SentKind, object };
  }

  *paths(node: string): Iterable<string> {
    for (const pod of podsOnNode(this.#pods, node)) {
      yield pathOf("pod", nameOf(pod));
      yield* neededPaths(pod);
    }
    if (this.#readOwnNode.has(node)) yield nodePath(node);
  }

  hasItsNode(node: string): void {
    this.#readOwnNode.add(node);
  }

  last(path: string): KubeObject | undefined {
    return this.#gone.get(path);
  }

  #find(node: string, kind: SentKind, namespace: string, name: string): KubeObject | undefined {
    switch (kind) {
      case "pod": {
        const pod = this.#pods.get({ namespace, name });
        return nodeOf(pod) === node ? pod : undefined;
      }
      case "node":
        return this.#readOwnNode.has(node) && name === node ? this.#nodes.get({ name }) : undefined;
      default: {
        const isNeeded = neededOnNode(this.#pods, node, pathOf(kind, { namespace, name })).length > 0;
        return isNeeded ? this.#needed[kind]?.get({ namespace, name }) : undefined;
      }
    }
  }

  // ── changes ──────────────────────────────────────────────────────────────────────────────────────────────

  #podChanged({ object, previous }: ObjectChange): void {
    this.#remember("pod", { object, previous });
    for (const pod of [previous, object]) {
      if (pod === undefined || nodeOf(pod) === "") continue;
      this.#touch(nodeOf(pod), pathOf("pod", nameOf(pod)));
      for (const path of neededPaths(pod)) this.#touch(nodeOf(pod), path);
    }
  }

  #neededChanged(kind: "configmap" | "secret", change: ObjectChange): void {
    this.#remember(kind, change);
    const path = pathOf(kind, nameOf((change.object ?? change.previous) as KubeObject));
    for (const node of nodesThatNeed(this.#pods, path)) this.#touch(node, path);
  }

  #nodeChanged({ object, previous }: ObjectChange): void {
    const node = (object ?? previous)?.metadata.name ?? "";
    if (object === undefined) void this.#endLink(node);
    else if (this.#readOwnNode.has(node)) this.#touch(node, nodePath(node));
  }

  /** Nodes are not told of it: their link ends, and when they come back they register anew. */
  async #endLink(node: string): Promise<void> {
    this.#sync(node).resend(nodePath(node));
    const draft = { node, resource: `namespace/node/${node}`, operation: "delete" };
    const [outcome] = await this.#parts.hub.publishBatch([draft]);
    if (outcome?.ok === false && outcome.error.code !== "E_UNKNOWN_NODE")
      this.#parts.log.warn("a deleted node's link was not ended", { node, error: outcome.error });
  }

  #remember(kind: string, { object, previous }: ObjectChange): void {
    const path = pathOf(kind, nameOf((object ?? previous) as KubeObject));
    this.#gone.delete(path);
    if (object !== undefined || previous === undefined) return;
    if (this.#gone.size >= maxRemembered) this.#gone.delete(this.#gone.keys().next().value as string);
    this.#gone.set(path, previous);
  }

  #touch(node: string, path: string): void {
    this.#sync(node).touch(path);
    this.#queue.add(node);
  }

  #sync(node: string): NodeSync {
    const found = this.#syncs.get(node);
    if (found !== undefined) return found;
    const sync = nodeSync(node, this.#syncParts);
    this.#syncs.set(node, sync);
    return sync;
  }

  /** Nodes that the hub knows, though they may have no pods any more. */
  async #addAll(): Promise<void> {
    await this.ready;
    try {
      for (const { node } of await this.#parts.hub.nodes()) this.#queue.add(node);
    } catch (error) {
      this.#parts.log.warn("the hub's nodes could not be listed", { error });
    }
  }

  async #reconcile(node: string): Promise<number | undefined> {
    await this.ready;
    try {
      return (await this.#sync(node).round()) ? 0 : undefined;
    } catch (error) {
      if (!(error instanceof HubError && error.code === "E_UNKNOWN_NODE")) throw error;
      this.#sync(node).reload();
      return unknownNodeMs;
    }
  }
}

function nodePath(node: string): string {
  return pathOf("node", { name: node });
}
