import { ApiError } from "../api-error.ts";
import { isObject, type JsonObject, own, withFields } from "../json.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import type { Schema } from "../schema/schema.ts";
import { elementId, inOrder } from "./element-order.ts";
import { readPatch } from "./merge-patch.ts";

/**
 * Kubernetes' own patch: the schema says which field tells the entries of a list apart, and so lists are merged entry by
 * entry. Directives of the patch: `$patch` (delete, replace), `$retainKeys`, `$setElementOrder/…`,
 * `$deleteFromPrimitiveList/…`. Source: Kubernetes strategic merge patch.
 *
 * Throws an ApiError: `BadRequest` for what is no patch, `UnsupportedMediaType` for structural kinds.
 */
export function strategicMergePatch(kind: Kind, object: KubeObject, patch: unknown): KubeObject {
  if (kind.form === "structural") {
    const accepted =
      "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    const text = `the body of the request was in an unknown format - accepted media types include: ${accepted}`;
    throw new ApiError("UnsupportedMediaType", text);
  }
  return mergedObject(kind.schema, object, readPatch(patch)) as unknown as KubeObject;
}

const orderPrefix = "$setElementOrder/";
const deletionPrefix = "$deleteFromPrimitiveList/";

/** @param target Absent: the patch is all there is, and its directives are carried out on nothing. */
function mergedObject(schema: Schema, target: unknown, patch: JsonObject): JsonObject {
  const { $patch: directive, ...changes } = patch;
  if (directive === "delete") return {};
  const isReplaced = directive === "replace";
  if (directive !== undefined && directive !== "merge" && !isReplaced)
    throw malformed(`unknown directive $patch: ${JSON.stringify(directive)}`);
  const base = isReplaced || !isObject(target) ? {} : retained(target, changes);
  const fields = new Set(
    Object.keys(changes)
      .map(fieldOf)
      .filter((field) => field !== undefined),
  );
  const merged = [...fields].map((field): [string, unknown] => [
    field,
    mergedField(own(schema.properties, field) ?? schema.additional ?? {}, own(base, field), {
      value: own(changes, field),
      order: own(changes, orderPrefix + field),
      deletions: own(changes, deletionPrefix + field),
    }),
  ]);
  return withFields(base, Object.fromEntries(merged));
}

/** What a patch says of one field. */
interface FieldPatch {
  /** `null`: the field goes; `undefined`: only its entries are put in order or deleted. */
  readonly value: unknown;
  readonly order: unknown;
  readonly deletions: unknown;
}

/** The field that a key of a patch is about. */
function fieldOf(key: string): string | undefined {
  if (key.startsWith(orderPrefix)) return key.slice(orderPrefix.length);
  if (key.startsWith(deletionPrefix)) return key.slice(deletionPrefix.length);
  return key === "$retainKeys" ? undefined : key;
}

/** Without the fields that `$retainKeys` does not name. */
function retained(target: JsonObject, { $retainKeys: keys }: JsonObject): JsonObject {
  if (keys === undefined) return target;
  if (!Array.isArray(keys)) throw malformed("invalid patch format of retainKeys");
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

function mergedField(schema: Schema, target: unknown, patch: FieldPatch): unknown {
  const { value, order, deletions } = patch;
  if (value === null) return undefined;
  if (isObject(value)) return mergedObject(schema, target, value);
  if (value !== undefined && !Array.isArray(value)) return value;
  const mergeKey = schema.list?.mergeKey;
  if (mergeKey === undefined) return value === undefined ? target : withoutDirectives(schema, value);
  const list = Array.isArray(target) ? target : undefined;
  if (list === undefined && value === undefined) return target;
  const merged =
    mergeKey === ""
      ? mergedValues(list ?? [], value ?? [], deletions)
      : mergedEntries(schema, list ?? [], entriesOf(value ?? []));
  return inOrder(merged, { before: list ?? [], wanted: wantedOrder(order, value), mergeKey });
}

/** A list that is replaced as a whole. */
function withoutDirectives({ items = {} }: Schema, list: readonly unknown[]): unknown[] {
  return list.map((item) => (isObject(item) ? mergedObject(items, undefined, item) : item));
}

function wantedOrder(order: unknown, value: readonly unknown[] | undefined): readonly unknown[] {
  if (order === undefined) return value ?? [];
  if (!Array.isArray(order)) throw malformed("invalid patch format of setElementOrder list");
  return order;
}

function mergedValues(list: readonly unknown[], added: readonly unknown[], deletions: unknown): unknown[] {
  if (deletions !== undefined && !Array.isArray(deletions))
    throw malformed("invalid patch format of primitive list");
  const gone = deletions ?? [];
  return [...new Set([...list, ...added])].filter((value) => !gone.includes(value) || added.includes(value));
}

function entriesOf(value: readonly unknown[]): readonly JsonObject[] {
  if (value.every(isObject)) return value;
  throw malformed("an entry of a list in the patch is no object");
}

function mergedEntries(schema: Schema, list: readonly unknown[], patch: readonly JsonObject[]): unknown[] {
  const items = schema.items ?? {};
  const mergeKey = schema.list?.mergeKey ?? "";
  const base = patch.some(({ $patch }) => $patch === "replace") ? [] : list;
  const merged: unknown[] = [...base];
  /** Of several entries with one key the first is meant. */
  const places = new Map(
    base.map((entry, index) => [elementId(entry, mergeKey), index] as const).toReversed(),
  );
  const gone = new Set<string>();
  for (const entry of patch) {
    if (entry.$patch === "replace") continue;
    if (!Object.hasOwn(entry, mergeKey)) {
      const text = JSON.stringify(entry).slice(0, 200);
      throw malformed(`map: ${text} does not contain declared merge key: ${mergeKey}`);
    }
    const id = elementId(entry, mergeKey);
    if (entry.$patch === "delete") {
      gone.add(id);
      continue;
    }
    const place = places.get(id) ?? merged.length;
    places.set(id, place);
    merged[place] = mergedObject(items, merged[place], entry);
  }
  return merged.filter((entry) => !gone.has(elementId(entry, mergeKey)));
}

function malformed(why: string): ApiError {
  return new ApiError("BadRequest", why);
}
