import { Argument, type CommanderError, Command as Parser, Option as ParserOption } from "commander";
import { HubError } from "../sdk/index.ts";
import type { Command, CommandGroup } from "./command.ts";
import { exitCodes } from "./failures.ts";
import type { Io } from "./io.ts";
import type { Option } from "./option.ts";

/** Everything a program is told on its command line. */
export interface ProgramSpec {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** Options that every command has. */
  readonly globals: Readonly<Record<string, Option>>;
  /** Below the help of the whole program. */
  readonly epilogue: string;
  readonly commands: readonly (Command | CommandGroup)[];
}

export type Values = Readonly<Record<string, unknown>>;

/** Runs a command with what was given to it. */
export type Runner = (
  command: Command,
  given: { arguments: Values; options: Values; globals: Values },
) => Promise<number>;

/**
 * Reads a command line and runs the command it names. The only place that knows commander.
 *
 * @returns The exit code. Rejects with `E_BAD_OPTION` for a line that cannot be used, or with what the command throws.
 */
export async function runCommandLine(
  program: ProgramSpec,
  argv: readonly string[],
  parts: { io: Io; run: Runner },
): Promise<number> {
  let code: number = exitCodes.ok;
  const root = new Parser(program.name)
    .description(program.description)
    .version(program.version, "--version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .addHelpText("after", `\n${program.epilogue}`)
    .configureOutput({
      writeOut: (text) => parts.io.out.write(text),
      writeErr: (text) => parts.io.err.write(text),
      outputError: () => {},
      getOutHelpWidth: () => Math.min(parts.io.out.columns ?? 100, 120),
      getErrHelpWidth: () => Math.min(parts.io.err.columns ?? 100, 120),
    });
  throwing(root);
  addOptions(root, program.globals);
  const run: Runner = async (command, given) => {
    code = await parts.run(command, given);
    return code;
  };
  for (const one of program.commands) {
    if ("commands" in one) {
      const group = throwing(root.command(one.name)).description(one.summary).helpCommand(false);
      group.addHelpText("after", globalsHelp(program));
      for (const inner of one.commands) addCommand(group, inner, { program, run });
    } else addCommand(root, one, { program, run });
  }
  try {
    await root.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return error.exitCode;
  }
  return code;
}

/** Help or version was printed; there is nothing to run. */
class Ended extends Error {
  readonly exitCode: number;

  constructor(exitCode: number) {
    super("ended");
    this.exitCode = exitCode;
  }
}

function addCommand(
  parent: Parser,
  command: Command,
  { program, run }: { program: ProgramSpec; run: Runner },
): void {
  const parser = throwing(parent.command(command.name))
    .summary(command.summary)
    .description(command.detail === undefined ? command.summary : `${command.summary}\n\n${command.detail}`)
    .addHelpText("after", `${examplesOf(command)}\n${globalsHelp(program)}`);
  const names = Object.keys(command.arguments);
  for (const [name, { kind, description }] of Object.entries(command.arguments)) {
    const word = name.toUpperCase();
    const shape = kind === "required" ? `<${word}>` : kind === "optional" ? `[${word}]` : `<${word}...>`;
    parser.addArgument(new Argument(shape, description));
  }
  addOptions(parser, command.options);
  parser.action(async () => {
    const given = Object.fromEntries(names.map((name, at) => [name, parser.processedArgs[at]]));
    const options = { ...nothingGiven(command), ...parser.opts() };
    await run(command, { arguments: given, options, globals: parser.optsWithGlobals() });
  });
}

/** Options that may be repeated, none of which was given. */
function nothingGiven(command: Command): Values {
  const names = Object.keys(command.options).filter((name) => command.options[name]?.kind === "repeated");
  return Object.fromEntries(names.map((name) => [name, []]));
}

/** A reminder in a line instead of the same list below every command. */
function globalsHelp(program: ProgramSpec): string {
  const words = Object.entries(program.globals).map(([name, option]) => {
    const value = option.kind === "flag" ? "" : ` ${option.value}`;
    return `${option.short ? `-${option.short}` : longOf(name)}${value}`;
  });
  return `\nEverywhere: ${words.join(", ")}; see: ${program.name} --help`;
}

function longOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

function examplesOf(command: Command): string {
  if (command.examples.length === 0) return "";
  return `\nExamples:\n${command.examples.map((line) => `  ${line.includes("hubctl ") ? line : `hubctl ${line}`}`).join("\n")}`;
}

function addOptions(parser: Parser, options: Readonly<Record<string, Option>>): void {
  for (const [name, option] of Object.entries(options)) {
    const long = longOf(name);
    const value = option.kind === "flag" ? "" : ` <${option.value}>`;
    const words = `${option.short ? `-${option.short}, ` : ""}${long}${value}`;
    parser.addOption(readerOf(new ParserOption(words, option.description), option, long));
  }
}

function readerOf(made: ParserOption, option: Option, long: string): ParserOption {
  switch (option.kind) {
    case "flag":
      // Of `--no-color` commander makes the value `color`, which is true unless it is given.
      return made.negate ? made : made.default(false);
    case "single":
      return made.argParser((text) => read(option.parse, text, long));
    case "defaulted":
      return made
        .default(option.parse(option.fallback), option.fallback)
        .argParser((text) => read(option.parse, text, long));
    case "repeated":
      return made.argParser((text, before) => [
        ...((before as unknown[] | undefined) ?? []),
        read(option.parse, text, long),
      ]);
  }
}

function read(parse: (text: string) => unknown, text: string, long: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    throw new HubError(error.code, `${long}: ${error.message}`, { cause: error });
  }
}

/** Makes commander throw instead of ending the process; each error says where to read on. */
function throwing(parser: Parser): Parser {
  return parser.exitOverride((error: CommanderError) => {
    if (error.exitCode === 0) throw new Ended(exitCodes.ok);
    // A group without a command has printed its help.
    if (error.code === "commander.help") throw new Ended(exitCodes.usage);
    const text = error.message.replace(/^error: /, "").replace(/\n\(Did (.*)\)$/s, "; did $1");
    throw new HubError("E_BAD_OPTION", `${text} (see: ${pathOf(parser)} --help)`);
  });
}

function pathOf(parser: Parser): string {
  return parser.parent ? `${pathOf(parser.parent)} ${parser.name()}` : parser.name();
}
