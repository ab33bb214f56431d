import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { HubError } from "../../protocol/index.ts";

/** Volumes in memory: `tmpfs`, which only root may mount. */

/** True for a directory on which another file system than its parent's lies. */
export function isMounted(path: string): boolean {
  return lstatSync(path).dev !== lstatSync(dirname(path)).dev;
}

/** @param bytes Most that it may hold. @returns What is wrong; `undefined`: it is there. */
export function mountMemory(path: string, bytes: number): string | undefined {
  if (process.getuid?.() !== 0) return "emptyDir.medium Memory needs an agent that runs as root";
  return run("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0777`, "tmpfs", path]);
}

/** Throws `E_STORAGE` if one is still in use. */
export function unmountBelow(directory: string): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!lstatSync(path).isDirectory() || !isMounted(path)) continue;
    const problem = run("umount", [path]);
    if (problem !== undefined) throw new HubError("E_STORAGE", problem);
  }
}

function run(command: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 10_000 });
  if (status === 0) return undefined;
  return `${command} failed: ${(error?.message ?? stderr).trim().slice(0, 300)}`;
}
