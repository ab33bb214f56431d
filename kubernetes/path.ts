/** A name in a path may be nearly anything, but never walks. */
const segment = /^(?!\.{1,2}$)[^/%\p{Cc}]{1,253}$/u;

/** @returns The path's parts, decoded; `undefined` if one cannot be a name. */
export function segmentsOf(path: string): string[] | undefined {
  try {
    const parts = path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
    return parts.length <= 10 && parts.every((part) => segment.test(part)) ? parts : undefined;
  } catch {
    return undefined;
  }
}
