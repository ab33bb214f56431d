import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { asHubError, HubError, shown } from "../../protocol/index.ts";
import { commandHelp, parseProfile, profileHelp, runCommand } from "./commands.ts";
import { type Impairer, startImpairer } from "./impairer.ts";
import type { Address } from "./options.ts";

const help = `A weak link: a TCP proxy with delay, jitter, rate, loss, cuts and silence.

  npm exec -- node testbed/impairer/main.ts --listen 127.0.0.1:20000 --target 127.0.0.1:10000 --profile sat600

  --listen <host:port>   where edges connect; port 0: any free one
  --target <host:port>   where they want to go
  --profile <profile>    default lan; see below
  --seed <number>        of losses and jitter; default 1
  --help

Commands, on standard input:
${commandHelp}

A profile is ${profileHelp}
`;

async function main(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      listen: { type: "string" },
      target: { type: "string" },
      profile: { type: "string", default: "lan" },
      seed: { type: "string", default: "1" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const listen = parseAddress("--listen", values.listen);
  const target = parseAddress("--target", values.target);
  const impairer = await startImpairer({
    listen,
    target,
    profile: parseProfile(values.profile),
    seed: parseSeed(values.seed),
  });
  console.log(
    `${listen.host}:${impairer.port} → ${target.host}:${target.port}, ${values.profile}, seed ${values.seed}`,
  );
  await obey(impairer);
  await impairer.close();
}

/** Runs what is typed, until `quit` or a signal; the end of the input is no reason to stop. */
function obey(impairer: Impairer): Promise<void> {
  return new Promise((resolve) => {
    const lines = createInterface({ input: process.stdin });
    const stop = (): void => {
      lines.close();
      resolve();
    };
    process.once("SIGINT", stop).once("SIGTERM", stop);
    lines.on("line", (line) => {
      try {
        const answer = runCommand(impairer, line);
        if (answer === undefined) stop();
        else console.log(answer);
      } catch (error) {
        console.error(asHubError(error).message);
      }
    });
  });
}

function parseAddress(flag: string, text: string | undefined): Address {
  const match = /^\[?([^\]]+)\]?:(\d{1,5})$/.exec(text ?? "");
  const [, host, port] = match ?? [];
  if (host !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new HubError(
    "E_BAD_OPTION",
    `${flag} must be host:port, got ${shown(text ?? "nothing")} (see --help)`,
  );
}

function parseSeed(text: string): number {
  const seed = Number(text);
  if (Number.isSafeInteger(seed)) return seed;
  throw new HubError("E_BAD_OPTION", `--seed must be a whole number, got ${shown(text)}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(asHubError(error).message);
  process.exitCode = 1;
}
