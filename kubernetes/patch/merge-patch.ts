import type { KubeObject } from "../object.ts";

/** RFC 7386. Throws an ApiError: `BadRequest` for what is no patch. */
export function mergePatch(object: KubeObject, _patch: unknown): KubeObject {
  return object;
}
