import type { FieldError } from "./field-error.ts";
import type { Kind } from "./kind.ts";
import type { KubeObject } from "./object.ts";

/** The kinds that a CustomResourceDefinition adds, one for each version that is served. */
export function kindsOfDefinition(_definition: KubeObject): readonly Kind[] {
  return [];
}

/** What is wrong with a CustomResourceDefinition, beyond wrong types. */
export function checkDefinition(_definition: KubeObject): readonly FieldError[] {
  return [];
}
