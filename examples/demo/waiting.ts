/** Waiting for something that can only be looked at. */

const lookEveryMs = 25;

/**
 * Looks until there is something.
 *
 * @param look `undefined`: not yet. What it throws ends the waiting.
 * Rejects after the timeout, saying what was waited for, and on the signal.
 */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  limits: { what: string; timeoutMs: number; signal: AbortSignal },
): Promise<T> {
  const startedAt = performance.now();
  for (;;) {
    limits.signal.throwIfAborted();
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() - startedAt > limits.timeoutMs)
      throw new Error(`waited ${limits.timeoutMs / 1000} s for ${limits.what}, in vain`);
    await pause(lookEveryMs, limits.signal);
  }
}

/** Rejects on the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}
