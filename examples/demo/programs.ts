import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { agentProgram, hubProgram } from "./commands.ts";
import { until } from "./waiting.ts";

/** Where the hub listens. */
export interface Ports {
  readonly nodes: number;
  readonly join: number;
  readonly api: number;
}

/** A program is ended the hard way if it has not stopped after so long. */
const stopTimeoutMs = 5_000;
const tailLines = 15;

/** The hub and the agent as a user starts them: processes of their own, with their logs in files. */
export class Programs {
  readonly hubDirectory: string;
  readonly edgeDirectory: string;
  readonly #hubLog: string;
  readonly #edgeLog: string;
  #hub: ChildProcess | undefined;
  #agent: ChildProcess | undefined;

  /** @param directory For the data and the logs of both. */
  constructor(directory: string) {
    // However this process ends, it leaves none of its programs behind.
    process.on("exit", () => {
      for (const child of [this.#agent, this.#hub]) if (isRunning(child)) child.kill("SIGKILL");
    });
    this.hubDirectory = join(directory, "hub");
    this.edgeDirectory = join(directory, "edge");
    this.#hubLog = join(directory, "hub.log");
    this.#edgeLog = join(directory, "edge.log");
  }

  get hubPid(): number | undefined {
    return this.#hub?.pid;
  }

  /** Starts the hub. @param ports Of its last run; `undefined`: free ones. @returns Where it listens now. */
  async startHub(ports: Ports | undefined, signal: AbortSignal): Promise<Ports> {
    const flags = {
      dataDir: this.hubDirectory,
      "nodes.host": "127.0.0.1",
      "join.host": "127.0.0.1",
      "nodes.port": ports?.nodes ?? 0,
      "join.port": ports?.join ?? 0,
      "api.port": ports?.api ?? 0,
    };
    const before = textOf(this.#hubLog).length;
    this.#hub = start(hubProgram, flags, this.#hubLog);
    const hub = this.#hub;
    return await until(
      () => {
        if (hub.exitCode !== null)
          throw new Error(`the hub ended with code ${hub.exitCode} before it was up`);
        return portsIn(textOf(this.#hubLog).slice(before));
      },
      { what: "the hub to start", timeoutMs: 15_000, signal },
    );
  }

  /** Ends the hub as a power cut would: nothing is written any more, nobody is told. */
  async killHub(): Promise<void> {
    await ended(this.#hub, "SIGKILL");
  }

  startAgent(words: { node: string; server: string; join: string; token: string }): void {
    const flags = {
      node: words.node,
      dataDir: this.edgeDirectory,
      "hub.server": words.server,
      "hub.join": words.join,
      // So that the demo does not have to wait out a long pause after the cut.
      "hub.reconnectMaxMs": 1_000,
    };
    this.#agent = start(agentProgram, flags, this.#edgeLog, { EDGEHUB_HUB_TOKEN: words.token });
  }

  /** Throws if the agent has ended, which it should not do by itself. */
  requireAgent(): void {
    const { exitCode } = this.#agent ?? {};
    if (typeof exitCode === "number") throw new Error(`the agent ended with code ${exitCode}`);
  }

  /** Stops what runs; only what was started here is ended. */
  async stop(): Promise<void> {
    await ended(this.#agent, "SIGTERM");
    await ended(this.#hub, "SIGTERM");
  }

  /** The last lines of both logs. */
  tails(): string {
    return [this.#hubLog, this.#edgeLog]
      .map((file) => `── ${file}\n${textOf(file).trimEnd().split("\n").slice(-tailLines).join("\n")}`)
      .join("\n");
  }
}

function start(
  program: string,
  flags: Readonly<Record<string, string | number>>,
  log: string,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  if (!existsSync(program)) throw new Error(`${program} is missing; build it first: npm run build`);
  const descriptor = openSync(log, "a", 0o600);
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", descriptor, descriptor],
    env: { ...process.env, ...env },
  });
  closeSync(descriptor);
  return child;
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!isRunning(child)) return;
  const exit = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill(signal);
  const hard = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await exit;
  clearTimeout(hard);
}

function isRunning(child: ChildProcess | undefined): child is ChildProcess {
  return child !== undefined && child.exitCode === null && child.signalCode === null;
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function portsIn(log: string): Ports | undefined {
  const line = log.split("\n").find((one) => one.includes('"event":"hub started"'));
  return line === undefined ? undefined : (JSON.parse(line) as Ports);
}
