import { describeFlags, loadOptions, parseFlags, printConfig } from "../platform/config.ts";
import { exitCodeOf, runUntilStopped } from "../platform/lifecycle.ts";
import { version } from "../platform/version.ts";
import { startHub } from "./index.ts";
import { hubSchema } from "./options.ts";

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
    await runUntilStopped((fatal) => startHub(options, { onFatal: fatal, processMetrics: true }));
  } catch (error) {
    process.stderr.write(`cloudhub: ${error instanceof Error ? error.message : error}\n`);
    process.exit(exitCodeOf(error));
  }
}
