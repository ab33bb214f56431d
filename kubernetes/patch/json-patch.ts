import type { KubeObject } from "../object.ts";

/** RFC 6902. Throws an ApiError: `BadRequest` for what is no patch, `Invalid` for one that does not apply. */
export function jsonPatch(object: KubeObject, _patch: unknown): KubeObject {
  return object;
}
