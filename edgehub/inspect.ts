import { join } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { loadOptions } from "../platform/config.ts";
import { asHubError, type ErrorCode, HubError, shown } from "../protocol/index.ts";
import { type Inspection, readOutbox, readResources } from "./inspect-store.ts";
import { edgeSchema } from "./options.ts";

/** Subcommands of the program that look at the agent's database, also while the agent runs. */
export const inspectHelp = `  edgehub get [KIND | PATTERN]    what this node has: all, of one kind (configmap), or by resource path (default/*)
  edgehub outbox                  what waits here to go up to the hub
      --data-dir DIR              the agent's directory (else from --config, EDGEHUB_DATA_DIR, or the default)
      -o table|json|yaml          json and yaml show the contents too`;

const formats = ["table", "json", "yaml"];

/** True if the command line asks for one of them. */
export function isInspection(argv: readonly string[]): boolean {
  return argv[0] === "get" || argv[0] === "outbox";
}

/** What it reads and writes. */
export interface InspectionIo {
  readonly environment: Readonly<Record<string, string | undefined>>;
  out(text: string): void;
  err(text: string): void;
  /** Width of the terminal; `undefined`: none. */
  readonly columns: number | undefined;
  /** Wall clock, ms. */
  readonly now: number;
}

/** Runs such a command line on the process's streams. A reader that goes away ends it without a word. */
export function inspectOnProcess(argv: readonly string[]): number {
  process.stdout.on("error", () => process.exit(141));
  return inspect(argv, {
    environment: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    now: Date.now(),
  });
}

/**
 * Runs such a command line. Throws nothing: what fails is told.
 *
 * @returns The exit code, as of `hubctl`: 0, 1 failed, 2 usage, 3 nothing there, 5 not allowed.
 */
export function inspect(argv: readonly string[], io: InspectionIo): number {
  try {
    const { command, pattern, file, format } = readCommand(argv, io.environment);
    const found = command === "get" ? readResources(file, pattern) : readOutbox(file, io.now);
    if (format === "json") io.out(`${JSON.stringify(found.plain, undefined, 2)}\n`);
    else if (format === "yaml") io.out(stringify(found.plain, { lineWidth: 0 }));
    else show(found, io);
    return 0;
  } catch (error) {
    const { code, message } = asHubError(error);
    const step = code === "E_NOT_FOUND" ? "; name the agent's directory with --data-dir" : "";
    io.err(`edgehub: ${code}: ${message}${step}\n`);
    return exitCodes[code] ?? 1;
  }
}

const exitCodes: Partial<Record<ErrorCode, number>> = { E_BAD_OPTION: 2, E_NOT_FOUND: 3, E_FORBIDDEN: 5 };

function show({ lines, remark, rows }: Inspection, io: InspectionIo): void {
  if (rows > 0) io.out(`${lines(io.now, io.columns).join("\n")}\n`);
  io.err(`${remark}\n`);
}

function readCommand(
  argv: readonly string[],
  environment: InspectionIo["environment"],
): {
  command: string;
  pattern: string | undefined;
  file: string;
  format: string;
} {
  const { values, positionals } = parsed(argv.slice(1));
  const [command = ""] = argv;
  const [pattern, ...more] = positionals;
  if (more.length > 0 || (command === "outbox" && pattern !== undefined))
    throw new HubError(
      "E_BAD_OPTION",
      `too many words: ${[pattern, ...more].join(" ")} (see edgehub --help)`,
    );
  const format = values.output ?? "table";
  if (!formats.includes(format))
    throw new HubError("E_BAD_OPTION", `-o must be ${formats.join(" | ")}, got ${shown(format)}`);
  const dataDir = values["data-dir"] ?? values.dataDir;
  const { dataDir: directory } = loadOptions(edgeSchema, "EDGEHUB", {
    file: values.config,
    environment,
    flags: dataDir === undefined ? {} : { dataDir },
  });
  return { command, pattern, file: join(directory, "edge.db"), format };
}

function parsed(args: string[]): {
  values: { "data-dir"?: string; dataDir?: string; config?: string; output?: string };
  positionals: string[];
} {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        "data-dir": text,
        // As the agent's own flag is called.
        dataDir: text,
        config: { ...text, short: "c" },
        output: { ...text, short: "o" },
      },
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : cause;
    throw new HubError("E_BAD_OPTION", `${why} (see edgehub --help)`, { cause });
  }
}
