/** A time as objects have it: RFC 3339, whole seconds. @param wallTime ms since 1970. */
export function timeText(wallTime: number): string {
  return new Date(wallTime).toISOString().replace(/\.\d+Z$/, "Z");
}
