import { counted, formatAge, formatDuration } from "../platform/quantities.ts";
import type { Colour, Column } from "../platform/table.ts";
import type { RolloutNode, RolloutState, RolloutView } from "../sdk/index.ts";
import { plainRecord } from "./output.ts";

/** How people are shown how far a rollout is. Pure. */

/** What still may become `held` by itself. */
const open = ["offline", "queued", "sent"] as const satisfies readonly RolloutState[];
/** What does not. */
const ended = ["refused", "expired", "unpublished"] as const satisfies readonly RolloutState[];

const words: Readonly<Record<RolloutState, string>> = {
  held: "have it",
  offline: "offline",
  queued: "waiting behind other messages",
  sent: "sent and not acked",
  refused: "refused it",
  expired: "did not get it in time",
  unpublished: "not published",
};

const colours: Readonly<Record<RolloutState, Colour | undefined>> = {
  held: "green",
  offline: "yellow",
  queued: "yellow",
  sent: "yellow",
  refused: "red",
  expired: "red",
  unpublished: "dim",
};

export function nodesOf({ nodes }: RolloutView): number {
  return Object.values(nodes).reduce((sum, count) => sum + count, 0);
}

/** Nodes that may still get it. */
export function openIn({ nodes }: RolloutView): number {
  return open.reduce((sum, state) => sum + nodes[state], 0);
}

/** Nodes that will not get it by themselves. */
export function failedIn({ nodes }: RolloutView): number {
  return ended.reduce((sum, state) => sum + nodes[state], 0);
}

/** `9,950 of 10,000 nodes have version 7: 40 offline, 10 refused it`, and how long it took. */
export function summaryLines(view: RolloutView): string[] {
  const all = nodesOf(view);
  const lacking = [...open, ...ended].filter((state) => view.nodes[state] > 0);
  const why = lacking.map((state) => `${view.nodes[state]} ${words[state]}`).join(", ");
  const share = all === 0 ? 0 : Math.floor((100 * view.nodes.held) / all);
  const lines = [
    `${view.resource}: ${view.nodes.held} of ${counted(all, "node")} (${share} %) have ${versionText(view)}${why === "" ? "" : `: ${why}`}`,
  ];
  const { propagation } = view;
  if (propagation !== undefined)
    lines.push(
      `from acceptance to ack: p50 ${formatDuration(propagation.p50Ms)}, p99 ${formatDuration(propagation.p99Ms)}, longest ${formatDuration(propagation.maxMs)} (${counted(propagation.nodes, "node")})`,
    );
  return lines;
}

function versionText({ version, accepted }: RolloutView): string {
  if (version !== undefined) return `version ${version} or newer`;
  if (accepted === undefined || accepted.oldest === accepted.newest)
    return `version ${accepted?.newest ?? "-"}`;
  return `the newest accepted for them (${accepted.oldest} to ${accepted.newest})`;
}

/** A node in a line. @param now Wall clock, ms. */
export function rolloutColumns(now: number): Column<RolloutNode>[] {
  return [
    { title: "NODE", cell: (one) => one.node },
    { title: "HAS", cell: (one) => one.holds, align: "right" },
    { title: "NEWEST", cell: (one) => one.accepted, align: "right" },
    { title: "STATE", cell: (one) => one.state, colour: (one) => colours[one.state] },
    { title: "ACCEPTED", cell: (one) => one.acceptedAt && formatAge(one.acceptedAt, now) },
    { title: "WHY", cell: (one) => reasonOf(one, now) },
  ];
}

/** Why a node has it late, or not at all. */
export function reasonOf(one: RolloutNode, now: number): string | undefined {
  const backlog =
    one.backlogMessages === undefined ? "" : `, ${counted(one.backlogMessages, "message")} waiting`;
  switch (one.state) {
    case "held":
      return one.heldAt === undefined || one.acceptedAt === undefined
        ? undefined
        : `took ${formatDuration(one.heldAt - one.acceptedAt)}`;
    case "offline":
      return one.offlineSince === undefined
        ? `never connected${backlog}`
        : `offline since ${formatAge(one.offlineSince, now)}${backlog}`;
    case "queued":
      return `connected${backlog}`;
    case "sent":
      return `sent ${one.sends === 1 ? "" : `${one.sends}×, last `}${formatAge(one.lastSentAt ?? now, now)}, not acked`;
    case "refused":
      return one.text;
    case "expired":
      return "its time to live was over";
    case "unpublished":
      return "no such version was accepted for it";
    default:
      return one.state satisfies never;
  }
}

const maybe = [
  "holds",
  "accepted",
  "acceptedAt",
  "heldAt",
  "offlineSince",
  "backlogMessages",
  "lastSentAt",
  "text",
] as const satisfies readonly (keyof RolloutNode)[];

/** For programs. */
export function plainRollout(view: RolloutView): Record<string, unknown> {
  return {
    ...plainRecord(view, ["version", "accepted", "propagation"]),
    done: openIn(view) + failedIn(view) === 0,
    slowest: view.slowest.map((one) => ({
      ...plainRecord(one, maybe),
      offlineSince: timeOf(one.offlineSince),
    })),
  };
}

function timeOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString();
}
