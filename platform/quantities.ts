import { HubError, shown } from "../protocol/index.ts";

/** Durations, ages and sizes as people write and read them. Pure. */

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/**
 * A duration such as `90s`, `24h`, `1h30m` or `500ms`.
 *
 * @returns Milliseconds. Throws `E_BAD_OPTION`.
 */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  const ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitMs[unit ?? ""] ?? 0), 0);
  const isWhole = parts.map(([part]) => part).join("") === text && text !== "";
  if (isWhole && ms >= 1 && ms <= Number.MAX_SAFE_INTEGER) return Math.round(ms);
  throw new HubError(
    "E_BAD_OPTION",
    `a duration is a number with a unit (ms, s, m, h, d, w), 1ms at least, such as 90s, 24h or 1h30m; got ${shown(text)}`,
  );
}

/** `12ms`, `1.4s`, `3m20s`, `5h10m`, `2d4h`: two units at most, enough to compare by eye. */
export function formatDuration(ms: number): string {
  const rounded = Math.max(0, Math.round(ms));
  if (rounded < 1_000) return `${rounded}ms`;
  if (rounded < 10_000) return `${(Math.floor(rounded / 100) / 10).toString()}s`;
  const seconds = Math.floor(rounded / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return pair(seconds, 60, "m", "s");
  if (seconds < 86_400) return pair(Math.floor(seconds / 60), 60, "h", "m");
  return pair(Math.floor(seconds / 3_600), 24, "d", "h");
}

/** `3s ago`, `in 2h`; `now` within half a second. @param at, now Wall clock, ms. */
export function formatAge(at: number, now: number): string {
  const ms = now - at;
  if (Math.abs(ms) < 500) return "now";
  const text = formatDuration(
    Math.abs(ms) < 10_000 ? Math.round(Math.abs(ms) / 1_000) * 1_000 : Math.abs(ms),
  );
  return ms > 0 ? `${text} ago` : `in ${text}`;
}

/** `512 B`, `1.4 KiB`, `16 MiB`. */
export function formatBytes(bytes: number): string {
  let size = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (size < 1_024)
      return `${unit === "B" || size >= 100 ? Math.round(size) : Math.round(size * 10) / 10} ${unit}`;
    size /= 1_024;
  }
  return `${Math.round(size * 10) / 10} TiB`;
}

/** A count with its word: `1 message`, `3 messages`. @param many Default: the word and an s. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function pair(count: number, base: number, big: string, small: string): string {
  const rest = count % base;
  return `${Math.floor(count / base)}${big}${rest === 0 ? "" : `${rest}${small}`}`;
}
