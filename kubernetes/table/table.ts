import type { JsonObject } from "../json.ts";
import type { KubeObject } from "../object.ts";
import type { ResourceName } from "../objects-api.ts";
import { ageOf } from "./age.ts";
import { type Cell, columnsFor } from "./columns.ts";
import { valuesAt } from "./json-path.ts";
import type { PrinterColumn } from "./printer-column.ts";

/** The columns that `kubectl get` shows of a kind. Source: metav1.TableColumnDefinition. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0: always shown; greater: with `-o wide`. */
  readonly priority: number;
}

/** What decides on the columns of a kind; a `Kind` has it. */
export interface TableKind {
  readonly type: Pick<ResourceName, "group" | "resource">;
  /** Those of a CustomResourceDefinition; absent: the columns that are known for this kind. */
  readonly columns?: readonly PrinterColumn[] | undefined;
}

export function tableColumns(kind: TableKind): readonly TableColumn[] {
  const columns = isCustom(kind) ? customColumns(kind.columns).map(customColumn) : builtInColumns(kind);
  return isNameLast(kind) ? columns : [nameColumn, ...columns];
}

/** @param now Wall clock, ms. */
export function tableCells(kind: TableKind, object: KubeObject, now: number): readonly Cell[] {
  const value = object as unknown as JsonObject;
  const cells = isCustom(kind)
    ? customColumns(kind.columns).map((column) => customCell(column, object, now))
    : columnsFor(kind.type).map(({ cell }) => cell(value, now));
  return isNameLast(kind) ? cells : [object.metadata.name ?? "", ...cells];
}

const nameColumn: TableColumn = {
  name: "Name",
  type: "string",
  format: "name",
  description: "",
  priority: 0,
};
const ageColumn: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

type CustomKind = TableKind & { readonly columns: readonly PrinterColumn[] };

function isCustom(kind: TableKind): kind is CustomKind {
  return kind.columns !== undefined;
}

/** Of an event it matters what happened, not what it is called. */
function isNameLast({ type }: TableKind): boolean {
  return type.resource === "events";
}

function builtInColumns({ type }: TableKind): readonly TableColumn[] {
  return columnsFor(type).map((column) => ({
    name: column.name,
    type: column.type ?? "string",
    format: "",
    description: "",
    priority: column.wide === true ? 1 : 0,
  }));
}

function customColumns(columns: readonly PrinterColumn[]): readonly PrinterColumn[] {
  return columns.length === 0 ? [ageColumn] : columns;
}

function customColumn({ name, type, format, description, priority }: PrinterColumn): TableColumn {
  return { name, type, format: format ?? "", description: description ?? "", priority: priority ?? 0 };
}

/** As the column wants it; nothing where the object has nothing that fits. */
function customCell({ type, jsonPath }: PrinterColumn, object: KubeObject, now: number): Cell {
  const found = valuesAt(object, jsonPath);
  const [value] = found;
  if (value === undefined || value === null) return null;
  switch (type) {
    case "integer":
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      return ageOf(value, now);
    case "string":
      return found.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(",");
    default:
      return type satisfies never;
  }
}
