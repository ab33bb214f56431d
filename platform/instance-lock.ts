import { join } from "node:path";
import { HubError } from "../protocol/index.ts";
import { openSqlite } from "./native-sqlite.ts";

/**
 * Claims a data directory for this process; the operating system gives it back when the process ends,
 * however it ends.
 *
 * @returns Releases it. Throws `E_STORE_IN_USE` if another process holds it.
 */
export function lockDirectory(directory: string): () => void {
  const file = join(directory, "lock");
  const database = openSqlite(file, { timeout: 0 });
  try {
    database.pragma("locking_mode = EXCLUSIVE");
    database.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    database.close();
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
