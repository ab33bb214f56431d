/** Waits for something, but not longer than so long, nor after the signal. */
export async function pauseUntil(
  news: Promise<void> | undefined,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  let cancel: () => void = () => {};
  const over = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    const abort = (): void => resolve();
    signal.addEventListener("abort", abort, { once: true });
    cancel = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
    };
  });
  await Promise.race(news === undefined ? [over] : [news, over]);
  cancel();
}
