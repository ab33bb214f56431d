import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/**
 * Makes sure that a program of Debian is there: installs its package if it is missing, which needs root.
 *
 * @returns Why it is not there; `undefined`: it is.
 */
export function missingProgram(program: string, packageName: string): string | undefined {
  if (existsSync(program)) return undefined;
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0)
    return `${program} is missing, and only root on Debian can install ${packageName}`;
  const install = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", packageName];
  // A runlevel in which packages start no services.
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  for (const step of [["update"], install]) {
    const { status, stderr } = spawnSync("apt-get", ["-q", ...step], { env, encoding: "utf8" });
    if (status !== 0) return `apt-get ${step.join(" ")}: ${stderr}`;
  }
  return existsSync(program) ? undefined : `${packageName} does not contain ${program}`;
}
