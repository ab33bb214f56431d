import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * Puts this repository's Node.js where npm scripts look first. npm 11 does that by itself; npm 10 takes the link away
 * again when it skips the packages of the other platforms, which have a program of the same name. Runs on any Node.js,
 * after each install in this repository; as `postprepare`, because a `prepare` counts as an install script for users.
 */
const modules = resolve(import.meta.dirname, "../../node_modules");
const platform = `${process.platform}-${process.arch}`;
const runtime = [`node-${platform}`, `node-bin-${platform}`].find((name) => existsSync(join(modules, name)));
const link = join(modules, ".bin/node");

if (runtime !== undefined && !existsSync(link)) {
  mkdirSync(join(modules, ".bin"), { recursive: true });
  rmSync(link, { force: true });
  symlinkSync(join("..", runtime, "bin/node"), link);
}
