import { counted, formatAge, formatBytes } from "../../platform/quantities.ts";
import { readDatabase } from "../../platform/read-only-sqlite.ts";
import { type Column, formatTable } from "../../platform/table.ts";
import { contentOf, matchesPattern } from "../../protocol/index.ts";
import { edgeApplicationId } from "../store/schema.ts";
import type { Listing } from "./listing.ts";

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
export function listResources(file: string, pattern: string | undefined): Listing {
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
