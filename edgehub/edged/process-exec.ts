import { spawn } from "node:child_process";
import type { Clock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import type { ExecResult } from "./runtime.ts";

/** So much is kept of each output. */
const maxOutputBytes = 1 << 20;

/**
 * Runs a command to its end, and keeps the beginning of its output.
 *
 * Rejects with `E_REFUSED` if it cannot be run, `E_TIMEOUT` if it takes too long; it is killed then, with all it has
 * started.
 */
export function runToEnd(
  clock: Clock,
  [program, ...args]: readonly [string, ...string[]],
  options: { cwd: string; env: Readonly<Record<string, string>>; timeoutMs: number },
): Promise<ExecResult> {
  const { cwd, env, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    const stdout = new Beginning();
    const stderr = new Beginning();
    child.stdout.on("data", (chunk: Buffer) => stdout.add(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.add(chunk));
    const cancel = clock.after(timeoutMs, () => {
      killGroup(child.pid);
      reject(new HubError("E_TIMEOUT", `${program} did not end within ${timeoutMs} ms`));
    });
    child.once("error", (cause) => {
      cancel();
      reject(new HubError("E_REFUSED", `${program} cannot be run: ${cause.message}`, { cause }));
    });
    child.once("close", (code) => {
      cancel();
      resolve({ exitCode: code ?? 137, stdout: stdout.bytes, stderr: stderr.bytes });
    });
  });
}

class Beginning {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  add(chunk: Uint8Array): void {
    const room = maxOutputBytes - this.#length;
    if (room <= 0) return;
    this.#chunks.push(chunk.subarray(0, room));
    this.#length += Math.min(chunk.length, room);
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
