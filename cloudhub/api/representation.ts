import {
  ApiError,
  apiVersionOf,
  fieldSelector,
  type Kind,
  type KubeObject,
  type ListQuery,
  labelSelector,
} from "../../kubernetes/index.ts";
import { coreEvent, newerEvent } from "./event-versions.ts";

/** Objects as they are kept and as a version of their kind has them. Pure. */

/** The object as it is served under this kind's path. */
export function shownAs(kind: Kind, object: KubeObject): KubeObject {
  const apiVersion = apiVersionOf(kind.type);
  if (object.apiVersion === apiVersion && object.kind === kind.type.kind) return object;
  if (kind.type.group === "events.k8s.io") return newerEvent(object);
  return { ...object, apiVersion, kind: kind.type.kind };
}

export function storedAs(kind: Kind, object: KubeObject): KubeObject {
  return kind.type.group === "events.k8s.io" ? coreEvent(object) : object;
}

/** What the selectors of a query mean. Throws `BadRequest`. */
export function matcherOf(kind: Kind, query: ListQuery): (object: KubeObject) => boolean {
  const labels = query.labelSelector ? labelSelector(query.labelSelector) : undefined;
  const fields = query.fieldSelector ? fieldSelector(query.fieldSelector, kind.type) : undefined;
  return (object) => (labels?.(object) ?? true) && (fields?.(shownAs(kind, object)) ?? true);
}

/** @returns 0 for none, and for `0`: any version will do. */
export function revisionIn(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ApiError("BadRequest", `invalid resource version ${JSON.stringify(text.slice(0, 40))}`);
}

/** Lists are of now: an older state cannot be had, a newer one has not happened. Throws `Expired`, `Timeout`. */
export function requireKnownVersion(
  query: {
    readonly resourceVersion?: string | undefined;
    readonly resourceVersionMatch?: string | undefined;
  },
  newest: number,
): void {
  const { resourceVersion, resourceVersionMatch } = query;
  const wanted = revisionIn(resourceVersion);
  if (wanted > newest)
    throw new ApiError("Timeout", `Too large resource version: ${wanted}, current: ${newest}`, {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    });
  if (resourceVersionMatch === "Exact" && wanted !== 0 && wanted !== newest)
    throw new ApiError("Expired", `The resourceVersion for the provided list is too old: ${wanted}`);
}
