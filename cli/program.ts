import { parseDuration } from "../platform/quantities.ts";
import { version } from "../platform/version.ts";
import type { Command } from "./command.ts";
import { type ProgramSpec, runCommandLine, type Values } from "./command-line.ts";
import { benchCommand } from "./commands/bench.ts";
import { controllerCommands } from "./commands/controller.ts";
import { getCommand } from "./commands/get.ts";
import { nodesCommands } from "./commands/nodes.ts";
import { publishCommand } from "./commands/publish.ts";
import { queueCommands } from "./commands/queue.ts";
import { rolloutCommands } from "./commands/rollout.ts";
import { tokenCommands } from "./commands/token.ts";
import { verifyCommand } from "./commands/verify.ts";
import { whereCommand } from "./commands/where.ts";
import { Context } from "./context.ts";
import { exitCodeHelp, exitCodeOf, failureLines, hubErrorOf } from "./failures.ts";
import { type Io, processIo } from "./io.ts";
import { defaulted, flag, single } from "./option.ts";
import { type Format, formats, Output } from "./output.ts";
import { oneOf, text } from "./values.ts";

/** As a shell shows it when a program ends because nobody reads its output. */
const brokenPipeCode = 141;

const program: ProgramSpec = {
  name: "hubctl",
  version,
  description: "Operates a cloud-edge hub: nodes, what is published to them, and where it is.",
  globals: {
    config: single({
      value: "FILE",
      description: "how to reach the hub (default: HUBCTL_CONFIG, or /var/lib/cloudhub/admin.json)",
      parse: text,
    }),
    url: single({ value: "URL", description: "address of the hub's API, https://host:10005", parse: text }),
    token: single({
      value: "TOKEN",
      description: "a controller's token; others on this machine may see it, a file is safer",
      parse: text,
    }),
    ca: single({ value: "FILE", description: "the hub's CA certificate, PEM", parse: text }),
    output: defaulted({
      short: "o",
      value: formats.join("|"),
      description: "how results are printed",
      parse: oneOf(formats),
      fallback: "table",
    }),
    timeout: single({
      value: "DURATION",
      description:
        "give up after so long, such as 10s (default: 5s to connect, 30s for an answer, no end to -w and --until)",
      parse: parseDuration,
    }),
    noColor: flag({ description: "no colours; also with NO_COLOR, and where the output is no terminal" }),
  },
  epilogue: `${exitCodeHelp}

Begin with:
  hubctl nodes list
  hubctl token create --ttl 24h
  hubctl publish -f manifests/ --node edge-1 --until acked
  hubctl where edge-1`,
  commands: [
    tokenCommands,
    nodesCommands,
    controllerCommands,
    publishCommand,
    getCommand,
    whereCommand,
    rolloutCommands,
    queueCommands,
    verifyCommand,
    benchCommand,
  ],
};

/** The program `hubctl`. @returns Its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const io = processIo();
  const code = await run(argv, io);
  return io.signal.reason === "broken pipe" ? brokenPipeCode : code;
}

/** Runs one command line on the given streams. Never rejects: what fails is told on standard error. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let context: Context | undefined;
  const runCommand = async (
    command: Command,
    given: { arguments: Values; options: Values; globals: Values },
  ): Promise<number> => {
    context = contextOf(io, given.globals);
    return (await command.run(context, given.arguments, given.options)) ?? 0;
  };
  try {
    return await runCommandLine(program, argv, { io, run: runCommand });
  } catch (error) {
    const failure = hubErrorOf(error);
    if (failure.code !== "E_ABORTED")
      io.err.write(
        failureLines(failure)
          .map((line) => `${line}\n`)
          .join(""),
      );
    if (failure.code === "E_INTERNAL" && failure.cause instanceof Error)
      io.err.write(`${failure.cause.stack}\n`);
    return exitCodeOf(failure.code);
  } finally {
    await context?.close();
  }
}

function contextOf(io: Io, globals: Values): Context {
  const given = globals as {
    readonly config?: string;
    readonly url?: string;
    readonly token?: string;
    readonly ca?: string;
    readonly output: Format;
    readonly timeout?: number;
    readonly color: boolean;
  };
  const colours = given.color && (io.env.NO_COLOR ?? "") === "";
  const { config, url, token, ca } = given;
  return new Context(io, new Output(io, { format: given.output, colours }), {
    address: { config, url, token, ca },
    timeoutMs: given.timeout,
  });
}
