import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import { statusOf } from "../runtime/fields.ts";
import { type Informer, nameOf, type ObjectChange } from "../runtime/informer.ts";
import { nodeGroups, nodes, pods } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import {
  groupLabel,
  groupStatus,
  isPlacedByGroup,
  labelChange,
  type Member,
  membersOf,
} from "./group-members.ts";

/** Keeps a group until its nodes have left it. */
export const groupFinalizer = "apps.kubeedge.io/nodegroup-controller";

const byNode = "node of pods";

/** Node groups: marks the nodes of each, ends the pods of those that leave, says in the status how they are. */
export class NodeGroups implements RunningController {
  readonly #parts: ControllerParts;
  readonly #groups: Informer;
  readonly #nodes: Informer;
  readonly #pods: Informer;
  readonly #queue: WorkQueue;
  readonly #ready: Promise<unknown>;
  #ends: (() => void)[] = [];

  constructor(parts: ControllerParts) {
    this.#parts = parts;
    this.#groups = parts.informers.of(nodeGroups);
    this.#nodes = parts.informers.of(nodes);
    this.#pods = parts.informers.of(pods);
    this.#pods.addIndex(byNode, ({ spec }) => {
      const { nodeName } = (spec ?? {}) as { nodeName?: string };
      return nodeName === undefined ? [] : [nodeName];
    });
    this.#queue = new WorkQueue(parts, (name) => this.#reconcile(name), {
      name: "node groups",
      concurrency: 1,
    });
    this.#ready = Promise.all([this.#groups.synced, this.#nodes.synced, this.#pods.synced]);
  }

  start(): void {
    this.#ends = [
      this.#groups.observe(() => this.#all()),
      this.#nodes.observe((change) => {
        if (isOfInterest(change)) this.#all();
      }),
    ];
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end();
    await this.#queue.close();
  }

  /** What one group leaves another one may take: all are looked at. */
  #all(): void {
    for (const { metadata } of this.#groups.all()) this.#queue.add(metadata.name ?? "");
  }

  async #reconcile(name: string): Promise<undefined> {
    await this.#ready;
    const group = this.#groups.get({ name });
    if (group === undefined) return;
    if (group.metadata.deletionTimestamp !== undefined) {
      await this.#release(group, new Set());
      await this.#setFinalizer(group, false);
      return;
    }
    await this.#setFinalizer(group, true);
    const isGroup = (other: string): boolean => this.#groups.get({ name: other }) !== undefined;
    const members = membersOf(group, this.#nodes.all(), isGroup);
    const own = members.filter((member) => member.node !== undefined && member.rival === undefined);
    await this.#release(group, new Set(own.map((member) => member.name)));
    for (const { node } of own) if (node !== undefined) await this.#label(node, group, true);
    await this.#writeStatus(group, members);
  }

  /** Nodes that are marked as the group's, but are not: their mark goes, and with it the pods that it brought there. */
  async #release(group: KubeObject, members: ReadonlySet<string>): Promise<void> {
    const { name = "" } = group.metadata;
    for (const node of this.#nodes.all()) {
      const nodeName = node.metadata.name ?? "";
      if (node.metadata.labels?.[groupLabel] !== name || members.has(nodeName)) continue;
      // The pods first: with the mark gone nobody would look for them after a restart.
      for (const pod of this.#pods.by(byNode, nodeName))
        if (isPlacedByGroup(pod, name) && pod.metadata.deletionTimestamp === undefined) await this.#end(pod);
      await this.#label(node, group, false);
    }
  }

  async #end(pod: KubeObject): Promise<void> {
    const { uid } = pod.metadata;
    try {
      const preconditions = uid === undefined ? {} : { preconditions: { uid } };
      await this.#parts.objects.delete(pods, nameOf(pod), preconditions);
    } catch (error) {
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    }
  }

  /** Only as the node is known here: two groups cannot take it at the same time. */
  async #label(node: KubeObject, group: KubeObject, isMember: boolean): Promise<void> {
    const labels = labelChange(node, group, isMember);
    if (Object.keys(labels).length === 0) return;
    const { resourceVersion, name = "" } = node.metadata;
    await this.#parts.objects.patch(nodes, { name }, "merge", { metadata: { resourceVersion, labels } });
  }

  async #setFinalizer(group: KubeObject, wanted: boolean): Promise<void> {
    const { finalizers = [], resourceVersion, name = "" } = group.metadata;
    if (finalizers.includes(groupFinalizer) === wanted) return;
    const others = finalizers.filter((one) => one !== groupFinalizer);
    const metadata = { resourceVersion, finalizers: wanted ? [...others, groupFinalizer] : others };
    await this.#parts.objects.patch(nodeGroups, { name }, "merge", { metadata });
  }

  async #writeStatus(group: KubeObject, members: readonly Member[]): Promise<void> {
    const status = groupStatus(members);
    if (JSON.stringify(status) === JSON.stringify(statusOf(group))) return;
    const { name = "" } = group.metadata;
    await this.#parts.objects.patch(nodeGroups, { name }, "merge", { status }, { subresource: "status" });
  }
}

/** A heartbeat changes nothing for groups. */
function isOfInterest({ object, previous }: ObjectChange): boolean {
  if (object === undefined || previous === undefined) return true;
  const essence = (node: KubeObject) =>
    JSON.stringify([
      node.metadata.labels,
      groupStatus([{ name: "", node, rival: undefined }]),
      node.metadata.deletionTimestamp,
    ]);
  return essence(object) !== essence(previous);
}
