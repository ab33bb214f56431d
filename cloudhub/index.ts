/** The hub, to be embedded or run as the program `cloudhub`. */
import { systemClock } from "../platform/clock.ts";
import { checkOptions } from "../platform/config.ts";
import { createLogger } from "../platform/logger.ts";
import { openHub } from "./open-hub.ts";
import { type HubOptions, hubSchema } from "./options.ts";
import type { HubServerParts, RunningHub } from "./running-hub.ts";

export { type HubOptions, hubSchema } from "./options.ts";
export type { HubServerParts, RunningHub } from "./running-hub.ts";

/** Options as a program writes them: what is left out has its default. */
export type HubOptionsInput = {
  readonly [Key in keyof HubOptions]?: HubOptions[Key] extends object
    ? Partial<HubOptions[Key]>
    : HubOptions[Key];
};

/**
 * Starts a hub. Resolves when it listens.
 *
 * @param parts Stand-ins for the clock and the log; what to do if the hub cannot go on (default: log it).
 * Rejects with `E_BAD_OPTION`, `E_PORT_TAKEN`, `E_STORE_CORRUPT`, `E_STORE_IN_USE`, `E_STORAGE` or
 * `E_STORAGE_FULL`; then nothing stays open.
 */
export async function startHub(
  options: HubOptionsInput,
  parts: Partial<HubServerParts> = {},
): Promise<RunningHub> {
  const checked = checkOptions(hubSchema, options);
  const log = parts.log ?? createLogger(checked.logLevel, { program: "cloudhub" });
  const onFatal = parts.onFatal ?? ((error) => log.error("the hub cannot go on", { error }));
  return await openHub(checked, {
    clock: parts.clock ?? systemClock,
    log,
    onFatal,
    processMetrics: parts.processMetrics ?? false,
  });
}
