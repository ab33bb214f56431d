import { counted, formatAge, formatBytes } from "../platform/quantities.ts";
import { readDatabase } from "../platform/read-only-sqlite.ts";
import { type Column, formatTable } from "../platform/table.ts";
import { contentOf, type Message, matchesPattern, type NodeId, unpackMessage } from "../protocol/index.ts";
import { edgeApplicationId } from "./store/schema.ts";

/** What was found, for programs and for people. */
export interface Inspection {
  readonly rows: number;
  readonly plain: unknown;
  /** A line about all of it. */
  readonly remark: string;
  /** @param columns Width of the terminal; `undefined`: none. */
  lines(now: number, columns: number | undefined): string[];
}

interface ResourceRow {
  readonly key: string;
  readonly type: string;
  readonly source: string;
  readonly version: string | null;
  readonly uid: string | null;
  readonly changed_at: number;
  readonly value: Uint8Array;
}

const resourceColumns = (now: number): Column<ResourceRow>[] => [
  { title: "RESOURCE", cell: (row) => row.key, keep: "end" },
  { title: "VERSION", cell: (row) => row.version ?? undefined, align: "right" },
  { title: "SIZE", cell: (row) => formatBytes(row.value.length), align: "right" },
  { title: "CHANGED", cell: (row) => formatAge(row.changed_at, now) },
  { title: "SOURCE", cell: (row) => row.source },
];

/**
 * The resources that this node has, in the order of their paths.
 *
 * @param pattern A kind, or a path with `*`; `undefined`: all. Throws as `readDatabase`.
 */
export function readResources(file: string, pattern: string | undefined): Inspection {
  const all = readDatabase(file, edgeApplicationId, (database) =>
    database
      .prepare(
        "SELECT key, type, source, version, uid, changed_at, value FROM meta WHERE deleted = 0 ORDER BY key",
      )
      .all(),
  ) as ResourceRow[];
  const rows = pattern === undefined ? all : all.filter((row) => fits(row, pattern));
  return {
    rows: rows.length,
    plain: rows.map((row) => ({
      resource: row.key,
      type: row.type,
      version: row.version,
      uid: row.uid,
      source: row.source,
      changedAt: new Date(row.changed_at).toISOString(),
      content: contentOf({ content: row.value }),
    })),
    remark: remarkOf(rows.length, all, pattern),
    lines: (now, columns) => formatTable(rows, resourceColumns(now), { width: columns }),
  };
}

function remarkOf(found: number, all: readonly ResourceRow[], pattern: string | undefined): string {
  if (pattern === undefined) return `${counted(all.length, "resource")} on this node`;
  if (found > 0) return `${found} of ${counted(all.length, "resource")} on this node`;
  const kinds = [...new Set(all.map((row) => row.type))].sort().join(", ");
  return `nothing on this node matches ${pattern}; kinds here: ${kinds || "none"}`;
}

function fits(row: ResourceRow, pattern: string): boolean {
  if (pattern.includes("/") || pattern.includes("*")) return matchesPattern(pattern, row.key);
  const kind = pattern.toLowerCase();
  return row.type === kind || `${row.type}s` === kind;
}

interface OutboxRow {
  readonly position: number;
  readonly accepted_at: number;
  readonly expires_at: number | null;
  readonly size: number;
  readonly packed: Uint8Array;
}

interface RefusedRow {
  readonly position: number;
  readonly refused_at: number;
  readonly code: string;
  readonly text: string;
  readonly packed: Uint8Array;
}

/** A message on its way up, or one that the hub refused. */
interface Upward {
  readonly position: number;
  readonly message: Message;
  readonly size: number;
  /** Wall clock, ms: of its acceptance, or of its refusal. */
  readonly at: number;
  readonly expiresAt: number | undefined;
  readonly refusal: { readonly code: string; readonly text: string } | undefined;
}

const outboxColumns = (now: number): Column<Upward>[] => [
  { title: "POSITION", cell: (row) => row.position, align: "right" },
  { title: "RESOURCE", cell: (row) => row.message.resource.path, keep: "end" },
  { title: "OPERATION", cell: (row) => row.message.operation },
  { title: "GROUP", cell: (row) => row.message.group, optional: true },
  { title: "SOURCE", cell: (row) => row.message.source, optional: true },
  { title: "SIZE", cell: (row) => formatBytes(row.size), align: "right" },
  { title: "SINCE", cell: (row) => formatAge(row.at, now) },
  { title: "EXPIRES", cell: (row) => row.expiresAt && formatAge(row.expiresAt, now), sparse: true },
  {
    title: "STATE",
    cell: (row) => (row.refusal ? `refused: ${row.refusal.code}: ${row.refusal.text}` : "waiting"),
  },
];

/** What waits to go up, oldest first, and what the hub refused. @param now Wall clock, ms. Throws as `readDatabase`. */
export function readOutbox(file: string, now: number): Inspection {
  const { waiting, refused } = readDatabase(file, edgeApplicationId, (database) => ({
    waiting: database
      .prepare("SELECT position, accepted_at, expires_at, size, packed FROM outbox ORDER BY position")
      .all() as OutboxRow[],
    refused: database
      .prepare("SELECT position, refused_at, code, text, packed FROM refused ORDER BY position")
      .all() as RefusedRow[],
  }));
  const all = [...refused.map(refusedOf), ...waiting.map(waitingOf)];
  const bytes = waiting.reduce((sum, row) => sum + row.size, 0);
  const oldest =
    waiting[0] === undefined ? "" : `, the oldest accepted ${formatAge(waiting[0].accepted_at, now)}`;
  return {
    rows: all.length,
    plain: all.map(plainUpward),
    remark: `${counted(waiting.length, "message")} waiting (${formatBytes(bytes)})${oldest}; ${refused.length} refused by the hub`,
    lines: (at, columns) => formatTable(all, outboxColumns(at), { width: columns }),
  };
}

function waitingOf(row: OutboxRow): Upward {
  return {
    position: row.position,
    message: messageOf(row.packed),
    size: row.size,
    at: row.accepted_at,
    expiresAt: row.expires_at ?? undefined,
    refusal: undefined,
  };
}

function refusedOf(row: RefusedRow): Upward {
  return {
    position: row.position,
    message: messageOf(row.packed),
    size: row.packed.length,
    at: row.refused_at,
    expiresAt: undefined,
    refusal: { code: row.code, text: row.text },
  };
}

/** The node is not in the packed form, and not shown: it is this one. */
function messageOf(packed: Uint8Array): Message {
  return unpackMessage(packed, "this-node" as NodeId);
}

function plainUpward({ position, message, size, at, expiresAt, refusal }: Upward): Record<string, unknown> {
  return {
    position,
    id: message.id,
    state: refusal ? "refused" : "waiting",
    resource: message.resource.path,
    operation: message.operation,
    group: message.group,
    source: message.source,
    version: message.resourceVersion ?? null,
    delivery: message.delivery.kind,
    size,
    [refusal ? "refusedAt" : "acceptedAt"]: new Date(at).toISOString(),
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
    refusal: refusal ?? null,
    content: contentOf(message),
  };
}
