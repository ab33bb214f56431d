import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import { type TableKind, tableCells, tableColumns } from "../../kubernetes/table/table.ts";

/** How a client wants objects: whole, their metadata only, or as rows of a table. Pure. Source: Kubernetes API concepts. */
export type Form =
  | { readonly as: "object" }
  | { readonly as: "metadata" }
  | { readonly as: "table"; readonly version: string };

/** @param accept Header of the request. @returns `undefined` if it takes no JSON. */
export function formOf(accept: string | undefined): Form | undefined {
  if (accept === undefined || accept.trim() === "") return { as: "object" };
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (!["application/json", "application/*", "*/*"].includes(type)) continue;
    const words = new Map(parameters.map((one) => one.split("=") as [string, string]));
    const as = words.get("as");
    if (as === undefined && !words.has("g")) return { as: "object" };
    if (words.get("g") !== "meta.k8s.io") continue;
    if (as === "Table") return { as: "table", version: words.get("v") ?? "v1" };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { as: "metadata" };
  }
  return undefined;
}

/** What a list is besides its items. */
export interface ListMeta {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: object;
}

export interface TableWish extends TableKind {
  /** Wall clock, ms; for ages. */
  readonly now: number;
  /** What of an object goes with its row. Source: Kubernetes TableOptions. */
  readonly includeObject: string;
}

export function shownObject(object: KubeObject, form: Form, wish: TableWish): object {
  switch (form.as) {
    case "object":
      return object;
    case "metadata":
      return partial(object);
    case "table":
      return table([object], { resourceVersion: object.metadata.resourceVersion }, form.version, wish);
    default:
      return form satisfies never;
  }
}

export function shownList(list: ListMeta, items: readonly KubeObject[], form: Form, wish: TableWish): object {
  switch (form.as) {
    case "object":
      return { ...list, items };
    case "metadata":
      return {
        kind: "PartialObjectMetadataList",
        apiVersion: "meta.k8s.io/v1",
        metadata: list.metadata,
        items: items.map(partial),
      };
    case "table":
      return table(items, list.metadata, form.version, wish);
    default:
      return form satisfies never;
  }
}

function table(items: readonly KubeObject[], metadata: object, version: string, wish: TableWish): object {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: tableColumns(wish),
    rows: items.map((object) => ({
      cells: tableCells(wish, object, wish.now),
      object: included(object, wish.includeObject),
    })),
  };
}

function included(object: KubeObject, wish: string): object | null {
  if (wish === "None") return null;
  return wish === "Object" ? object : partial(object);
}

function partial({ metadata }: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}

/** A list as the cloud sent it. @returns `undefined` for what is none. */
export function readList(
  value: unknown,
): { list: ListMeta; items: KubeObject[]; version: string } | undefined {
  if (!isObject(value) || !Array.isArray(value.items)) return undefined;
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const { apiVersion, kind } = value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") return undefined;
  const items = value.items.filter((item): item is KubeObject => isObject(item) && isObject(item.metadata));
  return { list: { apiVersion, kind, metadata }, items, version: String(metadata.resourceVersion ?? "") };
}
