import {
  type Kind,
  type KubeList,
  type KubeObject,
  tableCells,
  tableColumns,
} from "../../kubernetes/index.ts";
import type { Form } from "./negotiation.ts";

/** Objects in the form that a client wants: whole, their metadata only, or as rows of a table. Pure. */

export interface TableWish {
  /** Wall clock, ms, for ages. */
  readonly now: number;
  /** What of an object goes with its row. Source: Kubernetes TableOptions. */
  readonly includeObject: "None" | "Metadata" | "Object";
  /** Of a watch the first table only has them. */
  readonly columns: boolean;
}

export function shownObject(kind: Kind, object: KubeObject, form: Form, wish: TableWish): object {
  switch (form.as) {
    case "metadata":
      return partial(object);
    case "table": {
      const { resourceVersion } = object.metadata;
      return table(kind, [object], { metadata: { resourceVersion }, wish });
    }
    default:
      return object;
  }
}

export function shownList(kind: Kind, list: KubeList, form: Form, wish: TableWish): object {
  switch (form.as) {
    case "metadata":
      return {
        kind: "PartialObjectMetadataList",
        apiVersion: "meta.k8s.io/v1",
        metadata: list.metadata,
        items: list.items.map(partial),
      };
    case "table":
      return table(kind, list.items, { metadata: list.metadata, wish });
    default:
      return list;
  }
}

/** A bookmark has no row. */
export function shownBookmark(kind: Kind, object: KubeObject, form: Form, wish: TableWish): object {
  if (form.as !== "table") return shownObject(kind, object, form, wish);
  return table(kind, [], { metadata: object.metadata, wish });
}

function table(
  kind: Kind,
  items: readonly KubeObject[],
  { metadata, wish }: { metadata: object; wish: TableWish },
): object {
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata,
    columnDefinitions: wish.columns ? tableColumns(kind) : [],
    rows: items.map((object) => ({
      cells: tableCells(kind, object, wish.now),
      object: included(object, wish.includeObject),
    })),
  };
}

function included(object: KubeObject, wish: TableWish["includeObject"]): object | null {
  if (wish === "None") return null;
  return wish === "Object" ? object : partial(object);
}

function partial({ metadata }: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata };
}
