import { spawnSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * Compiles into an empty folder and puts it in the place of dist/: nothing old stays behind, a failed build changes
 * nothing, and a program that starts meanwhile finds the last build or this one.
 */
const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");
const next = `${dist}.next-${process.pid}`;
const last = `${dist}.last-${process.pid}`;

/**
 * Programs go without comments: Node.js keeps their whole text in memory, as UTF-16 if a single character is not Latin.
 * The types keep them: editors show them.
 */
const passes = [
  ["--declaration", "false", "--removeComments"],
  ["--emitDeclarationOnly", "--sourceMap", "false", "--inlineSources", "false"],
];

/** @returns The compiler's exit code. */
function compile(pass: readonly string[]): number | null {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const args = [compiler, "-p", "tsconfig.build.json", "--outDir", next, ...pass];
  return spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" }).status;
}

/** @returns Whether it was done: not if it fails with one of `excused`. */
function renamed(from: string, to: string, excused: readonly string[]): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (excused.includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

try {
  process.exitCode = passes.some((pass) => compile(pass) !== 0) ? 1 : 0;
  // Again if another build put its own there between the two steps.
  for (let done = process.exitCode !== 0; !done; ) {
    renamed(dist, last, ["ENOENT"]);
    done = renamed(next, dist, ["ENOTEMPTY", "EEXIST"]);
    rmSync(last, { recursive: true, force: true });
  }
} finally {
  rmSync(next, { recursive: true, force: true });
}
