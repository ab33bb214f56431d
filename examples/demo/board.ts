import { formatDuration } from "../../platform/quantities.ts";
import { type Column, formatTable } from "../../platform/table.ts";
import type { LedgerEntry } from "../../sdk/index.ts";
import { type DemoObjects, nameOf } from "./objects.ts";

/** What the hub's ledger says of the demo's objects, as rows for people. Pure. */

/** How many objects have come how far. */
export interface StageCounts {
  readonly total: number;
  readonly accepted: number;
  readonly sent: number;
  readonly persisted: number;
  readonly checkpointed: number;
}

/** The newest message of each resource. @param entries Newest first, as `where` gives them. */
export function newestOf(entries: readonly LedgerEntry[]): ReadonlyMap<string, LedgerEntry> {
  const newest = new Map<string, LedgerEntry>();
  for (const entry of entries) if (!newest.has(entry.resource)) newest.set(entry.resource, entry);
  return newest;
}

export function countStages(
  resources: readonly string[],
  newest: ReadonlyMap<string, LedgerEntry>,
): StageCounts {
  const entries = resources.flatMap((resource) => newest.get(resource) ?? []);
  return {
    total: resources.length,
    accepted: entries.length,
    sent: entries.filter((one) => one.sends > 0).length,
    persisted: entries.filter((one) => one.persistedAt !== undefined).length,
    checkpointed: entries.filter((one) => one.state === "persisted" && one.endedAt !== undefined).length,
  };
}

interface Row {
  readonly object: string;
  readonly version: string | undefined;
  readonly accepted: string | undefined;
  readonly sent: string | undefined;
  readonly persisted: string | undefined;
  readonly checkpointed: string | undefined;
  readonly done: boolean;
}

const columns: readonly Column<Row>[] = [
  {
    title: "OBJECT",
    cell: (row) => row.object,
    colour: (row) => (row.done ? "green" : row.accepted ? "yellow" : undefined),
  },
  { title: "VERSION", cell: (row) => row.version, align: "right" },
  { title: "ACCEPTED", cell: (row) => row.accepted },
  { title: "SENT", cell: (row) => row.sent },
  { title: "PERSISTED AT EDGE", cell: (row) => row.persisted },
  { title: "CHECKPOINTED", cell: (row) => row.checkpointed },
];

/** The table: a row for each named object, one with counts for the burst. Times count from acceptance. */
export function boardLines(
  objects: DemoObjects,
  newest: ReadonlyMap<string, LedgerEntry>,
  view: { colours: boolean; width?: number },
): string[] {
  const named = objects.named.map((manifest) => namedRow(nameOf(manifest), newest.get(manifest.resource)));
  const counts = countStages(
    objects.burst.map((one) => one.resource),
    newest,
  );
  return formatTable([...named, burstRow(counts)], columns, view);
}

function namedRow(object: string, entry: LedgerEntry | undefined): Row {
  const nothing = { version: undefined, accepted: undefined, sent: undefined, persisted: undefined };
  if (entry === undefined) return { object, ...nothing, checkpointed: undefined, done: false };
  const after = (at: number | undefined): string | undefined =>
    at === undefined ? undefined : `+${formatDuration(at - entry.acceptedAt)}`;
  const done = entry.state === "persisted" && entry.endedAt !== undefined;
  return {
    object,
    version: entry.version,
    accepted: "yes",
    sent: entry.sends > 1 ? `${after(entry.firstSentAt)} (${entry.sends}×)` : after(entry.firstSentAt),
    persisted: after(entry.persistedAt),
    checkpointed: done ? after(entry.endedAt) : undefined,
    done,
  };
}

function burstRow({ total, accepted, sent, persisted, checkpointed }: StageCounts): Row {
  const share = (count: number): string => `${count}/${total}`;
  return {
    object: `burst of ${total} ConfigMaps`,
    version: undefined,
    accepted: accepted === 0 ? undefined : share(accepted),
    sent: accepted === 0 ? undefined : share(sent),
    persisted: accepted === 0 ? undefined : share(persisted),
    checkpointed: accepted === 0 ? undefined : share(checkpointed),
    done: total > 0 && checkpointed === total,
  };
}
