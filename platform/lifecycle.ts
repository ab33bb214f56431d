import { HubError } from "../protocol/index.ts";

/** How long a program may take to stop before it is ended. */
const stopTimeoutMs = 10_000;

/** Exit codes as of sysexits.h: what a supervisor or script can tell apart. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof HubError)) return 70;
  switch (error.code) {
    case "E_BAD_OPTION":
    case "E_NO_NODE":
      return 78;
    case "E_PORT_TAKEN":
    case "E_STORE_IN_USE":
      return 69;
    case "E_STORE_CORRUPT":
      return 65;
    case "E_STORAGE":
    case "E_STORAGE_FULL":
      return 74;
    default:
      return 70;
  }
}

/**
 * Runs a program until SIGTERM or SIGINT, then closes it; a second signal ends it at once. One that comes while the
 * program starts lets it start first, so that nothing is left half done.
 *
 * @param start Starts it; is given a function to call when it cannot go on.
 * Rejects as `start`.
 */
export async function runUntilStopped(
  start: (fatal: (error: HubError) => void) => Promise<{ close(): Promise<void> }>,
): Promise<void> {
  const stopped = Promise.withResolvers<number>();
  // Whatever hangs, the program ends.
  const stop = (code: number): void => {
    setTimeout(() => process.exit(code || 1), stopTimeoutMs).unref();
    stopped.resolve(code);
  };
  let signals = 0;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => (++signals > 1 ? process.exit(1) : stop(0)));
  }
  const running = await start((error) => {
    process.stderr.write(`cannot go on: ${error.message}\n`);
    stop(exitCodeOf(error));
  });
  const code = await stopped.promise;
  await running.close();
  process.exit(code);
}
