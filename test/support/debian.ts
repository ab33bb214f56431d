import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

/**
 * A program out of a package of Debian that is unpacked and not installed, for machines that have another version of it.
 *
 * @returns Its path; or why it is not there.
 */
export function unpackedProgram(
  program: string,
  packageName: string,
): { readonly path: string } | { readonly missing: string } {
  const directory = join(tmpdir(), `cloud-edge-hub-${packageName}`);
  const path = join(directory, program);
  if (existsSync(path)) return { path };
  if (!existsSync("/usr/bin/apt-get")) return { missing: `${packageName} needs Debian's apt-get` };
  const work = mkdtempSync(join(tmpdir(), "cloud-edge-hub-unpack-"));
  const download = spawnSync("apt-get", ["-q", "download", packageName], { cwd: work, encoding: "utf8" });
  const [archive] = readdirSync(work);
  if (download.status !== 0 || archive === undefined)
    return { missing: `apt-get download: ${download.stderr}` };
  mkdirSync(join(work, "root"));
  const unpack = spawnSync("dpkg-deb", ["-x", archive, "root"], { cwd: work, encoding: "utf8" });
  if (unpack.status !== 0) return { missing: `dpkg-deb: ${unpack.stderr}` };
  if (!existsSync(directory)) renameSync(join(work, "root"), directory);
  return existsSync(path) ? { path } : { missing: `${packageName} does not contain ${program}` };
}
