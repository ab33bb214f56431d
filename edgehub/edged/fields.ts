/** Reading of JSON that others wrote: what is absent or of another type has its default. Pure. */

export type Json = Readonly<Record<string, unknown>>;

/** The value as an object; an empty one if it is none. */
export function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

/** The value's items, at most so many; none if it is no array. */
export function listOf(value: unknown, max = 1_000): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, max) : [];
}

export function objectsOf(value: unknown, max = 1_000): readonly Json[] {
  return listOf(value, max).map(objectOf);
}

export function textOf(value: unknown, fallback = ""): string {
  return typeof value === "string" ? value : fallback;
}

export function textsOf(value: unknown, max = 1_000): readonly string[] {
  return listOf(value, max).filter((one) => typeof one === "string");
}

export function flagOf(value: unknown, fallback = false): boolean {
  return typeof value === "boolean" ? value : fallback;
}

/** A whole number not below `min`; the fallback if it is none. */
export function wholeOf(value: unknown, fallback: number, min = 0): number {
  return typeof value === "number" && Number.isInteger(value) && value >= min ? value : fallback;
}

/** As {@link wholeOf}, `undefined` if it is none. */
export function optionalWhole(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/** An object's members that are texts: labels, annotations, the data of a ConfigMap. */
export function wordsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(objectOf(value)).filter((one): one is [string, string] => typeof one[1] === "string"),
  );
}
