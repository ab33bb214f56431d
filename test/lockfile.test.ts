import { readFileSync } from "node:fs";
import { join, posix, resolve } from "node:path";
import { expect, it } from "vitest";

/** What a clean install does on a machine with nothing but Node.js and npm stands in package-lock.json. */
interface Entry {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly gypfile?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = resolve(import.meta.dirname, "..");
const lock: { packages: Readonly<Record<string, Entry>> } = JSON.parse(
  readFileSync(join(root, "package-lock.json"), "utf8"),
);
const entries = Object.entries(lock.packages);

/** As Node.js looks for a package: beside the one that wants it, then further and further up. */
function isLocked(name: string, from: string): boolean {
  const folders = from.split("/");
  return [...folders, ""].some(
    (_, up) => posix.join(...folders.slice(0, folders.length - up), "node_modules", name) in lock.packages,
  );
}

it("has an entry for every package of every platform, without which a clean install refuses", () => {
  const missing = entries.flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !isLocked(name, path))
      .map((name) => `${path} wants ${name}`),
  );
  expect(missing).toEqual([]);
});

it("names no address of a registry", () => {
  const addresses = entries.filter(([, { resolved, link }]) => resolved !== undefined && link !== true);
  expect(addresses).toEqual([]);
});

it("lets no package run an install script", () => {
  expect(entries.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([]);
});

// npm forgets this line when it writes the file; without it, it wants Python and make for a package that brings its
// binaries. Put `"gypfile": false` back into the entry.
it("keeps npm from compiling the database that comes compiled", () => {
  expect(lock.packages["node_modules/better-sqlite3"]?.gypfile).toBe(false);
});
