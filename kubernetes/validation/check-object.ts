import type { FieldError } from "../field-error.ts";
import type { Kind } from "../kind.ts";
import type { KubeObject } from "../object.ts";

/**
 * What is wrong with an object that has been read and has its defaults: metadata, constraints of a structural schema,
 * rules of native kinds.
 *
 * @param old What it replaces: fields that may not change are compared.
 */
export function checkObject(_kind: Kind, _object: KubeObject, _old?: KubeObject): readonly FieldError[] {
  return [];
}
