/** Waiting for something that can only be looked at. */

const lookEveryMs = 25;

/**
 * Looks until there is something.
 *
 * @param look `undefined`: not yet. What it throws ends the waiting.
 * Rejects after the timeout, saying what was waited for, and on the signal; also while it looks.
 */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  limits: { what: string; timeoutMs: number; signal: AbortSignal },
): Promise<T> {
  const { what, timeoutMs, signal } = limits;
  const done = new AbortController();
  const late = pause(timeoutMs, AbortSignal.any([signal, done.signal])).then(() => {
    throw new Error(`waited ${timeoutMs / 1000} s for ${what}, in vain`);
  });
  // Whether anybody still waits for it or not.
  late.catch(() => undefined);
  try {
    for (;;) {
      const found = await Promise.race([Promise.resolve(look()), late]);
      if (found !== undefined) return found;
      await pause(lookEveryMs, signal);
    }
  } finally {
    done.abort();
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
