import { spawnSync } from "node:child_process";
import { existsSync, lstatSync, realpathSync } from "node:fs";
import { dirname } from "node:path";
import { HubError } from "../../protocol/index.ts";
import { textIn } from "./disk.ts";

/** Mounts below volumes: those in memory, `tmpfs`, which only root may mount, and what containers have mounted. */

/** True for a directory on which another file system than its parent's lies. */
export function isMounted(path: string): boolean {
  return lstatSync(path).dev !== lstatSync(dirname(path)).dev;
}

/** @param bytes Most that it may hold. @returns What is wrong; `undefined`: it is there. */
export function mountMemory(path: string, bytes: number): string | undefined {
  if (process.getuid?.() !== 0) return "emptyDir.medium Memory needs an agent that runs as root";
  return run("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0777`, "tmpfs", path]);
}

/**
 * Ends all mounts below a directory, so that what is removed there is the pod's alone: a container may have mounted a
 * folder of the node in its volume. Throws `E_STORAGE` if one is still in use.
 */
export function unmountBelow(directory: string): void {
  if (!existsSync(directory)) return;
  for (const path of mountsBelow(realpathSync(directory))) {
    const problem = run("umount", [path]);
    if (problem !== undefined) throw new HubError("E_STORAGE", problem);
  }
}

/** The newest first. Source: proc(5), mountinfo; some characters are written in octal. */
function mountsBelow(directory: string): string[] {
  const unescaped = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
  const lines = textIn("/proc/self/mountinfo").split("\n");
  const places = lines.map((line) => unescaped(line.split(" ")[4] ?? ""));
  return places.filter((place) => place.startsWith(`${directory}/`)).reverse();
}

function run(command: string, args: readonly string[]): string | undefined {
  const { status, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 10_000 });
  if (status === 0) return undefined;
  return `${command} failed: ${(error?.message ?? stderr).trim().slice(0, 300)}`;
}
