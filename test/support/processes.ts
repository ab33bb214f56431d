import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const root = resolve(import.meta.dirname, "../..");

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
