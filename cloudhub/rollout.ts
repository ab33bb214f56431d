import {
  compareVersions,
  type NodeId,
  newerVersion,
  type ResourceVersion,
  type RolloutNode,
  type RolloutState,
  type RolloutView,
} from "../protocol/index.ts";
import type { Holding } from "./store/hub-store.ts";

/** What is known of a node beside its store. */
export interface NodeFacts {
  readonly connected: boolean;
  readonly lastSeenAt: number | undefined;
  /** Of a message that waits, by its position: how often this link has sent it, and when last. */
  sends(position: number): { readonly sends: number; readonly lastSentAt: number } | undefined;
}

export interface RolloutParts {
  readonly resource: string;
  readonly version: ResourceVersion | undefined;
  readonly holdings: readonly Holding[];
  readonly factsOf: (node: NodeId) => NodeFacts;
  /** How many nodes to tell of. */
  readonly slowest: number;
}

interface Judged {
  readonly holding: Holding;
  readonly facts: NodeFacts;
  readonly state: RolloutState;
}

/** Adds up what all nodes have of a resource. Backlogs are left to be filled in. Pure. */
export function rolloutOf({ resource, version, holdings, factsOf, slowest }: RolloutParts): RolloutView {
  const judged = holdings.map((holding): Judged => {
    const facts = factsOf(holding.node);
    return { holding, facts, state: stateOf(holding, version, facts) };
  });
  const nodes = { held: 0, offline: 0, queued: 0, sent: 0, refused: 0, expired: 0, unpublished: 0 };
  for (const { state } of judged) nodes[state]++;
  const held = judged.filter((one) => one.state === "held");
  const lacking = judged.filter((one) => one.state !== "held");
  lacking.sort((a, b) => (a.holding.acceptedAt ?? 0) - (b.holding.acceptedAt ?? 0));
  held.sort((a, b) => (tookMs(b.holding) ?? -1) - (tookMs(a.holding) ?? -1));
  return {
    resource,
    version,
    accepted: rangeOf(holdings),
    nodes,
    propagation: propagationOf(held),
    slowest: [...lacking, ...held].slice(0, slowest).map(nodeOf),
  };
}

function stateOf(holding: Holding, version: ResourceVersion | undefined, facts: NodeFacts): RolloutState {
  const { holds, accepted } = holding;
  if (version === undefined) {
    if (
      holding.refused === undefined &&
      holds === accepted &&
      holding.holdsDeletion === holding.acceptedDeletion
    )
      return "held";
  } else {
    if (holds !== undefined && compareVersions(holds, version) >= 0) return "held";
    if (accepted === undefined || compareVersions(accepted, version) < 0) return "unpublished";
  }
  if (holding.refused !== undefined) return "refused";
  if (holding.expired) return "expired";
  if (!facts.connected) return "offline";
  const sends = holding.waiting === undefined ? undefined : facts.sends(holding.waiting);
  return (sends?.sends ?? 0) > 0 ? "sent" : "queued";
}

function rangeOf(holdings: readonly Holding[]): RolloutView["accepted"] {
  let oldest: ResourceVersion | undefined;
  let newest: ResourceVersion | undefined;
  for (const { accepted } of holdings) {
    if (accepted === undefined) continue;
    if (oldest === undefined || compareVersions(accepted, oldest) < 0) oldest = accepted;
    newest = newerVersion(newest, accepted);
  }
  return oldest === undefined || newest === undefined ? undefined : { oldest, newest };
}

/** The wall clock may have jumped in between. */
function tookMs({ holds, accepted, acceptedAt, heldAt }: Holding): number | undefined {
  if (holds !== accepted || acceptedAt === undefined || heldAt === undefined) return undefined;
  return Math.max(heldAt - acceptedAt, 0);
}

/** @param held Slowest first. */
function propagationOf(held: readonly Judged[]): RolloutView["propagation"] {
  const times = held.flatMap(({ holding }) => tookMs(holding) ?? []);
  const [maxMs] = times;
  if (maxMs === undefined) return undefined;
  const quantile = (share: number): number => times[Math.floor((1 - share) * times.length)] ?? maxMs;
  return { nodes: times.length, p50Ms: quantile(0.5), p99Ms: quantile(0.99), maxMs };
}

function nodeOf({ holding, facts, state }: Judged): RolloutNode {
  const sends = state === "sent" && holding.waiting !== undefined ? facts.sends(holding.waiting) : undefined;
  return {
    node: holding.node,
    state,
    holds: holding.holds,
    accepted: holding.accepted,
    acceptedAt: holding.acceptedAt,
    heldAt: state === "held" ? holding.heldAt : undefined,
    offlineSince: state === "offline" ? facts.lastSeenAt : undefined,
    backlogMessages: undefined,
    sends: sends?.sends ?? 0,
    lastSentAt: sends?.lastSentAt,
    text: holding.refused,
  };
}
