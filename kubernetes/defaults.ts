import type { Kind } from "./kind.ts";
import type { KubeObject } from "./object.ts";

/** The object with the values that its kind has where nothing is said. */
export function withDefaults(_kind: Kind, object: KubeObject): KubeObject {
  return object;
}
