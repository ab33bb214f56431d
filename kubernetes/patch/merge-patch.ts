import { ApiError } from "../api-error.ts";
import { isObject, isShallow, type JsonObject, withFields } from "../json.ts";
import type { KubeObject } from "../object.ts";

/** Deeper patches are refused: walking them would take too much stack. */
export const maxPatchDepth = 256;

/** RFC 7386. Throws an ApiError: `BadRequest` for what is no patch. */
export function mergePatch(object: KubeObject, patch: unknown): KubeObject {
  return merged(object, readPatch(patch)) as unknown as KubeObject;
}

/** Throws `BadRequest` for what is no object, or too deep. */
export function readPatch(patch: unknown): JsonObject {
  if (!isObject(patch)) throw new ApiError("BadRequest", "a merge patch is an object");
  if (isShallow(patch, maxPatchDepth)) return patch;
  throw new ApiError("BadRequest", "exceeded max depth");
}

function merged(target: unknown, patch: JsonObject): JsonObject {
  const base = isObject(target) ? target : {};
  const changes = Object.entries(patch).map(([key, value]): [string, unknown] => {
    if (value === null) return [key, undefined];
    return [key, isObject(value) ? merged(Object.hasOwn(base, key) ? base[key] : {}, value) : value];
  });
  return withFields(base, Object.fromEntries(changes));
}
