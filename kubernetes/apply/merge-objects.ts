import { ApiError } from "../api-error.ts";
import { isObject, own, withFields } from "../json.ts";
import { inOrder } from "../patch/element-order.ts";
import type { Schema } from "../schema/schema.ts";
import type { FieldTree } from "./field-tree.ts";
import { elementOf, fieldSchema, isAssociative } from "./object-fields.ts";

/** Merging what is applied into what is there, and taking out what is no longer applied. */

/** What is applied wins; lists of entries with keys are merged entry by entry. */
export function mergedValues(schema: Schema, live: unknown, applied: unknown): unknown {
  if (isObject(applied) && schema.atomic !== true) {
    const base = isObject(live) ? live : {};
    const fields = Object.entries(applied).map(([name, value]): [string, unknown] => [
      name,
      mergedValues(fieldSchema(schema, name), own(base, name), value),
    ]);
    return withFields(base, Object.fromEntries(fields));
  }
  if (Array.isArray(applied) && isAssociative(schema.list))
    return mergedLists(schema, Array.isArray(live) ? live : [], applied);
  return applied;
}

function mergedLists(schema: Schema, live: readonly unknown[], applied: readonly unknown[]): unknown[] {
  const merged: { id: string; item: unknown }[] = live.map((item) => ({ id: elementOf(schema, item), item }));
  const places = new Map(merged.map(({ id }, index) => [id, index] as const).toReversed());
  const named = new Set<string>();
  for (const item of applied) {
    const id = elementOf(schema, item);
    if (named.has(id)) throw new ApiError("BadRequest", `duplicate entries for key ${id.slice(2)}`);
    named.add(id);
    const place = places.get(id) ?? merged.length;
    const before = merged[place]?.item;
    const isMerged = schema.list?.type === "map" && before !== undefined;
    merged[place] = { id, item: isMerged ? mergedValues(schema.items ?? {}, before, item) : item };
  }
  const orders = { before: live.map((item) => elementOf(schema, item)), wanted: [...named], mergeKey: "" };
  const ordered = inOrder(
    merged.map(({ id }) => id),
    orders,
  );
  return placed(merged, ordered);
}

/** Entries in the order of their ids; ids may occur more than once. */
function placed(
  entries: readonly { readonly id: string; readonly item: unknown }[],
  ids: readonly unknown[],
): unknown[] {
  const queues = new Map<unknown, unknown[]>();
  for (const { id, item } of entries) queues.set(id, [...(queues.get(id) ?? []), item]);
  return ids.map((id) => queues.get(id)?.shift());
}

/** What to take out, and what others hold and therefore stays. */
export interface Removal {
  readonly removed: FieldTree;
  readonly held: FieldTree | undefined;
}

/** @returns `undefined` if nothing is left. */
export function withoutFields(schema: Schema, value: unknown, { removed, held }: Removal): unknown {
  if (isObject(value)) {
    const changes = [...removed.below].flatMap(([element, below]): [string, unknown][] => {
      const name = element.slice(2);
      const given = own(value, name);
      if (given === undefined) return [];
      return [
        [
          name,
          withoutField(fieldSchema(schema, name), given, { removed: below, held: held?.below.get(element) }),
        ],
      ];
    });
    const left = withFields(value, Object.fromEntries(changes));
    return Object.keys(left).length === 0 && changes.length > 0 ? undefined : left;
  }
  if (!Array.isArray(value)) return value;
  const left = value.flatMap((item) => {
    const element = elementOf(schema, item);
    const below = removed.below.get(element);
    if (below === undefined) return [item];
    const rest = withoutField(schema.items ?? {}, item, { removed: below, held: held?.below.get(element) });
    return rest === undefined ? [] : [rest];
  });
  return left.length === 0 && value.length > 0 ? undefined : left;
}

/** A field goes as a whole if it is to go and others hold nothing of it. */
function withoutField(schema: Schema, value: unknown, removal: Removal): unknown {
  const { removed, held } = removal;
  if (removed.member && held === undefined) return undefined;
  return removed.below.size === 0 ? value : withoutFields(schema, value, removal);
}
