/** The only source of time in shells; pure code gets `now` as an argument. */
export interface Clock {
  /** Monotonic milliseconds: all deadlines. Never goes back. */
  now(): number;
  /** Milliseconds since 1970: messages, logs, certificates. May jump. */
  wallTime(): number;
  /** Runs something later, once. @returns Cancels it; harmless afterwards. */
  after(delayMs: number, run: () => void): () => void;
  /** Runs something at the end of this turn of the event loop, after all input of the turn. */
  atTurnEnd(run: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(Math.max(delayMs, 0), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
  atTurnEnd: (run) => void setImmediate(run),
};

/** The part of an `AbortSignal` that {@link pause} needs. */
interface StopSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void, options: { once: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Resolves after a pause; at once, with `false`, when the signal ends it. */
export function pause(clock: Clock, delayMs: number, signal?: StopSignal): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = (ended: boolean): void => {
      cancel();
      signal?.removeEventListener("abort", abort);
      resolve(ended);
    };
    const abort = (): void => done(false);
    const cancel = clock.after(delayMs, () => done(true));
    signal?.addEventListener("abort", abort, { once: true });
  });
}
