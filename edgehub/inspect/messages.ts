import { counted, formatAge, formatBytes } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import type { Column } from "../../platform/table.ts";
import {
  contentOf,
  HubError,
  type Message,
  matchesPattern,
  type NodeId,
  unpackMessage,
} from "../../protocol/index.ts";
import { notFound } from "./find.ts";
import { type ListColumn, type Listing, listingOf, type Wanted } from "./listing.ts";
import { readEdge } from "./place.ts";

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
export interface Upward {
  readonly position: number;
  readonly message: Message;
  readonly size: number;
  /** Wall clock, ms: of its acceptance, or of its refusal. */
  readonly at: number;
  readonly expiresAt: number | undefined;
  readonly refusal: { readonly code: string; readonly text: string } | undefined;
}

/** @param now Wall clock, ms. */
export const upwardColumns = (now: number): Column<Upward>[] => [
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

const wideColumns: ListColumn<Upward>[] = [
  { title: "VERSION", cell: (row) => row.message.resourceVersion, wide: true },
  { title: "ID", cell: (row) => row.message.id, wide: true },
];

/** What the hub refused, and what waits to go up, each oldest first. */
export function upwardMessages(database: Database): { waiting: Upward[]; refused: Upward[] } {
  const waiting = database
    .prepare("SELECT position, accepted_at, expires_at, size, packed FROM outbox ORDER BY position")
    .all() as OutboxRow[];
  const refused = database
    .prepare("SELECT position, refused_at, code, text, packed FROM refused ORDER BY position")
    .all() as RefusedRow[];
  return { waiting: waiting.map(waitingOf), refused: refused.map(refusedOf) };
}

/** All of them as a list. @param now Wall clock, ms. Throws `E_NOT_FOUND`, `E_BAD_OPTION`, and as `readDatabase`. */
export function listMessages(file: string, wanted: Wanted, now: number): Listing {
  const { name, namespace } = wanted;
  const { waiting, refused } = readEdge(file, upwardMessages);
  const all = [...refused, ...waiting].filter(
    ({ message }) => namespace === undefined || message.resource.namespace === namespace,
  );
  const bytes = waiting.reduce((sum, row) => sum + row.size, 0);
  const oldest = waiting[0] === undefined ? "" : `, the oldest accepted ${formatAge(waiting[0].at, now)}`;
  return listingOf(name === undefined ? all : [findMessage(all, name)], {
    wanted,
    columns: [...upwardColumns(now), ...wideColumns],
    plain: plainUpward,
    remark: `${counted(waiting.length, "message")} waiting (${formatBytes(bytes)})${oldest}; ${refused.length} refused by the hub`,
  });
}

/** The one that is meant by its position, id or resource path. Throws `E_NOT_FOUND`, `E_BAD_OPTION` if several fit. */
export function findMessage(all: readonly Upward[], wanted: string): Upward {
  const found = all.filter(
    ({ position, message }) =>
      String(position) === wanted || message.id === wanted || matchesPattern(wanted, message.resource.path),
  );
  const [first, second] = found;
  if (first === undefined && /^\d+$/.test(wanted)) {
    const text = `no message ${wanted} on this node: the hub has taken it, or there was none; see edgehub get messages`;
    throw new HubError("E_NOT_FOUND", text);
  }
  if (first === undefined)
    throw notFound(
      "message",
      wanted,
      all.map(({ message }) => message.resource.path),
    );
  if (second === undefined) return first;
  const places = found.slice(0, 10).map(({ position }) => position);
  const more = found.length > places.length ? ", …" : "";
  throw new HubError(
    "E_BAD_OPTION",
    `${found.length} messages fit ${wanted}; name one by its position: ${places.join(", ")}${more}`,
  );
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

export function plainUpward({
  position,
  message,
  size,
  at,
  expiresAt,
  refusal,
}: Upward): Record<string, unknown> {
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
