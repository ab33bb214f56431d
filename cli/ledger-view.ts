import { formatAge, formatBytes, formatDuration } from "../platform/quantities.ts";
import type { Colour, Column } from "../platform/table.ts";
import type { LedgerEntry } from "../sdk/index.ts";
import { plainRecord } from "./output.ts";

/** How people are shown where a message is. Pure. */

/** The stages of a message's way, and its other ends. */
export type Stage = "accepted" | "sent" | "persisted" | "checkpointed" | "superseded" | "expired" | "refused";

/**
 * How far a message has come. `persisted`: the node has acked it; `checkpointed`: the hub has written that down. A
 * message that a newer one has replaced on its way is `superseded`, unless the node took it all the same.
 */
export function stageOf(entry: LedgerEntry): Stage {
  switch (entry.state) {
    case "accepted":
      return entry.sends > 0 ? "sent" : "accepted";
    case "persisted":
      return entry.endedAt === undefined ? "persisted" : "checkpointed";
    default:
      return entry.state;
  }
}

export function isDone(entry: LedgerEntry): boolean {
  return entry.state !== "accepted";
}

const colours: Readonly<Record<Stage, Colour | undefined>> = {
  accepted: "yellow",
  sent: "yellow",
  persisted: "green",
  checkpointed: "green",
  superseded: "dim",
  expired: "red",
  refused: "red",
};

export function colourOf(entry: LedgerEntry): Colour | undefined {
  return colours[stageOf(entry)];
}

/** `3×` with the time since acceptance of the first one; `-` before. */
function sentText(entry: LedgerEntry): string | undefined {
  if (entry.sends === 0) return undefined;
  const after = sinceAccepted(entry, entry.firstSentAt);
  return entry.sends === 1 ? after : `${after} (${entry.sends}×)`;
}

/** `+12ms`: how long after acceptance. Clock jumps show as `+0ms`. */
function sinceAccepted(entry: LedgerEntry, at: number | undefined): string | undefined {
  return at === undefined ? undefined : `+${formatDuration(at - entry.acceptedAt)}`;
}

/** Why it ended otherwise. */
export function reasonOf(entry: LedgerEntry): string | undefined {
  switch (entry.state) {
    case "refused":
      return [entry.code, entry.text].filter(Boolean).join(": ");
    case "superseded":
      return "a newer version took its place";
    case "expired":
      return "its time to live was over";
    default:
      return undefined;
  }
}

/** A message in a line. @param now Wall clock, ms. */
export function ledgerColumns(now: number): Column<LedgerEntry>[] {
  return [
    { title: "RESOURCE", cell: (one) => one.resource, keep: "end" },
    { title: "VERSION", cell: (one) => one.version, align: "right" },
    { title: "OPERATION", cell: (one) => one.operation, optional: true },
    { title: "STAGE", cell: stageOf, colour: colourOf },
    { title: "ACCEPTED", cell: (one) => formatAge(one.acceptedAt, now) },
    { title: "SENT", cell: sentText },
    { title: "PERSISTED", cell: (one) => sinceAccepted(one, one.persistedAt) },
    {
      title: "CHECKPOINTED",
      cell: (one) => (one.state === "persisted" ? sinceAccepted(one, one.endedAt) : undefined),
    },
    { title: "REASON", cell: reasonOf, sparse: true },
  ];
}

/** A message with all that is known of it, one stage a line. */
export function ledgerDetails(entry: LedgerEntry, now: number): [name: string, value: unknown][] {
  const step = (at: number | undefined, more = ""): string | undefined => {
    if (at === undefined) return undefined;
    const after = at === entry.acceptedAt ? "" : `  ${sinceAccepted(entry, at)}`;
    return `${new Date(at).toISOString()}  ${formatAge(at, now)}${after}${more}`;
  };
  const lastSent =
    entry.sends > 1 ? `  (${entry.sends}×, last ${sinceAccepted(entry, entry.lastSentAt)})` : "";
  return [
    ["resource", entry.resource],
    ["version", entry.version],
    ["operation", entry.operation],
    ["node", entry.node],
    ["message", entry.id],
    ["position", entry.position],
    ["kind", `${entry.kind}, ${formatBytes(entry.size)}`],
    ["stage", stageOf(entry)],
    ["accepted", step(entry.acceptedAt)],
    ["sent", step(entry.firstSentAt, lastSent)],
    ["persisted", step(entry.persistedAt)],
    [
      entry.state === "persisted" ? "checkpointed" : entry.state,
      entry.state === "accepted" ? undefined : step(entry.endedAt),
    ],
    ["reason", reasonOf(entry)],
    ["expires", entry.expiresAt === undefined ? undefined : formatAge(entry.expiresAt, now)],
  ];
}

const maybe = [
  "version",
  "expiresAt",
  "firstSentAt",
  "lastSentAt",
  "persistedAt",
  "endedAt",
  "code",
  "text",
] as const satisfies readonly (keyof LedgerEntry)[];

/** For programs: the entry with its stage. */
export function plainEntry(entry: LedgerEntry): Record<string, unknown> {
  return { ...plainRecord(entry, maybe), stage: stageOf(entry) };
}
