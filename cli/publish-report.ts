import { counted, formatDuration } from "../platform/quantities.ts";
import { type Column, singleLine } from "../platform/table.ts";
import type { HubError } from "../sdk/index.ts";
import { nextStepOf } from "./failures.ts";
import { plainRecord } from "./output.ts";
import type { Counts, Outcome } from "./publisher.ts";

/** What `publish` tells of its outcomes. Pure. */

export const outcomeColumns: readonly Column<Outcome>[] = [
  { title: "NODE", cell: (one) => one.node },
  { title: "RESOURCE", cell: (one) => one.resource, keep: "end" },
  { title: "VERSION", cell: (one) => one.published?.version, align: "right" },
  {
    title: "RESULT",
    cell: resultOf,
    colour: (one) => (one.error ? "red" : one.acked ? "green" : undefined),
  },
];

/** For programs. */
export function plainOutcome(one: Outcome): Record<string, unknown> {
  const { error, published } = one;
  return plainRecord({
    node: one.node,
    resource: one.resource,
    id: published?.id,
    version: published?.version,
    stale: published?.stale ?? false,
    state: error ? "failed" : one.acked ? "acked" : "accepted",
    accepted: published !== undefined,
    error: error && {
      code: error.code,
      text: error.message,
      origin: one.origin,
      next: nextStepOf(error) ?? null,
    },
  });
}

function resultOf({ error, published, acked }: Outcome): string {
  if (error) return published ? `accepted, then ${error.code}` : `failed: ${error.code}`;
  if (published?.stale)
    return acked ? "had this version or a newer one" : "has or gets this version or a newer one";
  return acked ? "acked by the node" : "accepted by the hub";
}

/** Failures of one kind, told once. */
interface FailureGroup {
  readonly error: HubError;
  readonly outcomes: Outcome[];
}

/** So many of the same failure are named; the rest is counted. */
const namedFailures = 3;

/** Each kind of failure with code, text, what it concerns, and what to do. */
export function failureReport(outcomes: readonly Outcome[]): string[] {
  const groups = new Map<string, FailureGroup>();
  for (const outcome of outcomes) {
    const { error } = outcome;
    if (error === undefined) continue;
    const key = `${error.code} ${error.message}`;
    const group = groups.get(key) ?? { error, outcomes: [] };
    group.outcomes.push(outcome);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap(({ error, outcomes: failed }) => {
    const step = nextStepOf(error);
    const named = failed
      .slice(0, namedFailures)
      .map(({ node, resource, origin }) => `  ${resource} to ${node} (${origin})`);
    const rest = failed.length - named.length;
    return [
      `hubctl: ${error.code}: ${singleLine(error.message)}`,
      ...named,
      ...(rest > 0 ? [`  and ${rest} more`] : []),
      ...(step === undefined ? [] : [`  ${step}`]),
    ];
  });
}

/** One line about all of it. */
export function summaryOf(outcomes: readonly Outcome[], elapsedMs: number): string {
  const nodes = new Set(outcomes.map((one) => one.node)).size;
  const accepted = outcomes.filter((one) => one.published !== undefined).length;
  const stale = outcomes.filter((one) => one.published?.stale).length;
  const acked = outcomes.filter((one) => one.acked).length;
  const failed = outcomes.filter((one) => one.error !== undefined).length;
  const parts = [
    `${accepted} of ${counted(outcomes.length, "message")} to ${counted(nodes, "node")} accepted`,
    ...(stale > 0 ? [`${stale} of them known already`] : []),
    ...(acked > 0 ? [`${acked} acked by the node${nodes === 1 ? "" : "s"}`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
  ];
  return `${parts.join(", ")}, in ${formatDuration(elapsedMs)}`;
}

const barWidth = 24;

/** The line that is drawn again and again while it works. */
export function progressLine(
  counts: Readonly<Counts>,
  until: "accepted" | "acked",
  elapsedMs: number,
): string {
  const done = until === "acked" ? counts.acked : counts.accepted;
  const filled = counts.total === 0 ? 0 : Math.floor((done / counts.total) * barWidth);
  const bar = `${"#".repeat(filled)}${"·".repeat(barWidth - filled)}`;
  const acked = until === "acked" ? `, ${counts.acked} acked` : "";
  const failed = counts.failed > 0 ? `, ${counts.failed} failed` : "";
  return `[${bar}] ${counts.accepted}/${counts.total} accepted${acked}${failed}  ${formatDuration(elapsedMs)}`;
}
