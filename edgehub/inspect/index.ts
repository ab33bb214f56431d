import { HubError, shown } from "../../protocol/index.ts";
import { check } from "./check.ts";
import { type Command, helpOf, readGiven, wantsHelp } from "./command.ts";
import { describe } from "./describe.ts";
import { exec } from "./exec.ts";
import { get, outbox } from "./get.ts";
import { type InspectionIo, processIo, tellFailure } from "./io.ts";
import { logs } from "./logs.ts";

export type { InspectionIo } from "./io.ts";

/** Subcommands of the program that look at an agent from outside, whether it runs or not. */
const commands: readonly Command[] = [get, describe, logs, exec, check, outbox];

/** For the program's own help. */
export const inspectHelp = `${commands
  .map(({ name, usage, summary }) => `  edgehub ${`${name} ${usage}`.trimEnd()}\n      ${summary}`)
  .join("\n")}
      each tells its options with --help`;

/** Runs such a command line on the process's streams. */
export function inspectOnProcess(argv: readonly string[]): Promise<number> {
  return inspect(argv, processIo());
}

/**
 * Runs such a command line. Rejects never: what fails is told.
 *
 * @returns The exit code; they are in each command's help.
 */
export async function inspect([name, ...rest]: readonly string[], io: InspectionIo): Promise<number> {
  try {
    const command = commands.find((one) => one.name === name);
    if (command === undefined) {
      const names = commands.map((one) => one.name).join(", ");
      throw new HubError(
        "E_BAD_OPTION",
        `no subcommand ${shown(name)}; there are ${names} (see edgehub --help)`,
      );
    }
    if (!wantsHelp(rest)) return await command.run(readGiven(command, rest, io.environment), io);
    io.out(helpOf(command));
    return 0;
  } catch (error) {
    return tellFailure(error, io);
  }
}
