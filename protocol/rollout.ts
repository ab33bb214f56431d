import { HubError, shown } from "./errors.ts";
import type { NodeId } from "./message.ts";
import type { ResourceVersion } from "./version.ts";

/** How far a version of a resource has come on all nodes. */

export interface RolloutQuery {
  /** Resource path: `default/configmap/limits`. */
  readonly resource: string;
  /** Which nodes have this version or a newer one; default: of each node, the newest one accepted for it. */
  readonly version?: string;
  /** Of how many nodes more is told, 0..1000: the slowest ones; default 10. */
  readonly slowest?: number;
}

/** Checks a query that came from outside. Throws `E_BAD_MESSAGE`. */
export function requireRolloutQuery(value: unknown): RolloutQuery {
  const { resource, version, slowest } = (value ?? {}) as Record<string, unknown>;
  if (typeof resource !== "string" || resource === "")
    throw new HubError("E_BAD_MESSAGE", `resource must be a resource path, got ${shown(resource)}`);
  if (version !== undefined && typeof version !== "string")
    throw new HubError("E_BAD_MESSAGE", `version must be a text, got ${shown(version)}`);
  if (slowest !== undefined && !Number.isSafeInteger(slowest))
    throw new HubError("E_BAD_MESSAGE", `slowest must be a whole number, got ${shown(slowest)}`);
  return {
    resource,
    ...(version === undefined ? {} : { version }),
    ...(slowest === undefined ? {} : { slowest: slowest as number }),
  };
}

/**
 * Where a version is on its way to a node.
 *
 * - `held`: the node has it.
 * - `offline`: it waits for the node to connect.
 * - `queued`: the node is connected, and it waits behind what was accepted before.
 * - `sent`: it is on the link and not acked.
 * - `refused`, `expired`: it has ended and the node does not have it.
 * - `unpublished`: nothing as new as the version asked for was accepted for the node.
 */
export type RolloutState = "held" | "offline" | "queued" | "sent" | "refused" | "expired" | "unpublished";

export const rolloutStates: readonly RolloutState[] = [
  "held",
  "offline",
  "queued",
  "sent",
  "refused",
  "expired",
  "unpublished",
];

/** Times are the hub's wall clock, ms since 1970. */
export interface RolloutView {
  readonly resource: string;
  /** As asked for. */
  readonly version: ResourceVersion | undefined;
  /** The oldest and the newest of the versions accepted for nodes; `undefined`: no node gets this resource. */
  readonly accepted: { readonly oldest: ResourceVersion; readonly newest: ResourceVersion } | undefined;
  /** Nodes that have the resource or are to get it, by state. */
  readonly nodes: Readonly<Record<RolloutState, number>>;
  /** From acceptance at the hub to the node's ack, of nodes of which both are known. */
  readonly propagation:
    | { readonly nodes: number; readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number }
    | undefined;
  /** Those that lack it, longest first, then those that have it, slowest first. */
  readonly slowest: readonly RolloutNode[];
}

export interface RolloutNode {
  readonly node: NodeId;
  readonly state: RolloutState;
  /** What the node has acked last; `undefined`: nothing yet. */
  readonly holds: ResourceVersion | undefined;
  readonly accepted: ResourceVersion | undefined;
  readonly acceptedAt: number | undefined;
  /** When the node acked it; of nodes that hold it. */
  readonly heldAt: number | undefined;
  /** Of `offline`: when its last link ended. `undefined`: it never had one. */
  readonly offlineSince: number | undefined;
  /** Of `queued` and `offline`: how many messages wait for the node. */
  readonly backlogMessages: number | undefined;
  /** Of `sent`: how often, and when last. */
  readonly sends: number;
  readonly lastSentAt: number | undefined;
  /** Of `refused`: what the node said. */
  readonly text: string | undefined;
}
