import { isObject, sameJson } from "../json.ts";
import type { KubeObject } from "../object.ts";
import {
  difference,
  emptyTree,
  type FieldTree,
  fromFieldsV1,
  isEmptyTree,
  toFieldsV1,
  union,
} from "./field-tree.ts";

/** Who holds which fields of an object. Source: metav1.ManagedFieldsEntry. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  readonly time: string | undefined;
  readonly fields: FieldTree;
}

/** Of managers that update, so many are kept apart; the oldest become one. */
const maxUpdateManagers = 10;
const ancientManager = "ancient-changes";

export function managersOf(object: KubeObject | undefined): readonly FieldManager[] {
  return (object?.metadata.managedFields ?? []).filter(isObject).map((entry) => ({
    manager: textOf(entry.manager),
    operation: entry.operation === "Apply" ? "Apply" : "Update",
    apiVersion: textOf(entry.apiVersion),
    subresource: textOf(entry.subresource),
    time: typeof entry.time === "string" ? entry.time : undefined,
    fields: fromFieldsV1(entry.fieldsV1),
  }));
}

export function isSameManager(one: FieldManager, other: Omit<FieldManager, "fields" | "time">): boolean {
  return (
    one.manager === other.manager &&
    one.operation === other.operation &&
    one.subresource === other.subresource &&
    (one.operation === "Apply" || one.apiVersion === other.apiVersion)
  );
}

/** All managers but those, with these fields taken from them. */
export function withoutFieldsOf(
  managers: readonly FieldManager[],
  fields: FieldTree,
): readonly FieldManager[] {
  return managers.map((one) => ({ ...one, fields: difference(one.fields, fields) }));
}

export function heldBy(managers: readonly FieldManager[]): FieldTree {
  return managers.reduce((all, { fields }) => union(all, fields), emptyTree);
}

/** The object with these managers; those that hold nothing are left out. */
export function withManagers(object: KubeObject, managers: readonly FieldManager[]): KubeObject {
  const holders = bounded(managers.filter(({ fields }) => !isEmptyTree(fields)));
  const { managedFields: _, ...metadata } = object.metadata;
  const entries = holders.toSorted(byTime).map(entryOf);
  return { ...object, metadata: entries.length === 0 ? metadata : { ...metadata, managedFields: entries } };
}

/** The same holders of the same fields, whenever that was. */
export function sameManagers(one: readonly FieldManager[], other: readonly FieldManager[]): boolean {
  const essence = (managers: readonly FieldManager[]): unknown =>
    managers
      .filter(({ fields }) => !isEmptyTree(fields))
      .map(({ fields, time: _, ...rest }) => JSON.stringify([rest, toFieldsV1(fields)]))
      .toSorted();
  return sameJson(essence(one), essence(other));
}

function bounded(managers: readonly FieldManager[]): readonly FieldManager[] {
  const updates = managers.filter(({ operation }) => operation === "Update").toSorted(byTime);
  if (updates.length <= maxUpdateManagers) return managers;
  const old = updates.slice(0, updates.length - maxUpdateManagers + 1);
  const [first] = old;
  if (first === undefined) return managers;
  const { time } = old.at(-1) ?? first;
  const ancient: FieldManager = {
    ...first,
    manager: ancientManager,
    subresource: "",
    time,
    fields: heldBy(old),
  };
  return [...managers.filter((one) => !old.includes(one)), ancient];
}

function byTime(one: FieldManager, other: FieldManager): number {
  const rank = ({ operation, time = "" }: FieldManager): string => `${operation} ${time}`;
  return rank(one) < rank(other) ? -1 : rank(one) > rank(other) ? 1 : 0;
}

function entryOf({ manager, operation, apiVersion, subresource, time, fields }: FieldManager): object {
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(fields),
    ...(subresource === "" ? {} : { subresource }),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
