import type { Context } from "./context.ts";
import type { Argument, ArgumentValues, Option, OptionValues } from "./option.ts";

/** A command as its file describes it. */
export interface CommandSpec<
  Arguments extends Readonly<Record<string, Argument>>,
  Options extends Readonly<Record<string, Option>>,
> {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What else there is to know, for its own help. */
  readonly detail?: string;
  /** In the order in which they are written. */
  readonly arguments: Arguments;
  readonly options: Options;
  /** Command lines that work; the word `hubctl` in front may be left out. */
  readonly examples: readonly string[];
  /** @returns The exit code; nothing: 0. What it throws is told to the user, see `failures.ts`. */
  run(
    context: Context,
    given: ArgumentValues<Arguments>,
    options: OptionValues<Options>,
  ): Promise<number | undefined>;
}

type Erased = Readonly<Record<string, unknown>>;

/** A command whose arguments and options are only known to itself. */
export interface Command
  extends Omit<CommandSpec<Readonly<Record<string, Argument>>, Readonly<Record<string, Option>>>, "run"> {
  run(context: Context, given: Erased, options: Erased): Promise<number | undefined>;
}

/** Commands that belong together: `hubctl token create|list|revoke`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}

/** Describes a command; what `run` is given has the types of the arguments and options named above it. */
export function command<
  Arguments extends Readonly<Record<string, Argument>>,
  Options extends Readonly<Record<string, Option>>,
>(spec: CommandSpec<Arguments, Options>): Command {
  return spec as unknown as Command;
}
