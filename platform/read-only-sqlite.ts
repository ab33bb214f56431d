import { existsSync } from "node:fs";
import type Database from "better-sqlite3";
import { HubError } from "../protocol/index.ts";
import { openSqlite } from "./native-sqlite.ts";
import { storageError } from "./sqlite.ts";

/**
 * Reads a database that another process may be writing: one consistent state of it, nothing is changed, nobody is
 * held up.
 *
 * @param work Gets the open database; it is closed when the work returns.
 * Throws `E_NOT_FOUND` if there is no such file, `E_STORE_CORRUPT` if it is damaged or another program's, `E_FORBIDDEN`
 * if it cannot be read by this user, `E_STORAGE`.
 */
export function readDatabase<T>(
  file: string,
  applicationId: number,
  work: (database: Database.Database) => T,
): T {
  if (!existsSync(file)) throw new HubError("E_NOT_FOUND", `there is no database ${file}`);
  let database: Database.Database | undefined;
  try {
    database = openSqlite(file, { readonly: true, fileMustExist: true, timeout: 2_000 });
    if (database.pragma("application_id", { simple: true }) !== applicationId)
      throw new HubError("E_STORE_CORRUPT", `${file} is the database of another program`);
    return database.transaction(work)(database);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === "SQLITE_CANTOPEN" || code === "SQLITE_READONLY") {
      const text = `${file} cannot be opened: run this as the user that owns it, or as root`;
      throw new HubError("E_FORBIDDEN", text, { cause: error });
    }
    throw storageError(error, file);
  } finally {
    database?.close();
  }
}
