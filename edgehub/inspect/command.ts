import { parseArgs } from "node:util";
import { flagNames, loadOptions } from "../../platform/config.ts";
import { HubError } from "../../protocol/index.ts";
import { type EdgeOptions, edgeSchema } from "../options.ts";
import type { InspectionIo } from "./io.ts";

/** A subcommand, as its file describes it. */
export interface Command {
  readonly name: string;
  /** What follows the name on the command line. */
  readonly usage: string;
  /** One line. */
  readonly summary: string;
  /** What else its own help says. */
  readonly detail?: string;
  /** Command lines, and what each does. */
  readonly examples?: readonly (readonly [line: string, what: string])[];
  readonly options: readonly CommandOption[];
  /** How many words it takes, beside what stands behind `--`. */
  readonly words: { readonly min: number; readonly max: number };
  /** True: a command of somebody else stands behind `--`. */
  readonly takesCommand?: true;
  /** @returns The exit code. What it throws is told to the user. */
  run(given: Given, io: InspectionIo): Promise<number> | number;
}

export interface CommandOption {
  readonly name: string;
  readonly short?: string;
  /** Stands for the value in the help; left out: it is a switch. */
  readonly value?: string;
  readonly description: string;
}

/** A command line that was read. */
export interface Given {
  readonly words: readonly string[];
  /** What stands behind `--`. */
  readonly command: readonly string[];
  /** The agent's configuration. */
  readonly options: EdgeOptions;
  text(name: string): string | undefined;
  flag(name: string): boolean;
}

/** Every subcommand has them: the agent's directory, and the rest of its configuration. */
const configOptions: readonly CommandOption[] = [
  {
    name: "data-dir",
    value: "DIR",
    description: "the agent's directory (else from --config, EDGEHUB_DATA_DIR, or the default)",
  },
  { name: "config", value: "FILE", description: "the agent's configuration" },
];

/** Is its help asked for? Not for what stands behind `--`. */
export function wantsHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? undefined : end).some((word) => word === "--help" || word === "-h");
}

/** Reads the words after the subcommand's name. Throws `E_BAD_OPTION`. */
export function readGiven(
  command: Command,
  argv: readonly string[],
  environment: InspectionIo["environment"],
): Given {
  const end = command.takesCommand ? argv.indexOf("--") : -1;
  const { values, positionals } = parsed(command, argv.slice(0, end < 0 ? undefined : end));
  const { min, max } = command.words;
  const usage = `usage: edgehub ${command.name} ${command.usage}`.trimEnd();
  if (positionals.length > max) throw misuse(command, `too many words: ${positionals.join(" ")}; ${usage}`);
  if (positionals.length < min) throw misuse(command, `too few words; ${usage}`);
  const { "data-dir": dataDir, config, ...rest } = values;
  const flags = Object.entries({ ...rest, ...(dataDir === undefined ? {} : { dataDir }) });
  const own = new Set(command.options.map(({ name }) => name));
  return {
    words: positionals,
    command: end < 0 ? [] : argv.slice(end + 1),
    options: loadOptions(edgeSchema, "EDGEHUB", {
      file: config as string | undefined,
      environment,
      flags: Object.fromEntries(flags.filter(([name]) => !own.has(name))) as Record<string, string>,
    }),
    text: (name) => values[name] as string | undefined,
    flag: (name) => values[name] === true,
  };
}

function parsed(command: Command, args: readonly string[]) {
  const text = { type: "string" as const };
  const own = [...configOptions, ...command.options].map(({ name, short, value }): [string, object] => [
    name,
    { type: value === undefined ? "boolean" : "string", ...(short === undefined ? {} : { short }) },
  ]);
  // Where -c is nothing else, it is the configuration, as for the agent itself.
  const isFree = !command.options.some(({ short }) => short === "c");
  const options = {
    ...Object.fromEntries(flagNames(edgeSchema).map((name) => [name, text])),
    ...Object.fromEntries(own),
    config: { ...text, ...(isFree ? { short: "c" } : {}) },
  };
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (cause) {
    throw misuse(command, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function misuse(command: Command, text: string, cause?: unknown): HubError {
  return new HubError("E_BAD_OPTION", `${text} (see edgehub ${command.name} --help)`, { cause });
}

/** A whole number of an option. Throws `E_BAD_OPTION`. */
export function wholeNumber(given: Given, name: string, fallback: number): number {
  const text = given.text(name);
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new HubError("E_BAD_OPTION", `--${name} must be a whole number, got ${JSON.stringify(text)}`);
}

export function helpOf(command: Command): string {
  const isFree = !command.options.some(({ short }) => short === "c");
  const lines = [...command.options, ...configOptions].map(({ name, short, value, description }) => {
    const letter = name === "config" && isFree ? "c" : short;
    const flag = `${letter === undefined ? "    " : `-${letter}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
    return `  ${flag.padEnd(24)}  ${description}\n`;
  });
  const detail = command.detail === undefined ? "" : `\n${command.detail}\n`;
  return `${`edgehub ${command.name} ${command.usage}`.trimEnd()}
  ${command.summary}
${detail}${examplesOf(command)}
Options:
${lines.join("")}
Fields of the agent's configuration can be given too, as for the agent: --edged.runtime process

${exitCodeHelp}
`;
}

function examplesOf({ examples = [] }: Command): string {
  if (examples.length === 0) return "";
  const width = Math.max(...examples.map(([line]) => line.length));
  return `\nExamples:\n${examples.map(([line, what]) => `  ${line.padEnd(width)}  ${what}\n`).join("")}`;
}

const exitCodeHelp = `Exit codes:
  0  done
  1  something failed; what, is on standard error
  2  the command line or the configuration cannot be used
  3  nothing of that name, or no agent's directory
  4  what was asked cannot be reached, or does not answer in time
  5  not allowed`;
