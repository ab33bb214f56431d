import type { KubeObject } from "../../kubernetes/object.ts";
import { type TableKind, tableCells, tableColumns } from "../../kubernetes/table/table.ts";
import { counted, formatAge, formatBytes } from "../../platform/quantities.ts";
import type { Database } from "../../platform/sqlite.ts";
import { contentOf, HubError, matchesPattern } from "../../protocol/index.ts";
import { kindOfType } from "../metaserver/kinds.ts";
import { findNamed, isSimilar } from "./find.ts";
import { type ListColumn, type Listing, listingOf, type Wanted } from "./listing.ts";
import { objectOf, textOf } from "./objects.ts";
import { readEdge } from "./place.ts";

interface ResourceRow {
  readonly key: string;
  readonly type: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly source: string;
  readonly version: string | null;
  readonly uid: string | null;
  readonly changed_at: number;
  readonly value: Uint8Array;
}

/** Those whose paths fit. @param now Wall clock, ms. Throws `E_NOT_FOUND` for a path, and as `readDatabase`. */
export function listResourcesAt(
  file: string,
  { pattern, namespace }: { readonly pattern: string | undefined } & Pick<Wanted, "namespace">,
  now: number,
): Listing {
  const all = readEdge(file, resourcesIn);
  const rows = all.filter(
    (row) =>
      (pattern === undefined || matchesPattern(pattern, row.key)) &&
      (namespace === undefined || row.namespace === namespace),
  );
  const isPath = pattern !== undefined && !pattern.includes("*");
  if (isPath && rows.length === 0)
    throw new HubError("E_NOT_FOUND", `no resource ${pattern} on this node; ${kindsHere(all)}`);
  return listingOf(rows, {
    wanted: { name: isPath ? pattern : undefined, namespace },
    columns: pathColumns(now),
    plain: plainResource,
    remark:
      rows.length === all.length
        ? `${counted(all.length, "resource")} on this node`
        : `${rows.length} of ${counted(all.length, "resource")} on this node; ${kindsHere(all)}`,
  });
}

/** Those of a kind, with the columns of kubectl. @param now Wall clock, ms. Throws `E_NOT_FOUND`, `E_BAD_OPTION`, … */
export function listResources(
  file: string,
  wanted: Wanted & { readonly type: string },
  now: number,
): Listing {
  const { type, name, namespace } = wanted;
  const all = readEdge(file, resourcesIn);
  const ofKind = all.filter((row) => row.type === type || `${row.type}s` === type);
  if (ofKind.length === 0 && kindOfType(type) === undefined) throw unknownKind(type, all);
  const inSpace = ofKind.filter((row) => namespace === undefined || row.namespace === namespace);
  return listingOf(name === undefined ? inSpace : [oneNamed(ofKind, { type, name, namespace })], {
    wanted,
    columns: kindColumns(type, ofKind, now),
    plain: plainResource,
    remark:
      inSpace.length > 0
        ? `${inSpace.length} of ${counted(all.length, "resource")} on this node`
        : `no ${type} ${namespace === undefined ? "" : `in ${namespace} `}on this node; ${kindsHere(all)}`,
  });
}

/** In the order of their paths. */
function resourcesIn(database: Database): ResourceRow[] {
  return database
    .prepare(
      "SELECT key, type, namespace, name, source, version, uid, changed_at, value FROM meta WHERE deleted = 0 ORDER BY key",
    )
    .all() as ResourceRow[];
}

function oneNamed(
  rows: readonly ResourceRow[],
  { type, name, namespace }: { type: string; name: string; namespace: string | undefined },
): ResourceRow {
  const named = rows.map((row) => ({ row, name: row.name, namespace: row.namespace ?? "" }));
  return findNamed(named, { what: type, wanted: name, namespace }).row;
}

function unknownKind(type: string, all: readonly ResourceRow[]): HubError {
  const kinds = ["pod", "device", "message", ...new Set(all.map((row) => row.type))];
  const similar = kinds.filter((kind) => isSimilar(type, kind));
  const hint = similar.length > 0 ? `did you mean ${similar.join(", ")}?` : kindsHere(all);
  return new HubError("E_NOT_FOUND", `no kind ${type} on this node; ${hint}`);
}

function kindsHere(all: readonly ResourceRow[]): string {
  const kinds = [...new Set(all.map((row) => row.type))].sort().join(", ");
  return kinds === "" ? "the cloud has sent nothing yet" : `kinds here: ${kinds}`;
}

function plainResource(row: ResourceRow): Record<string, unknown> {
  return {
    resource: row.key,
    type: row.type,
    version: row.version,
    uid: row.uid,
    source: row.source,
    changedAt: new Date(row.changed_at).toISOString(),
    content: contentOf({ content: row.value }),
  };
}

const pathColumns = (now: number): ListColumn<ResourceRow>[] => [
  { title: "RESOURCE", cell: (row) => row.key, keep: "end" },
  { title: "VERSION", cell: (row) => row.version ?? undefined, align: "right" },
  { title: "SIZE", cell: (row) => formatBytes(row.value.length), align: "right" },
  { title: "CHANGED", cell: (row) => formatAge(row.changed_at, now) },
  { title: "SOURCE", cell: (row) => row.source, optional: true },
  { title: "UID", cell: (row) => row.uid ?? undefined, wide: true },
];

/** As kubectl shows the kind; what the cloud sent without a kind's shape has its path only. */
function kindColumns(type: string, rows: readonly ResourceRow[], now: number): ListColumn<ResourceRow>[] {
  const cells = new Map(rows.map((row) => [row.key, cellsOf(row, type, now)]));
  if ([...cells.values()].some((one) => one === undefined)) return pathColumns(now);
  const told = tableColumns(kindOf(type)).map(({ name, priority }, at): ListColumn<ResourceRow> => {
    const wide = priority > 0 ? { wide: true as const } : {};
    return { title: name.toUpperCase(), cell: (row) => cells.get(row.key)?.[at], ...wide };
  });
  const more = pathColumns(now).slice(1);
  return [
    { title: "NAMESPACE", cell: (row) => row.namespace ?? undefined, sparse: true },
    ...told,
    ...more.map((column) => ({ ...column, wide: true as const })),
  ];
}

function cellsOf(row: ResourceRow, type: string, now: number): readonly string[] | undefined {
  const object = objectOf(contentOf({ content: row.value }));
  const metadata = objectOf(object.metadata);
  if (textOf(metadata.name) === "") return undefined;
  const shown: KubeObject = {
    ...object,
    apiVersion: "",
    kind: "",
    metadata: { ...metadata, name: row.name },
  };
  return tableCells(kindOf(type), shown, now).map(String);
}

function kindOf(type: string): TableKind {
  return { type: kindOfType(type) ?? { group: "", resource: `${type}s` } };
}
