import { existsSync } from "node:fs";
import { join } from "node:path";
import { HubError } from "../protocol/index.ts";
import { openSqlite } from "./native-sqlite.ts";
import { storageError } from "./sqlite.ts";

/**
 * Claims a data directory for this process; the operating system gives it back when the process ends,
 * however it ends.
 *
 * @returns Releases it. Throws `E_STORE_IN_USE` if another process holds it, `E_STORAGE_FULL` or `E_STORAGE`.
 */
export function lockDirectory(directory: string): () => void {
  const file = join(directory, "lock");
  const database = openSqlite(file, { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
    const isBusy = (cause as { code?: unknown }).code === "SQLITE_BUSY";
    if (!isBusy) throw storageError(cause, file);
    throw new HubError(
      "E_STORE_IN_USE",
      `another process uses ${directory} (its lock is ${file}); stop that one, or name another directory`,
      {
        cause,
      },
    );
  }
  return () => database.close();
}

/** Does a process hold the directory at the moment? It is only looked at. Throws `E_FORBIDDEN`. */
export function isDirectoryLocked(directory: string): boolean {
  const file = join(directory, "lock");
  if (!existsSync(file)) return false;
  let database: ReturnType<typeof openSqlite> | undefined;
  try {
    database = openSqlite(file, { readonly: true, timeout: 0 });
    database.prepare("SELECT count(*) FROM sqlite_master").get();
    return false;
  } catch (cause) {
    if ((cause as { code?: unknown }).code === "SQLITE_BUSY") return true;
    const text = `${file} cannot be read: run this as the user that owns it, or as root`;
    throw new HubError("E_FORBIDDEN", text, { cause });
  } finally {
    database?.close();
  }
}
