import { isObject, type JsonObject, own } from "../json.ts";
import type { ListRules, Schema } from "../schema/schema.ts";
import { emptyTree, type FieldTree, leaf } from "./field-tree.ts";

/** Which fields an object has, for saying who holds them. */

/** Fields that nobody holds. */
const unowned: Readonly<Record<string, readonly string[]>> = {
  "": ["apiVersion", "kind"],
  metadata: [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generateName",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
  ],
};

/** @param owned True for the fields of the root that count: with `status` alone, for example, for its subresource. */
export function fieldsOf(schema: Schema, object: JsonObject, owned: (field: string) => boolean): FieldTree {
  const fields = Object.entries(object).filter(
    ([name, value]) => value !== undefined && owned(name) && !unowned[""]?.includes(name),
  );
  const below = fields.flatMap(([name, value]): [string, FieldTree][] => {
    const known = own(schema.properties, name) ?? {};
    const counted = name === "metadata" && isObject(value) ? ownedMetadata(value) : value;
    const tree = treeOf(known, counted);
    const isNothing = isObject(counted) && Object.keys(counted).length === 0;
    return isNothing ? [] : [[`f:${name}`, tree]];
  });
  return { member: false, below: new Map(below) };
}

function ownedMetadata(metadata: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !unowned.metadata?.includes(name)));
}

function treeOf(schema: Schema, value: unknown): FieldTree {
  if (isObject(value) && isGranular(schema, value)) return mapTree(schema, value);
  if (Array.isArray(value) && isAssociative(schema.list) && value.length > 0) return listTree(schema, value);
  return leaf(value);
}

/** True for objects whose fields have holders of their own. */
function isGranular(schema: Schema, value: JsonObject): boolean {
  if (schema.atomic === true || Object.keys(value).length === 0) return false;
  return (
    schema.properties !== undefined || schema.additional !== undefined || schema.preserveUnknown === true
  );
}

/** True for lists whose entries have holders of their own. */
export function isAssociative(list: ListRules | undefined): list is ListRules {
  return list !== undefined && list.type !== "atomic";
}

export function fieldSchema(schema: Schema, name: string): Schema {
  return own(schema.properties, name) ?? schema.additional ?? { preserveUnknown: true };
}

function mapTree(schema: Schema, value: JsonObject): FieldTree {
  const below = Object.entries(value).map(([name, field]): [string, FieldTree] => {
    const tree = treeOf(fieldSchema(schema, name), field);
    const isEntry = own(schema.properties, name) === undefined && !tree.member;
    return [`f:${name}`, isEntry ? { ...tree, member: true } : tree];
  });
  return { member: false, below: new Map(below) };
}

function listTree(schema: Schema, value: readonly unknown[]): FieldTree {
  const items = schema.items ?? {};
  const below = value.map((item): [string, FieldTree] => {
    const tree = schema.list?.type === "map" ? treeOf(items, item) : emptyTree;
    const isLeaf = tree.below.size === 0;
    return [elementOf(schema, item), isLeaf ? leaf(item) : { ...tree, member: true }];
  });
  return { member: false, below: new Map(below) };
}

/** What tells an entry of a list from the others: `k:{"name":"a"}`, `v:"x"`. Absent keys have their defaults. */
export function elementOf({ list, items }: Schema, item: unknown): string {
  if (list?.type !== "map") return `v:${JSON.stringify(item)}`;
  const fields = isObject(item) ? item : {};
  const keys = list.keys.toSorted().flatMap((key): [string, unknown][] => {
    const value = own(fields, key) ?? own(items?.properties, key)?.default;
    return value === undefined ? [] : [[key, value]];
  });
  return `k:${JSON.stringify(Object.fromEntries(keys))}`;
}
