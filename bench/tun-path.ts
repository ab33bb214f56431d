import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A path of real packets, see tun-path.py. */
export interface TunPath {
  /** Address of this end. */
  readonly here: string;
  /** What to put before a command that is to run at the other end. */
  readonly there: readonly string[];
  close(): Promise<void>;
}

/** Of the block for benchmarks of networks, RFC 2544. */
const addresses = ["198.18.0.1", "198.18.0.2"] as const;

/** What is missing for a path of real packets; `undefined`: nothing. */
export function missingForTun(): string | undefined {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return "root on Linux";
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "/dev/net/tun";
  }
  const needed: readonly (readonly [string, string])[] = [
    ["ip", "-V"],
    ["python3", "-V"],
  ];
  return needed.find(([program, version]) => spawnSync(program, [version]).status !== 0)?.[0];
}

/** @param delayMs One way. @param lossPercent Of packets, in each direction. */
export async function startTunPath(path: {
  delayMs: number;
  lossPercent: number;
  seed: number;
}): Promise<TunPath> {
  const namespace = `hub${process.pid}`;
  const script = join(import.meta.dirname, "tun-path.py");
  const { delayMs, lossPercent, seed } = path;
  const args = [script, namespace, ...addresses, ...[delayMs, lossPercent, seed].map(String)];
  const program = spawn("python3", args, { stdio: ["pipe", "pipe", "inherit"] });
  await ready(program);
  return {
    here: addresses[0],
    there: ["ip", "netns", "exec", namespace],
    async close() {
      const ended = once(program, "exit");
      program.stdin?.end();
      await ended;
    },
  };
}

async function ready(program: ChildProcess): Promise<void> {
  const lines = createInterface({ input: program.stdout as NodeJS.ReadableStream });
  const [line] = await Promise.race([once(lines, "line"), once(program, "exit")]);
  if (typeof line !== "string") throw new Error("the path of real packets could not be made");
}
