import { ApiError, type StatusCause } from "../api-error.ts";
import { type JsonObject, sameJson } from "../json.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";
import { apiVersionOf } from "../resource-type.ts";
import {
  difference,
  differing,
  emptyTree,
  type FieldTree,
  intersection,
  isEmptyTree,
  pathsOf,
  shownPath,
  union,
} from "./field-tree.ts";
import {
  type FieldManager,
  heldBy,
  isSameManager,
  managersOf,
  sameManagers,
  withManagers,
  withoutFieldsOf,
} from "./managed-fields.ts";
import { mergedValues, withoutFields } from "./merge-objects.ts";
import { fieldsOf } from "./object-fields.ts";

/** Who writes. */
export interface Writer {
  readonly fieldManager: string;
  readonly subresource?: string | undefined;
  /** RFC 3339, for managedFields. */
  readonly time: string;
}

/**
 * Server-side apply: what a manager wants, merged into what is there; what he wanted before and does not want any more
 * goes, unless others hold it. Throws an ApiError: `Conflict` where another manager holds a field and `force` is not
 * given, `BadRequest` for what cannot be applied.
 *
 * @param live Absent: the object is new.
 * @returns With its managedFields; the live object itself if nothing changes.
 */
export function applyObject(
  kind: Kind,
  live: KubeObject | undefined,
  applied: KubeObject,
  writer: Writer & { readonly force: boolean },
): KubeObject {
  if (applied.metadata.managedFields !== undefined)
    throw new ApiError("BadRequest", "metadata.managedFields must be nil");
  const owned = ownedBy(kind, writer);
  const self = managerOf(kind, writer, "Apply");
  const wanted = fieldsOf(kind.schema, applied as unknown as JsonObject, owned);
  const base = live ?? { apiVersion: applied.apiVersion, kind: applied.kind, metadata: {} };
  const managers = managersOf(live);
  const others = managers.filter((one) => !isSameManager(one, self));
  const before = managers.find((one) => isSameManager(one, self))?.fields ?? emptyTree;
  const held = heldBy(others);
  const merged = mergedValues(kind.schema, base, onlyOwned(applied, owned));
  const removed = difference(difference(before, wanted), held);
  const next = withoutFields(kind.schema, merged, { removed, held: union(held, wanted) }) as KubeObject;
  const changes = changesOf(kind, base, next, owned);
  const left = settled(others, changes, writer.force);
  const after = [...left, { ...self, fields: wanted }];
  if (live !== undefined && sameManagers(managers, after) && sameObjects(live, next)) return live;
  return withManagers(next, after);
}

/**
 * The object with the managedFields that it has after a create, update or patch.
 *
 * @param live What it replaces; absent: it is new.
 */
export function withManagedFields(
  kind: Kind,
  live: KubeObject | undefined,
  updated: KubeObject,
  writer: Writer,
): KubeObject {
  const isReset = live !== undefined && updated.metadata.managedFields?.length === 0;
  const self = managerOf(kind, writer, "Update");
  const managers = isReset ? [] : managersOf(live);
  const base = live ?? { apiVersion: updated.apiVersion, kind: updated.kind, metadata: {} };
  const changes = changesOf(kind, base, updated, ownedBy(kind, writer));
  if (isEmptyTree(changes.set) && isEmptyTree(changes.gone)) return withManagers(updated, managers);
  const touched = union(changes.set, changes.gone);
  const others = withoutFieldsOf(
    managers.filter((one) => !isSameManager(one, self)),
    touched,
  );
  const before = managers.find((one) => isSameManager(one, self))?.fields ?? emptyTree;
  const fields = union(difference(before, changes.gone), changes.set);
  return withManagers(updated, [...others, { ...self, fields }]);
}

function managerOf(
  { type }: Kind,
  { fieldManager, subresource = "", time }: Writer,
  operation: FieldManager["operation"],
): Omit<FieldManager, "fields"> {
  return { manager: fieldManager, operation, apiVersion: apiVersionOf(type), subresource, time };
}

/** The status is written through its own path, if the kind has one. */
function ownedBy({ type }: Kind, { subresource }: Writer): (field: string) => boolean {
  if (subresource === "status") return (field) => field === "status";
  return (field) => field !== "status" || !type.hasStatus;
}

function onlyOwned(object: KubeObject, owned: (field: string) => boolean): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => owned(name)));
}

interface Changes {
  /** Fields that are new, or have another value. */
  readonly set: FieldTree;
  readonly gone: FieldTree;
}

function changesOf(
  { schema }: Kind,
  before: KubeObject,
  after: KubeObject,
  owned: (field: string) => boolean,
): Changes {
  const isChanged = (field: string): boolean => owned(field) && !sameJson(before[field], after[field]);
  const old = fieldsOf(schema, before as unknown as JsonObject, isChanged);
  const next = fieldsOf(schema, after as unknown as JsonObject, isChanged);
  return { set: union(difference(next, old), differing(next, old)), gone: difference(old, next) };
}

/** The other managers without what was taken from them. Throws `Conflict` unless it is taken by force. */
function settled(others: readonly FieldManager[], changes: Changes, force: boolean): readonly FieldManager[] {
  const conflicts = others
    .map((manager) => ({ manager, fields: pathsOf(intersection(manager.fields, changes.set)) }))
    .filter(({ fields }) => fields.length > 0);
  if (conflicts.length > 0 && !force) throw conflictError(conflicts);
  return withoutFieldsOf(others, union(changes.set, changes.gone));
}

interface FieldConflict {
  readonly manager: FieldManager;
  readonly fields: readonly (readonly string[])[];
}

function conflictError(conflicts: readonly FieldConflict[]): ApiError {
  const causes: StatusCause[] = conflicts.flatMap(({ manager, fields }) =>
    fields.map((path) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${shownManager(manager)}`,
      field: shownPath(path),
    })),
  );
  const parts = conflicts.map(({ manager, fields }) => {
    const paths = fields.map(shownPath);
    return paths.length === 1
      ? `conflict with ${shownManager(manager)}: ${paths[0]}`
      : `conflicts with ${shownManager(manager)}:\n- ${paths.join("\n- ")}`;
  });
  const count = causes.length === 1 ? "1 conflict" : `${causes.length} conflicts`;
  return new ApiError("Conflict", `Apply failed with ${count}: ${parts.join("\n")}`, { causes });
}

function shownManager({ manager, operation, apiVersion, subresource, time }: FieldManager): string {
  const name = JSON.stringify(manager);
  const whole = subresource === "" ? name : `${name} with subresource ${JSON.stringify(subresource)}`;
  if (operation === "Apply") return whole;
  return time === undefined ? `${whole} using ${apiVersion}` : `${whole} using ${apiVersion} at ${time}`;
}

function sameObjects(one: KubeObject, other: KubeObject): boolean {
  return sameJson(withManagers(one, []), withManagers(other, []));
}
