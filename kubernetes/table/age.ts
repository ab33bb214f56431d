/** Times as `kubectl get` shows them. Source: duration.HumanDuration of Kubernetes. */

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** `47s`, `5m30s`, `3h`, `12d`. @param now Wall clock, ms. */
export function ageOf(time: unknown, now: number): string {
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? "<unknown>" : shownDuration(now - at);
}

export function shownDuration(ms: number): string {
  if (ms < -second) return "<invalid>";
  const elapsed = Math.max(ms, 0);
  if (elapsed < 2 * minute) return `${Math.floor(elapsed / second)}s`;
  if (elapsed < 10 * minute) return two(elapsed, minute, "m", second, "s");
  if (elapsed < 3 * hour) return `${Math.floor(elapsed / minute)}m`;
  if (elapsed < 8 * hour) return two(elapsed, hour, "h", minute, "m");
  if (elapsed < 2 * day) return `${Math.floor(elapsed / hour)}h`;
  if (elapsed < 8 * day) return two(elapsed, day, "d", hour, "h");
  if (elapsed < 2 * 365 * day) return `${Math.floor(elapsed / day)}d`;
  if (elapsed < 8 * 365 * day) return two(elapsed, 365 * day, "y", day, "d");
  return `${Math.floor(elapsed / (365 * day))}y`;
}

function two(elapsed: number, unit: number, name: string, smaller: number, smallerName: string): string {
  const rest = Math.floor((elapsed % unit) / smaller);
  return `${Math.floor(elapsed / unit)}${name}${rest === 0 ? "" : `${rest}${smallerName}`}`;
}
