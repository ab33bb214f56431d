import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";

/** Throws an ApiError: `BadRequest` for what is no patch, `UnsupportedMediaType` for structural kinds. */
export function strategicMergePatch(_kind: Kind, object: KubeObject, _patch: unknown): KubeObject {
  return object;
}
