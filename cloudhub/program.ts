import type { ControllerName, ControllersOptions } from "../controllers/index.ts";
import { systemClock } from "../platform/clock.ts";
import { describeFlags, loadOptions, parseFlags, printConfig } from "../platform/config.ts";
import { keepYoungHeapSmall } from "../platform/heap.ts";
import { exitCodeOf, runUntilStopped } from "../platform/lifecycle.ts";
import { createLogger } from "../platform/logger.ts";
import { version } from "../platform/version.ts";
import { HubError } from "../protocol/index.ts";
import { startHub } from "./index.ts";
import { type HubOptions, hubSchema } from "./options.ts";

const prefix = "CLOUDHUB";

const help = `cloudhub ${version}: the cloud's side of a cloud-edge message hub

  cloudhub [--config FILE] [--FIELD VALUE ...]

Configuration comes from the YAML file, then the environment, then the flags.

  -c, --config FILE    YAML file
  --defaultconfig      print the whole configuration with comments
  --minconfig          print what one usually sets
  --version, -h, --help

Fields:
`;

/** The program: configuration in, hub up, signals. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const flags = parseFlags(hubSchema, argv);
    if (flags.help) return void process.stdout.write(`${help}${describeFlags(hubSchema, prefix)}\n`);
    if (flags.version) return void process.stdout.write(`${version}\n`);
    if (flags.defaultconfig || flags.minconfig)
      return void process.stdout.write(printConfig(hubSchema, flags.minconfig));
    const options = loadOptions(hubSchema, prefix, {
      file: flags.config,
      environment: process.env,
      flags: flags.flags,
    });
    const enable = enabledControllers(options.controllers.disable);
    await runUntilStopped(async (onFatal) => {
      const log = createLogger(options.logLevel, { program: "cloudhub" });
      const hub = await startHub(options, { log, onFatal, processMetrics: true });
      keepYoungHeapSmall(systemClock, () => hub.messages);
      // Loaded when nodes are served already: their messages wait for controllers, not their links.
      const { startControllers } = await import("../controllers/index.ts");
      const parts = { hub, objects: hub.objects, clock: systemClock, log };
      const router = routerOptions(options.router);
      const { dynamicController: dynamic } = options;
      const controllers = startControllers(parts, { enable, clusterCa: hub.ca.pem, router, dynamic });
      return {
        async close() {
          await controllers.close();
          await hub.close();
        },
      };
    });
  } catch (error) {
    process.stderr.write(`cloudhub: ${error instanceof Error ? error.message : error}\n`);
    process.exit(exitCodeOf(error));
  }
}

/** All there are; known without loading them. */
const controllerNames = Object.keys({
  edge: true,
  workload: true,
  device: true,
  dynamic: true,
  group: true,
  router: true,
} satisfies Readonly<Record<ControllerName, true>>) as readonly ControllerName[];

function enabledControllers(disabled: readonly string[]): readonly ControllerName[] {
  const unknown = disabled.find((name) => !controllerNames.some((known) => known === name));
  if (unknown !== undefined)
    throw new HubError(
      "E_BAD_OPTION",
      `controllers.disable: there is no controller ${unknown}; there are ${controllerNames.join(", ")}`,
    );
  return controllerNames.filter((name) => !disabled.includes(name));
}

function routerOptions(options: HubOptions["router"]): NonNullable<ControllersOptions["router"]> {
  const { host, port, restTimeoutMs, targetTimeoutMs, attempts, retryMs, maxDeadLetters } = options;
  const rest = { host, port, timeoutMs: restTimeoutMs };
  return { rest, timeoutMs: targetTimeoutMs, attempts, retryMs, maxDeadLetters };
}
