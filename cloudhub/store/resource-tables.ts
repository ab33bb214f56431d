import { randomUUID } from "node:crypto";
import { type Database, openDatabase, prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { OpHandler } from "../../platform/writer.ts";
import { HubError } from "../../protocol/index.ts";
import {
  type OpenedRow,
  type ResourceOp,
  resourceApplicationId,
  resourceMigrations,
  type VersionRow,
  type WriteOp,
} from "./resource-ops.ts";

export interface ResourceTablesOptions {
  readonly file: string;
  readonly create: boolean;
  readonly synchronous: "full" | "normal";
  /** Largest size of the file, bytes; 0: what the disk holds. */
  readonly maxBytes: number;
}

/** So many characters of JSON are loaded at a time. */
const pageCharacters = 8 << 20;

/** The database of objects behind {@link ResourceOp}; runs in the writer's thread. */
export class ResourceTables implements OpHandler<ResourceOp> {
  readonly database: Database;
  readonly file: string;
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(options: ResourceTablesOptions) {
    this.file = options.file;
    this.database = openDatabase({
      ...options,
      migrations: resourceMigrations,
      applicationId: resourceApplicationId,
      cacheBytes: 16 << 20,
      checkpointPages: 4_000,
    });
    this.#sql = prepareAll(this.database, sqlTexts);
    this.#sql.addMeta.run("store_id", randomUUID());
  }

  rolledBack(): void {
    // Nothing is derived from rows.
  }

  apply(op: ResourceOp): unknown {
    switch (op.op) {
      case "open":
        return this.#opened();
      case "load":
        return this.#page(op.after);
      case "write":
        return this.#write(op);
      case "forget":
        for (const revision of op.rows) this.#sql.forget.run(revision);
        this.#sql.setHorizon.run(op.type, op.horizon);
        return undefined;
      default:
        return op satisfies never;
    }
  }

  #opened(): OpenedRow {
    const { value } = this.#sql.meta.get("store_id") as { value: string };
    return { storeId: value, horizons: this.#sql.horizons.all() as OpenedRow["horizons"] };
  }

  #page(after: number): VersionRow[] {
    const rows: VersionRow[] = [];
    let size = 0;
    for (const row of this.#sql.load.iterate(after) as IterableIterator<VersionRow>) {
      rows.push(row);
      size += row.value?.length ?? 0;
      if (size > pageCharacters) break;
    }
    return rows;
  }

  #write({ revision, type, namespace, name, previous, value }: WriteOp): void {
    const found = this.#sql.current.get(type, namespace, name) as { revision: number } | undefined;
    if ((found?.revision ?? 0) !== previous) {
      // It was decided on a write that could not be stored, and cannot be either.
      throw new HubError("E_STORAGE", `an earlier write of ${type} ${name} failed`, { retryable: true });
    }
    this.#sql.insert.run(revision, type, namespace, name, previous, value);
    if (value === null) this.#sql.remove.run(type, namespace, name);
    else this.#sql.setCurrent.run(type, namespace, name, revision);
  }
}

const sqlTexts = {
  meta: "SELECT value FROM meta WHERE name = ?",
  addMeta: "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
  horizons: "SELECT type, revision FROM horizon",
  load: "SELECT revision, type, namespace, name, previous, value FROM version WHERE revision > ? ORDER BY revision",
  current: "SELECT revision FROM object WHERE type = ? AND namespace = ? AND name = ?",
  insert: "INSERT INTO version (revision, type, namespace, name, previous, value) VALUES (?, ?, ?, ?, ?, ?)",
  setCurrent: `INSERT INTO object (type, namespace, name, revision) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET revision = excluded.revision`,
  remove: "DELETE FROM object WHERE type = ? AND namespace = ? AND name = ?",
  forget: "DELETE FROM version WHERE revision = ?",
  setHorizon:
    "INSERT INTO horizon (type, revision) VALUES (?, ?) ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision)",
};
