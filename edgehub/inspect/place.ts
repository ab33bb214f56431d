import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";
import { readDatabase } from "../../platform/read-only-sqlite.ts";
import type { Database } from "../../platform/sqlite.ts";
import { HubError } from "../../protocol/index.ts";
import { loadIdentity } from "../identity.ts";
import type { EdgeOptions } from "../options.ts";
import { edgeApplicationId, edgeMigrations } from "../store/schema.ts";

/** Where an agent keeps its things, as its modules name them. */
export interface Place {
  readonly directory: string;
  readonly database: string;
  /** Of Edged: volumes, logs, and the processes of the process runtime. */
  readonly edged: string;
  readonly logs: string;
}

export function placeOf({ dataDir, edged }: EdgeOptions): Place {
  const root = resolve(edged.rootDirectory || join(dataDir, "edged"));
  return { directory: dataDir, database: join(dataDir, "edge.db"), edged: root, logs: join(root, "logs") };
}

/** @returns The place, if there is an agent's directory. Throws `E_NOT_FOUND` or `E_FORBIDDEN`, each with what to do. */
export function requireDirectory(options: EdgeOptions): Place {
  const place = placeOf(options);
  requireReadable(place.directory, () => nothingAt("directory", place.directory));
  return place;
}

/** @returns The place, if there is an agent's database too. Throws as {@link requireDirectory}. */
export function requirePlace(options: EdgeOptions): Place {
  const place = requireDirectory(options);
  requireReadable(place.database, () => nothingAt("database", place.database));
  return place;
}

/** Reads the agent's database as it is at one moment. Throws as `readDatabase`. */
export function readEdge<T>(file: string, work: (database: Database) => T): T {
  const kind = { applicationId: edgeApplicationId, schema: edgeMigrations.length, program: "edgehub" };
  return readDatabase(file, kind, work);
}

function nothingAt(what: string, path: string): HubError {
  const text = `there is no ${what} ${path}; name the agent's directory with --data-dir`;
  return new HubError("E_NOT_FOUND", text);
}

/** Throws `E_FORBIDDEN`, or what `missing` makes. */
export function requireReadable(path: string, missing: () => HubError): void {
  if (!isReadable(path)) throw missing();
}

/** @returns False: it is not there. Throws `E_FORBIDDEN` if it may not be read. */
export function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    const text = `${path} cannot be read: run this as the user that owns it, or as root`;
    throw new HubError("E_FORBIDDEN", text, { cause });
  }
}

/** The name under which the agent joined; `undefined`: it has not, or its files are damaged. */
export function nodeOf(directory: string): string | undefined {
  try {
    return loadIdentity(directory)?.node;
  } catch {
    return undefined;
  }
}
