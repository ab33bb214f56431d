import { type Database, openDatabase } from "../../platform/sqlite.ts";
import type { OpHandler } from "../../platform/writer.ts";
import { HubError } from "../../protocol/index.ts";

export type NoteOp =
  | { readonly op: "add"; readonly text: string }
  | { readonly op: "sum" | "break" | "refuse" | "transactions" | "die" };

/** The smallest database behind a writer. */
export class NoteTables implements OpHandler<NoteOp> {
  readonly database: Database;
  readonly file: string;
  #transactions = 0;
  #seen = false;

  constructor(file: string) {
    this.file = file;
    this.database = openDatabase({
      file,
      migrations: ["CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL)"],
      applicationId: 7,
      synchronous: "full",
      maxBytes: 0,
      cacheBytes: 1 << 20,
      checkpointPages: 1_000,
      create: true,
    });
  }

  rolledBack(): void {}

  tidy(): boolean {
    this.#seen = false;
    return false;
  }

  apply(op: NoteOp, blob: Uint8Array | undefined): unknown {
    if (op.op === "transactions") return this.#transactions;
    if (!this.#seen) this.#transactions++;
    this.#seen = true;
    switch (op.op) {
      case "add":
        this.database.prepare("INSERT INTO note (text) VALUES (?)").run(op.text);
        return this.database.prepare("SELECT count(*) FROM note").pluck().get();
      case "sum":
        return blob === undefined ? -1 : blob.reduce((sum, byte) => sum + byte, 0);
      case "break":
        return this.database.prepare("INSERT INTO note (text) VALUES (NULL)").run();
      case "refuse":
        throw new HubError("E_BACKLOG_FULL", "no room");
      case "die":
        process.exit(3);
    }
  }
}
