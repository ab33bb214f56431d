import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "./free-port.ts";

const root = resolve(import.meta.dirname, "../..");

/** All that were started, for their logs. */
const programs: Program[] = [];

/** Waits until a condition holds; says what the programs logged if it never does. */
export async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  for (let tries = 0; tries < timeoutMs / 50; tries++) {
    if (await check()) return;
    await pause(50);
  }
  const logs = programs.map((program) => program.stderr.slice(-15).join("\n"));
  throw new Error(`timed out: ${what}\n${logs.join("\n\n")}`);
}

/** A line of a program's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string };

/** A program of ours as a process of its own. Only what was started here is ever ended. */
export class Program {
  readonly lines: LogLine[] = [];
  readonly stderr: string[] = [];
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | string>;
  readonly #listeners = new Set<(line: LogLine) => void>();

  /** @param script Relative to the repository. */
  constructor(script: string, args: readonly string[]) {
    this.#child = fork(join(root, script), [...args], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      execArgv: [],
    });
    programs.push(this);
    this.#ended = once(this.#child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
    const errors = createInterface({ input: this.#child.stderr as NodeJS.ReadableStream });
    errors.on("line", (text) => {
      this.stderr.push(text);
      const line = parsed(text);
      if (line === undefined) return;
      this.lines.push(line);
      for (const listener of this.#listeners) listener(line);
    });
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** The first log line with this event, past or to come. Rejects if the program ends before. */
  async logged(event: string): Promise<LogLine> {
    const past = this.lines.find((line) => line.event === event);
    if (past) return past;
    return await new Promise((done, fail) => {
      const listener = (line: LogLine): void => {
        if (line.event !== event) return;
        this.#listeners.delete(listener);
        done(line);
      };
      this.#listeners.add(listener);
      void this.#ended.then((code) =>
        fail(new Error(`ended with ${code} before "${event}":\n${this.stderr.slice(-20).join("\n")}`)),
      );
    });
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#child.on("message", listener);
  }

  send(message: unknown): void {
    if (this.#child.connected) this.#child.send(message as object, () => undefined);
  }

  /** Exit code, or the signal that ended it. */
  get ended(): Promise<number | string> {
    return this.#ended;
  }

  /** @returns Exit code or signal. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<number | string> {
    this.#child.kill(signal);
    return await this.#ended;
  }
}

function parsed(text: string): LogLine | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return undefined;
  }
}

/** A directory of one's own; `remove` when done. */
export function temporaryDirectory(): { path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "cloud-edge-hub-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A hub as a process that is killed and started again on the same ports and data. */
export class HubProcess {
  readonly dataDir: string;
  ports: { nodes: number; join: number; api: number } = { nodes: 0, join: 0, api: 0 };
  readonly #flags: Readonly<Record<string, string | number>>;
  #program: Program | undefined;
  kills = 0;

  /** @param flags Options beside directory and ports, as on the command line. */
  constructor(dataDir: string, flags: Readonly<Record<string, string | number>> = {}) {
    this.dataDir = dataDir;
    this.#flags = flags;
  }

  async start(): Promise<void> {
    // Of the ports that a system gives out, somebody else may have one while the hub is down.
    if (this.ports.nodes === 0)
      this.ports = { nodes: await freePort(), join: await freePort(), api: await freePort() };
    const { nodes, join: joinPort, api } = this.ports;
    const flags = {
      dataDir: this.dataDir,
      "nodes.host": "127.0.0.1",
      "nodes.port": nodes,
      "join.host": "127.0.0.1",
      "join.port": joinPort,
      "api.port": api,
      ...this.#flags,
    };
    this.#program = new Program(
      "cloudhub/main.ts",
      Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    );
    const started = await this.#program.logged("hub started");
    this.ports = { nodes: Number(started.nodes), join: Number(started.join), api: Number(started.api) };
  }

  async killAndRestart(): Promise<void> {
    this.kills++;
    await this.#program?.kill();
    await this.start();
  }

  /** How `connectHub` reaches it. */
  get admin(): { url: string; token: string; ca: string } {
    return JSON.parse(readFileSync(join(this.dataDir, "admin.json"), "utf8"));
  }

  stop(): Promise<unknown> {
    return this.#program?.kill() ?? Promise.resolve();
  }
}
