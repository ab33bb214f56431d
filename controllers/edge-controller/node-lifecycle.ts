import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import { EventRecorder } from "../runtime/event-recorder.ts";
import { specOf, statusOf, textOf } from "../runtime/fields.ts";
import { type Informer, nameOf, type ObjectChange } from "../runtime/informer.ts";
import { leases, nodes, pods } from "../runtime/kinds.ts";
import type { ControllerParts } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import type { HubLabels } from "./hub-labels.ts";
import {
  conditionsToWrite,
  evictionTime,
  type Heartbeat,
  nodeMonitorGraceMs,
  readyStatus,
  taintsToWrite,
} from "./node-health.ts";
import { neededIndex, nodeOf, podsOnNode } from "./pod-indexes.ts";

const leaseNamespace = "kube-node-lease";
/** A node with edged registers itself within this time; one without gets its Node object then. */
const registrationMs = 15_000;
/** A clock does not tell a deadline to the millisecond. */
const slackMs = 100;

/** Node objects: made for nodes that make none, ready as long as the node gives signs of life, tainted otherwise. */
export class NodeLifecycle {
  readonly #parts: ControllerParts;
  readonly #nodes: Informer;
  readonly #leases: Informer;
  readonly #pods: Informer;
  readonly #queue: WorkQueue;
  readonly #events: EventRecorder;
  readonly #labels: HubLabels;
  readonly #renewals = new Map<string, { readonly renewTime: string; readonly at: number }>();
  /** Since when a node's link is as it is. */
  readonly #links = new Map<string, { readonly connected: boolean; readonly at: number }>();
  /** Since when a node with pods or a lease has no Node object. */
  readonly #missing = new Map<string, number>();
  readonly #startedAt: number;
  readonly #ready: Promise<unknown>;
  readonly #ends: (() => void)[] = [];

  constructor(parts: ControllerParts, labels: HubLabels) {
    this.#parts = parts;
    this.#labels = labels;
    this.#nodes = parts.informers.of(nodes);
    this.#leases = parts.informers.of(leases);
    this.#pods = parts.informers.of(pods);
    neededIndex(this.#pods);
    this.#queue = new WorkQueue(parts, (node) => this.#reconcile(node), { name: "nodes" });
    this.#events = new EventRecorder(parts, "edge-controller");
    this.#startedAt = parts.clock.now();
    this.#ready = Promise.all([this.#nodes.synced, this.#leases.synced, this.#pods.synced]);
  }

  start(): void {
    this.#ends.push(
      this.#nodes.observe((change) => {
        this.#queue.add((change.object ?? change.previous)?.metadata.name ?? "");
        this.#sayReady(change);
      }),
      this.#leases.observe((change) => this.#leaseChanged(change)),
      this.#pods.observe(({ object }) => {
        if (object && nodeOf(object) !== "" && this.#mayMatter(nodeOf(object)))
          this.#queue.add(nodeOf(object));
      }),
    );
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.close();
  }

  /** The node's link has come up or gone. */
  linkChanged(node: string, connected: boolean): void {
    this.#links.set(node, { connected, at: this.#parts.clock.now() });
    this.#queue.add(node);
  }

  /** What the node says of itself; that it is silent is said when that is found. */
  #sayReady({ object, previous }: ObjectChange): void {
    if (object === undefined || previous === undefined) return;
    const ready = readyStatus(object);
    if (ready === readyStatus(previous)) return;
    const word = ready === "True" ? "NodeReady" : "NodeNotReady";
    const text = `Node ${object.metadata.name} status is now: ${word}`;
    if (ready === "True") this.#events.normal(object, word, text);
    if (ready === "False") this.#events.warn(object, word, text);
  }

  #leaseChanged({ object }: ObjectChange): void {
    if (object === undefined || object.metadata.namespace !== leaseNamespace) return;
    const node = object.metadata.name ?? "";
    const renewTime = textOf(specOf(object).renewTime);
    const known = this.#renewals.get(node);
    if (known?.renewTime === renewTime) return;
    this.#renewals.set(node, { renewTime, at: this.#parts.clock.now() });
    // While all is well, the timer of the last look is soon enough.
    if (known === undefined || readyStatus(this.#nodes.get({ name: node })) !== "True") this.#queue.add(node);
  }

  /** A pod's change matters to a node that is missing or has taints. */
  #mayMatter(node: string): boolean {
    const found = this.#nodes.get({ name: node });
    return found === undefined || specOf(found).taints !== undefined;
  }

  async #reconcile(name: string): Promise<number | undefined> {
    await this.#ready;
    const node = this.#nodes.get({ name });
    if (node === undefined) return this.#missingNode(name);
    this.#missing.delete(name);
    const beat = this.#heartbeat(name);
    const fresh = await this.#writeHealth(node, beat);
    const next = [await this.#evict(fresh), this.#nextLook(beat)].filter((one) => one !== undefined);
    return next.length === 0 ? undefined : Math.min(...next) + slackMs;
  }

  #heartbeat(name: string): Heartbeat {
    const renewal = this.#renewals.get(name);
    const lease = this.#leases.get({ namespace: leaseNamespace, name });
    if (lease !== undefined && renewal !== undefined) {
      const seconds = specOf(lease).leaseDurationSeconds;
      const goodMs = Math.max(nodeMonitorGraceMs, typeof seconds === "number" ? seconds * 1_000 : 0);
      return { source: "lease", at: renewal.at, goodMs };
    }
    const link = this.#links.get(name);
    if (link?.connected) return { source: "link", at: this.#parts.clock.now(), goodMs: nodeMonitorGraceMs };
    return { source: "none", at: link?.at ?? this.#startedAt, goodMs: nodeMonitorGraceMs };
  }

  #nextLook({ source, at, goodMs }: Heartbeat): number | undefined {
    const remaining = at + goodMs - this.#parts.clock.now();
    return remaining > 0 ? remaining : source === "link" ? goodMs : undefined;
  }

  async #writeHealth(node: KubeObject, beat: Heartbeat): Promise<KubeObject> {
    const { clock, objects, log } = this.#parts;
    const name = nameOf(node);
    let current = node;
    const conditions = conditionsToWrite(node, beat, clock.now(), clock.wallTime());
    if (conditions.length > 0) {
      const patch = { status: { conditions } };
      current = await objects.patch(nodes, name, "strategic", patch, { subresource: "status" });
      const ready = readyStatus(current);
      if (ready === "Unknown" && readyStatus(node) !== "Unknown")
        this.#events.warn(current, "NodeNotReady", "the node gives no sign of life");
      else if (ready !== readyStatus(node))
        log.info("a node's readiness has changed", { node: name.name, ready });
    }
    const taints = taintsToWrite(current, clock.wallTime());
    if (taints === undefined) return current;
    return await objects.update(nodes, { ...current, spec: { ...specOf(current), taints } });
  }

  /** @returns ms until the next pod must leave. */
  async #evict(node: KubeObject): Promise<number | undefined> {
    const { clock, objects } = this.#parts;
    let next: number | undefined;
    for (const pod of podsOnNode(this.#pods, node.metadata.name ?? "")) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      const at = evictionTime(pod, node);
      if (at === undefined) continue;
      const remaining = at - clock.wallTime();
      if (remaining > 0) {
        next = Math.min(next ?? remaining, remaining);
        continue;
      }
      this.#events.warn(
        pod,
        "TaintManagerEviction",
        `the taints of node ${node.metadata.name} are not tolerated`,
      );
      const { uid } = pod.metadata;
      await this.#gone(
        objects.delete(pods, nameOf(pod), uid === undefined ? {} : { preconditions: { uid } }),
      );
    }
    return next;
  }

  /** No Node object: one is made for a node that has a link and makes none; what is left of one that was deleted goes. */
  async #missingNode(name: string): Promise<number | undefined> {
    const now = this.#parts.clock.now();
    const link = this.#links.get(name);
    if (link?.connected) {
      const remaining = link.at + registrationMs - now;
      if (remaining > 0) return remaining;
      return (await this.#create(name)) ? undefined : registrationMs;
    }
    const since = this.#missing.get(name) ?? now;
    this.#missing.set(name, since);
    const remaining = since + nodeMonitorGraceMs - now;
    if (remaining > 0) return remaining;
    this.#missing.delete(name);
    await this.#removeRemains(name);
    return undefined;
  }

  /** @returns False if the hub does not know the node yet. */
  async #create(name: string): Promise<boolean> {
    const { objects, log } = this.#parts;
    const given = await this.#labels.of(name);
    if (given === undefined) return false;
    const labels = { ...given, "kubernetes.io/hostname": name, "node-role.kubernetes.io/edge": "" };
    const node = { apiVersion: "v1", kind: "Node", metadata: { name, labels }, spec: {} };
    try {
      const created = await objects.create(nodes, node);
      this.#events.normal(created, "RegisteredNode", `Node ${name} was registered for its link`);
      log.info("a node that does not register itself got its Node object", { node: name });
    } catch (error) {
      if (!isReason(error, "AlreadyExists")) throw error;
    }
    return true;
  }

  /** Pods that have run on a node which is no more. Those that have not wait for a node of that name. */
  async #removeRemains(name: string): Promise<void> {
    const { objects, log } = this.#parts;
    for (const pod of podsOnNode(this.#pods, name)) {
      if (statusOf(pod).startTime === undefined) continue;
      log.info("a pod of a deleted node is removed", { node: name, ...nameOf(pod) });
      await this.#gone(objects.delete(pods, nameOf(pod), { gracePeriodSeconds: 0 }));
    }
    const lease = { namespace: leaseNamespace, name };
    if (this.#leases.get(lease) !== undefined) await this.#gone(objects.delete(leases, lease));
  }

  async #gone(deleting: Promise<unknown>): Promise<void> {
    await deleting.catch((error: unknown) => {
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    });
  }
}
