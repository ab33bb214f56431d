import { existsSync } from "node:fs";
import type Database from "better-sqlite3";
import { HubError } from "../protocol/index.ts";
import { openSqlite } from "./native-sqlite.ts";
import { storageError } from "./sqlite.ts";

/** What a database must be, to be read by this version of a program. */
export interface DatabaseKind {
  readonly applicationId: number;
  /** How many migrations made it what it is. */
  readonly schema: number;
  /** The program that writes it, for what is said to people. */
  readonly program: string;
}

/**
 * Reads a database that another process may be writing: one consistent state of it, nothing is changed, nobody is
 * held up.
 *
 * @param work Gets the open database; it is closed when the work returns.
 * Throws `E_NOT_FOUND` if there is no such file or nothing in it, `E_STORE_CORRUPT` if it is damaged, another program's
 * or a newer version's, `E_STORE_IN_USE` if it stays locked, `E_FORBIDDEN` if it cannot be read by this user, `E_STORAGE`.
 */
export function readDatabase<T>(
  file: string,
  kind: DatabaseKind,
  work: (database: Database.Database) => T,
): T {
  if (!existsSync(file)) throw new HubError("E_NOT_FOUND", `there is no database ${file}`);
  let database: Database.Database | undefined;
  try {
    database = openSqlite(file, { readonly: true, fileMustExist: true, timeout: 1_000 });
    requireKind(database, file, kind);
    return database.transaction(work)(database);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "SQLITE_CANTOPEN" || String(code).startsWith("SQLITE_READONLY")) {
      const text = `${file} cannot be opened: run this as the user that owns it, or as root`;
      throw new HubError("E_FORBIDDEN", text, { cause: error });
    }
    throw storageError(error, file);
  } finally {
    database?.close();
  }
}

function requireKind(
  database: Database.Database,
  file: string,
  { applicationId, schema, program }: DatabaseKind,
): void {
  const id = Number(database.pragma("application_id", { simple: true }));
  const found = Number(database.pragma("user_version", { simple: true }));
  if (id === 0 && found === 0 && database.prepare("SELECT count(*) FROM sqlite_master").pluck().get() === 0)
    throw new HubError("E_NOT_FOUND", `${file} is empty: ${program} has not set it up yet`);
  if (id !== applicationId)
    throw new HubError("E_STORE_CORRUPT", `${file} is the database of another program`);
  if (found === schema) return;
  const versions = `schema ${found}, this one knows ${schema}`;
  if (found > schema)
    throw new HubError(
      "E_STORE_CORRUPT",
      `${file} was written by a newer version of ${program} (${versions}): read it with that version`,
    );
  throw new HubError(
    "E_STORAGE",
    `${file} was written by an older version of ${program} (${versions}): start this version of it once, which brings it up to date`,
  );
}
