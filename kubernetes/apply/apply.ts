import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";

/** Who writes. */
export interface Writer {
  readonly fieldManager: string;
  readonly subresource?: string | undefined;
  /** RFC 3339, for managedFields. */
  readonly time: string;
}

/**
 * Server-side apply: what a manager wants, merged into what is there. Throws an ApiError: `Conflict` where another
 * manager holds a field and `force` is not given, `BadRequest` for what cannot be applied.
 *
 * @param live Absent: the object is new.
 * @returns With its managedFields; the live object itself if nothing changes.
 */
export function applyObject(
  _kind: Kind,
  live: KubeObject | undefined,
  applied: KubeObject,
  _writer: Writer & { readonly force: boolean },
): KubeObject {
  return live ?? applied;
}

/**
 * The object with the managedFields that it has after a create, update or patch.
 *
 * @param live What it replaces; absent: it is new.
 */
export function withManagedFields(
  _kind: Kind,
  _live: KubeObject | undefined,
  updated: KubeObject,
  _writer: Writer,
): KubeObject {
  return updated;
}
