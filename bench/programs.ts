import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "..");

/** They end with the benchmark, also where it is told to end. */
const living = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/** A process of the benchmark's own; ended by pid, and with the benchmark. */
export class Process {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  /** Rejects when the program ends. */
  readonly #ended: Promise<never>;

  constructor(script: string, args: readonly string[] = [], flags: readonly string[] = []) {
    this.#child = fork(join(root, script), [...args], {
      stdio: ["ignore", "inherit", "pipe", "ipc"],
      execArgv: [...flags],
    });
    createInterface({ input: this.#child.stderr as NodeJS.ReadableStream }).on("line", (line) =>
      this.#lines.push(line),
    );
    this.#ended = this.#watch();
    this.#ended.catch(() => undefined);
  }

  /** @returns Rejects with the program's last words when it ends. */
  async #watch(): Promise<never> {
    living.add(this.#child);
    await once(this.#child, "exit");
    living.delete(this.#child);
    throw new Error(`a program ended:\n${this.#lines.slice(-10).join("\n")}`);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** The next message it sends. */
  async message<T>(): Promise<T> {
    const [message] = (await Promise.race([once(this.#child, "message"), this.#ended])) as [T];
    return message;
  }

  /** Sends a message and waits for the next one. */
  async ask<T>(question: object | string): Promise<T> {
    const answer = this.message<T>();
    this.#child.send(question);
    return await answer;
  }

  send(message: object | string): void {
    this.#child.send(message);
  }

  /** The first log line with this event. */
  async logged(event: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.#lines.find((one) => one.includes(`"event":"${event}"`));
      if (line) return JSON.parse(line) as Record<string, unknown>;
      await Promise.race([new Promise((done) => setTimeout(done, 5)), this.#ended]);
    }
  }

  /**
   * It stands for other machines: it runs only where all else here leaves the processor idle, whose time those would not take.
   * What a hub does for it has no such mark. Source: sched(7), SCHED_IDLE.
   */
  standAside(): void {
    execFileSync("chrt", ["--idle", "--all-tasks", "--pid", "0", String(this.pid)]);
  }

  /** CPU time used so far, ms; all threads. */
  cpuMs(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  residentMiB(): number {
    const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
    return Number(kib) / 1024;
  }

  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }
}

/** A hub as users run it: the built program. */
export class HubProgram {
  readonly dataDir: string;
  /** Those for QUIC and WebTransport are there if they are enabled. */
  ports: { nodes: number; join: number; api: number; quic?: number; webTransport?: number } = {
    nodes: 0,
    join: 0,
    api: 0,
  };
  #process: Process | undefined;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  get process(): Process {
    if (this.#process === undefined) throw new Error("the hub does not run");
    return this.#process;
  }

  /** @param flags Of Node.js. @param more Options of the hub, as on the command line. */
  async start(
    flags: readonly string[] = [],
    more: Readonly<Record<string, string | number>> = {},
  ): Promise<void> {
    const { nodes, join: joinPort, api } = this.ports;
    const options = {
      dataDir: this.dataDir,
      logLevel: "info",
      "nodes.host": "127.0.0.1",
      "nodes.port": nodes,
      "join.host": "127.0.0.1",
      "join.port": joinPort,
      "api.port": api,
      "router.port": 0,
      ...more,
    };
    this.#process = new Process(
      "dist/cloudhub/main.js",
      Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      flags,
    );
    const started = await this.#process.logged("hub started");
    this.ports = started as typeof this.ports;
  }

  /** How `connectHub` reaches it. */
  get admin(): { url: string; token: string; ca: string } {
    return JSON.parse(readFileSync(join(this.dataDir, "admin.json"), "utf8"));
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    await this.#process?.end(signal);
  }
}

/**
 * Options of a hub that lets nodes in as fast as they come: a fleet that connects first and then begins all at once would
 * wait for places at its door.
 */
export const openDoor = { "nodes.handshakesPerSecond": 100_000, "nodes.admitAtOnce": 100_000 };

/** An agent leaves optimising compilers out until it has been busy for some seconds; then they need time. */
export const agentWarmUpMs = 12_000;

/** An agent as users run it. Resolves when it is connected. */
export async function startAgentProgram(options: {
  node: string;
  dataDir: string;
  server: string;
  join: string;
  token: string;
  /** More of its options, as on the command line; without any, it is its core alone. */
  flags?: Readonly<Record<string, string | number | boolean>>;
}): Promise<Process> {
  const flags = {
    node: options.node,
    dataDir: options.dataDir,
    "hub.server": options.server,
    "hub.join": options.join,
    "hub.token": options.token,
    "hub.reconnectMinMs": 50,
    "eventBus.enable": false,
    ...options.flags,
  };
  const agent = new Process(
    "dist/edgehub/main.js",
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  );
  await agent.logged("connected");
  return agent;
}

/** The link impairer in a process of its own. */
export async function startLink(
  target: number,
  profile: string,
  seed: number,
): Promise<{ port: number; end(): Promise<void> }> {
  const link = new Process("bench/link-process.ts");
  const { port } = await link.ask<{ port: number }>({ target, profile, seed });
  return { port, end: () => link.end() };
}
