/** The edge agent, to be embedded or run as the program `edgehub`. */
import { systemClock } from "../platform/clock.ts";
import { checkOptions } from "../platform/config.ts";
import { createLogger } from "../platform/logger.ts";
import { EdgeHub, type EdgeParts } from "./edge-hub.ts";
import { modulesOf } from "./modules.ts";
import { type EdgeOptions, edgeSchema } from "./options.ts";

export type { Agent, UpstreamDraft } from "./agent.ts";
export type { EdgeModule, ModuleName } from "./dispatcher.ts";
export { EdgeHub, type EdgeParts, type EdgeStatus } from "./edge-hub.ts";
export { type EdgeOptions, edgeSchema } from "./options.ts";
export type { EdgeStore, MetaChange } from "./store/edge-store.ts";
export type { Applied, MetaRecord } from "./store/meta-table.ts";
export type { ModuleFactory } from "./supervisor.ts";

/** Options as a program writes them: what is left out has its default. */
export type EdgeOptionsInput = {
  readonly [Key in keyof EdgeOptions]?: EdgeOptions[Key] extends object
    ? Partial<EdgeOptions[Key]>
    : EdgeOptions[Key];
};

/**
 * Starts an edge agent. Resolves when its modules run; it connects, and joins if it has not, in its own time.
 *
 * @param parts Stand-ins for the clock, the random source, the log; modules beside the configured ones.
 * Rejects with `E_BAD_OPTION`, `E_STORE_CORRUPT`, `E_STORE_IN_USE` or `E_STORAGE`.
 */
export async function startEdge(options: EdgeOptionsInput, parts: Partial<EdgeParts> = {}): Promise<EdgeHub> {
  const checked = checkOptions(edgeSchema, options);
  const edge = new EdgeHub(checked, {
    clock: systemClock,
    log: createLogger(checked.logLevel, { program: "edgehub", node: checked.node }),
    random: Math.random,
    ...parts,
    modules: [...(await modulesOf(checked)), ...(parts.modules ?? [])],
  });
  await edge.start();
  return edge;
}
