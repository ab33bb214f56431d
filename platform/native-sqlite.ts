import Database from "better-sqlite3";
import { HubError } from "../protocol/index.ts";

/** The version of Node's native interface for which better-sqlite3 is compiled; an older one ends the process. */
const nativeInterface = 10;

/** Opens a SQLite file. Throws `E_BAD_OPTION` on a Node.js that is too old for it, else as better-sqlite3 does. */
export function openSqlite(file: string, options: Database.Options): Database.Database {
  if (Number(process.versions.napi) < nativeInterface) {
    const text = `the database needs Node.js 22.14 or later, this is ${process.version}: install a newer one`;
    throw new HubError("E_BAD_OPTION", text);
  }
  return new Database(file, options);
}
