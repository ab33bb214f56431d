import { systemClock } from "../platform/clock.ts";
import { optimizeWhenBusy } from "../platform/compilers.ts";
import { describeFlags, loadOptions, parseFlags, printConfig } from "../platform/config.ts";
import { collectWhenGrown } from "../platform/heap.ts";
import { exitCodeOf, runUntilStopped } from "../platform/lifecycle.ts";
import { version } from "../platform/version.ts";
import { type EdgeHub, startEdge } from "./index.ts";
import { edgeSchema } from "./options.ts";

const prefix = "EDGEHUB";

const help = (subcommands: string): string => `edgehub ${version}: the agent on an edge machine

  edgehub [--config FILE] [--FIELD VALUE ...]
${subcommands}

Configuration comes from the YAML file, then the environment, then the flags. SIGHUP: dial the hub at once.

  -c, --config FILE    YAML file
  --defaultconfig      print the whole configuration with comments
  --minconfig          print what one usually sets
  --version, -h, --help

Fields:
`;

/** The program: configuration in, agent up, signals. */
export async function main(argv: readonly string[]): Promise<void> {
  // The agent itself has no use for the code of the subcommands.
  if (argv[0] !== undefined && !argv[0].startsWith("-")) {
    const { inspectOnProcess } = await import("./inspect/index.ts");
    process.exitCode = await inspectOnProcess(argv);
    return;
  }
  try {
    const flags = parseFlags(edgeSchema, argv);
    if (flags.help) {
      const { inspectHelp } = await import("./inspect/index.ts");
      return void process.stdout.write(`${help(inspectHelp)}${describeFlags(edgeSchema, prefix)}\n`);
    }
    if (flags.version) return void process.stdout.write(`${version}\n`);
    if (flags.defaultconfig || flags.minconfig)
      return void process.stdout.write(printConfig(edgeSchema, flags.minconfig));
    const options = loadOptions(edgeSchema, prefix, {
      file: flags.config,
      environment: process.env,
      flags: flags.flags,
    });
    let edge: EdgeHub | undefined;
    // Whoever sends it while the agent starts does not end it: it dials at once anyway.
    process.on("SIGHUP", () => edge?.hurry());
    await runUntilStopped(async () => {
      edge = await startEdge(options);
      optimizeWhenBusy(systemClock);
      collectWhenGrown(systemClock);
      return edge;
    });
  } catch (error) {
    process.stderr.write(`edgehub: ${error instanceof Error ? error.message : error}\n`);
    process.exit(exitCodeOf(error));
  }
}
