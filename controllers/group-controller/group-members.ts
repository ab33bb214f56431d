import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";

/** Which nodes are in a group, and what the group says of them. Pure. Source: KubeEdge's node groups. */

/** On a node: the name of its group. */
export const groupLabel = "apps.kubeedge.io/belonging-to";
/** The same for programs that know zones; only of groups that want it. */
export const zoneLabel = "topology.kubernetes.io/zone";

export interface Member {
  readonly name: string;
  /** `undefined`: there is no such node. */
  readonly node: KubeObject | undefined;
  /** The group that it is in already. */
  readonly rival: string | undefined;
}

/**
 * The nodes that a group names or matches, by name.
 *
 * @param isGroup Is there a group of this name? A label that names none does not keep a node.
 */
export function membersOf(
  group: KubeObject,
  nodes: readonly KubeObject[],
  isGroup: (name: string) => boolean,
): Member[] {
  const { nodes: names, matchLabels } = specOf(group);
  const wanted = Object.entries(objectOf(matchLabels));
  const named = new Set(Array.isArray(names) ? names.map((name) => textOf(name)) : []);
  const byName = new Map(nodes.map((node) => [node.metadata.name ?? "", node]));
  for (const [name, { metadata }] of byName) {
    const isMatch = wanted.length > 0 && wanted.every(([key, value]) => metadata.labels?.[key] === value);
    if (isMatch) named.add(name);
  }
  return [...named].sort().map((name) => {
    const node = byName.get(name);
    const owner = node?.metadata.labels?.[groupLabel];
    const isTaken = owner !== undefined && owner !== group.metadata.name && isGroup(owner);
    return { name, node, rival: isTaken ? owner : undefined };
  });
}

/** The labels of a node in the group; null takes one away. Those that are so already are left out. */
export function labelChange(
  node: KubeObject,
  group: KubeObject,
  isMember: boolean,
): Record<string, string | null> {
  const { name = "" } = group.metadata;
  const { labels = {} } = node.metadata;
  const wantsZone = isMember && specOf(group).topologyEnabled === true;
  const change: Record<string, string | null> = {};
  if (isMember && labels[groupLabel] !== name) change[groupLabel] = name;
  if (!isMember && labels[groupLabel] === name) change[groupLabel] = null;
  // A zone that is not of this group's making is somebody else's.
  if (wantsZone && labels[zoneLabel] !== name) change[zoneLabel] = name;
  if (!wantsZone && labels[zoneLabel] === name && labels[groupLabel] === name) change[zoneLabel] = null;
  return change;
}

/** Was this pod placed on its node because the node was in the group? */
export function isPlacedByGroup(pod: KubeObject, group: string): boolean {
  return objectOf(specOf(pod).nodeSelector)[groupLabel] === group;
}

export function groupStatus(members: readonly Member[]): Json {
  return {
    nodeStatuses: members.map(({ name, node, rival }) => {
      const reason =
        node === undefined
          ? `node ${name} does not exist`
          : rival && `node ${name} belongs to node group ${rival}`;
      return {
        nodeName: name,
        readyStatus: node === undefined ? "Unknown" : readyStatus(node),
        selectionStatus: reason === undefined ? "Succeeded" : "Failed",
        ...(reason === undefined ? {} : { selectionStatusReason: reason }),
      };
    }),
  };
}

function readyStatus(node: KubeObject): "Ready" | "NotReady" | "Unknown" {
  const ready = objectsOf(statusOf(node).conditions).find(({ type }) => type === "Ready");
  if (ready?.status === "True") return "Ready";
  return ready?.status === "False" ? "NotReady" : "Unknown";
}
