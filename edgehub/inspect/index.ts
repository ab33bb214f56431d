import { type Command, helpOf, readGiven, wantsHelp } from "./command.ts";
import { describe } from "./describe.ts";
import { get, outbox } from "./get.ts";
import { type InspectionIo, processIo, tellFailure } from "./io.ts";

export type { InspectionIo } from "./io.ts";

/** Subcommands of the program that look at an agent from outside, whether it runs or not. */
const commands: readonly Command[] = [get, describe, outbox];

/** For the program's own help. */
export const inspectHelp = `${commands
  .map(({ name, usage, summary }) => `  edgehub ${`${name} ${usage}`.trimEnd()}\n      ${summary}`)
  .join("\n")}
      each tells its options with --help`;

/** True if the command line asks for one of them. */
export function isInspection(argv: readonly string[]): boolean {
  return commands.some(({ name }) => name === argv[0]);
}

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
    if (command === undefined) throw new Error(`no subcommand ${name}`);
    if (!wantsHelp(rest)) return await command.run(readGiven(command, rest, io.environment), io);
    io.out(helpOf(command));
    return 0;
  } catch (error) {
    return tellFailure(error, io);
  }
}
