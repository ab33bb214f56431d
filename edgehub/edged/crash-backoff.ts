/** How long a container that ended has to wait before it is started again. Pure. Source: kubelet's flowcontrol back-off. */
export interface CrashBackoff {
  readonly delayMs: number;
  /** When it was last started after an end, wall clock ms. */
  readonly at: number;
}

export const crashMinMs = 10_000;
export const crashMaxMs = 300_000;

/** @returns ms left to wait; 0: it may start, as when the clock was set back since. */
export function crashWaitMs(backoff: CrashBackoff | undefined, endedAt: number, now: number): number {
  if (backoff === undefined || isOver(backoff, endedAt) || now < endedAt) return 0;
  return Math.max(0, endedAt + backoff.delayMs - now);
}

/** It is started again now: the wait after its next end. */
export function nextCrashBackoff(
  backoff: CrashBackoff | undefined,
  endedAt: number,
  now: number,
): CrashBackoff {
  if (backoff === undefined || isOver(backoff, endedAt)) return { delayMs: crashMinMs, at: now };
  return { delayMs: Math.min(backoff.delayMs * 2, crashMaxMs), at: now };
}

/** A container that ran for ten minutes has recovered. */
function isOver(backoff: CrashBackoff, endedAt: number): boolean {
  return endedAt - backoff.at > 2 * crashMaxMs;
}

/** `10s`, `1m20s`, `5m0s`, as Go writes durations. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds % 60}s`;
}
