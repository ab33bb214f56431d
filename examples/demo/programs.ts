import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
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

interface AgentWords {
  readonly node: string;
  readonly server: string;
  readonly join: string;
  readonly token: string;
}

/** Hub, agent, device and service as a user starts them: processes of their own, with their logs in files. */
export class Programs {
  readonly hubDirectory: string;
  readonly edgeDirectory: string;
  readonly #directory: string;
  readonly #hubLog: string;
  readonly #edgeLog: string;
  #hub: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  #agentWords: AgentWords | undefined;
  /** Programs that have nothing to do with the hub. */
  readonly #others: ChildProcess[] = [];

  /** @param directory For the data and the logs of all. */
  constructor(directory: string) {
    // However this process ends, it leaves none of its programs behind.
    process.on("exit", () => {
      for (const child of [...this.#others, this.#agent, this.#hub])
        if (isRunning(child)) child.kill("SIGKILL");
    });
    this.#directory = directory;
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
    this.#hub = start(hubProgram, wordsOf(flags), this.#hubLog);
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

  startAgent(words: AgentWords): void {
    this.#agentWords = words;
    const flags = {
      node: words.node,
      dataDir: this.edgeDirectory,
      "hub.server": words.server,
      "hub.join": words.join,
      // So that the demo does not have to wait out a long pause after the cut.
      "hub.reconnectMaxMs": 1_000,
      "eventBus.mqttServerInternal": "tcp://127.0.0.1:0",
      "edged.enable": "true",
      "edged.runtime": "process",
      "serviceBus.enable": "true",
      "serviceBus.port": 0,
    };
    this.#agent = start(agentProgram, wordsOf(flags), this.#edgeLog, { EDGEHUB_HUB_TOKEN: words.token });
  }

  async killAgent(): Promise<void> {
    await ended(this.#agent, "SIGKILL");
  }

  /** Starts it with the same words. @returns Its pid, when its modules run. */
  async startAgentAgain(signal: AbortSignal): Promise<number> {
    const words = this.#agentWords;
    if (words === undefined) throw new Error("the agent has not been started");
    const before = textOf(this.#edgeLog).length;
    this.startAgent(words);
    const isUp = () => {
      this.requireAgent();
      return brokerIn(textOf(this.#edgeLog).slice(before)) === undefined ? undefined : true;
    };
    await until(isUp, { what: "the agent to start", timeoutMs: 15_000, signal });
    return this.#agent?.pid as number;
  }

  /** Starts the device's program, which finds the broker of the node. @param device Its id. */
  startDevice(device: string, { strokes, everyMs }: { strokes: number; everyMs: number }): void {
    const port = brokerIn(textOf(this.#edgeLog));
    if (port === undefined) throw new Error("the agent has no broker");
    const args = [`mqtt://127.0.0.1:${port}`, device, `${strokes}`, `${everyMs}`];
    this.#others.push(start(join(import.meta.dirname, "device.ts"), args, this.#logOf("device")));
  }

  /** The numbers that the device's program has printed: those that were confirmed to it. */
  get deviceConfirmed(): number[] {
    const lines = textOf(this.#logOf("device")).split("\n").slice(0, -1);
    return lines.map(Number);
  }

  /** @returns The service's port. */
  async startService(signal: AbortSignal): Promise<number> {
    const log = this.#logOf("service");
    this.#others.push(start(join(import.meta.dirname, "service.ts"), [], log));
    const port = () => (textOf(log).includes("\n") ? Number.parseInt(textOf(log), 10) : undefined);
    return await until(port, { what: "the service to start", timeoutMs: 10_000, signal });
  }

  /** Throws if the agent has ended, which it should not do by itself. */
  requireAgent(): void {
    const { exitCode } = this.#agent ?? {};
    if (typeof exitCode === "number") throw new Error(`the agent ended with code ${exitCode}`);
  }

  /** Stops what runs; only what was started here is ended. */
  async stop(): Promise<void> {
    for (const child of [...this.#others, this.#agent, this.#hub]) await ended(child, "SIGTERM");
    await this.#endPods();
  }

  /** Pods outlive the agent: that is what they are for. */
  async #endPods(): Promise<void> {
    const root = join(this.edgeDirectory, "edged/process");
    if (!existsSync(root)) return;
    const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
    for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
    await runtime.close();
  }

  #logOf(program: string): string {
    return join(this.#directory, `${program}.log`);
  }

  /** The last lines of all logs. */
  tails(): string {
    return [this.#hubLog, this.#edgeLog, this.#logOf("device"), this.#logOf("service")]
      .map((file) => `── ${file}\n${textOf(file).trimEnd().split("\n").slice(-tailLines).join("\n")}`)
      .join("\n");
  }
}

function start(
  program: string,
  args: readonly string[],
  log: string,
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  if (!existsSync(program)) throw new Error(`${program} is missing; build it first: npm run build`);
  const descriptor = openSync(log, "a", 0o600);
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", descriptor, descriptor],
    env: { ...process.env, ...env },
  });
  closeSync(descriptor);
  return child;
}

function wordsOf(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
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

/** The port of the agent's own broker; of its last run, if there were several. */
function brokerIn(log: string): number | undefined {
  const line = log.split("\n").findLast((one) => one.includes('"event":"internal broker listens"'));
  return line === undefined ? undefined : (JSON.parse(line) as { port: number }).port;
}

function portsIn(log: string): Ports | undefined {
  const line = log.split("\n").find((one) => one.includes('"event":"hub started"'));
  return line === undefined ? undefined : (JSON.parse(line) as Ports);
}
