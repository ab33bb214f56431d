/** Reading of what others wrote, where anything may stand. Pure. */

/** Empty for what is none. */
export function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** The objects in a list; empty for what is none. */
export function listOf(value: unknown): Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

/** Empty for what is none. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** Its texts, or numbers, in one line; `undefined` if there are none. */
export function wordsOf(value: unknown): string | undefined {
  return Array.isArray(value) && value.length > 0 ? value.map(textOf).join(" ") : undefined;
}

/** `a=1, b=2`; `undefined` if there is nothing. */
export function pairsOf(value: unknown): string | undefined {
  const pairs = Object.entries(objectOf(value)).map(([key, one]) => `${key}=${textOf(one)}`);
  return pairs.length > 0 ? pairs.join(", ") : undefined;
}

/**
 * What a strategic merge patch says to be there: without what it takes away, and without its own words. Source:
 * Kubernetes' `$setElementOrder`, `$patch`, `$retainKeys`, `$deleteFromPrimitiveList`.
 */
export function patched(value: unknown): unknown {
  if (Array.isArray(value))
    return value.filter((one) => objectOf(one).$patch !== "delete").map((one) => patched(one));
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key, one]) => one !== null && !key.startsWith("$"));
  return Object.fromEntries(kept.map(([key, one]) => [key, patched(one)]));
}
