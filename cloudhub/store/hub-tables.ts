import { randomUUID } from "node:crypto";
import {
  type Database,
  openDatabase,
  prepareAll,
  runTransaction,
  type Statements,
} from "../../platform/sqlite.ts";
import type { OpHandler } from "../../platform/writer.ts";
import { MessageTable } from "./message-table.ts";
import { hubApplicationId, hubMigrations } from "./schema.ts";
import type { StoreOp, TableLimits } from "./sqlite-ops.ts";

export interface HubTablesOptions {
  readonly file: string;
  readonly create: boolean;
  readonly synchronous: "full" | "normal";
  readonly maxBytes: number;
  readonly limits: TableLimits;
}

export interface HubTablesParts {
  /** Wall clock of this thread, ms since 1970: when checkpoints are written. */
  readonly wallTime: () => number;
}

/** The hub's database behind {@link StoreOp}; runs in the writer's thread. */
export class HubTables implements OpHandler<StoreOp> {
  readonly database: Database;
  readonly file: string;
  readonly #messages: MessageTable;
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(options: HubTablesOptions, parts: HubTablesParts) {
    this.file = options.file;
    this.database = openDatabase({
      ...options,
      migrations: hubMigrations,
      applicationId: hubApplicationId,
      cacheBytes: 64 << 20,
      checkpointPages: 10_000,
    });
    this.#messages = new MessageTable(this.database, options.limits, parts.wallTime);
    this.#sql = prepareAll(this.database, sqlTexts);
    this.#sql.addMeta.run("store_id", randomUUID());
  }

  rolledBack(): void {
    this.#messages.rolledBack();
  }

  /** A few nodes' ledgers at a time, in one short transaction; what fails is tidied another time. */
  tidy(): boolean {
    let more = true;
    const few = (): void => {
      for (let looked = 0, cut = 0; looked < 16 && cut < 256 && more; looked++) {
        const rows = this.#messages.tidy();
        cut += rows ?? 0;
        more = rows !== undefined;
      }
    };
    const [outcome] = runTransaction(this.database, [few], () => this.rolledBack());
    return more && outcome?.ok === true;
  }

  apply(op: StoreOp, blob: Uint8Array | undefined): unknown {
    switch (op.op) {
      case "put":
        return this.#messages.put(op, blob as Uint8Array);
      case "settle":
        return this.#messages.settle(op);
      case "unacked":
        return this.#messages.unacked(op);
      case "refuse":
        return this.#messages.refuse(op);
      case "expire":
        return this.#messages.expire(op);
      case "search":
        return this.#messages.search(op);
      case "page":
        return this.#messages.page(op);
      case "backlog":
        return this.#messages.backlog(op.node);
      case "backlogs":
        return this.#messages.backlogs(op.nodes);
      case "digest":
        return this.#messages.held.digest(op);
      case "held":
        return this.#messages.held.held(op);
      case "correct":
        return this.#messages.held.correct(op);
      case "checkpoint":
        return this.#messages.checkpoint(op);
      case "resources":
        return this.#messages.resources(op);
      case "holdings":
        return this.#messages.holdings(op);
      case "ledger":
        return this.#messages.ledger(op);
      case "requeue":
        return this.#messages.requeue(op);
      case "message":
        return this.#messages.message(op);
      case "sweep":
        return this.#messages.sweep(
          op,
          this.#nodes().map((node) => node.id),
        );
      case "nodes":
        return this.#nodes();
      case "save-node":
        return this.#sql.saveNode.get(op.name, op.value);
      case "remove-node":
        this.#messages.removeNode(op.node);
        return this.#sql.removeNode.run(op.node).changes > 0;
      case "store-id":
        return (this.#sql.meta.get("store_id") as { value: string }).value;
      case "record-get":
        return this.#sql.getRecord.get(op.kind, op.name);
      case "record-list":
        return this.#sql.listRecords.all(op.kind);
      case "record-put":
        return this.#putRecord(op);
      case "record-delete":
        return this.#sql.deleteRecord.run(op.kind, op.name).changes > 0;
      default:
        return op satisfies never;
    }
  }

  #nodes(): { id: number; name: string; value: string }[] {
    return this.#sql.nodes.all() as { id: number; name: string; value: string }[];
  }

  #putRecord(op: Extract<StoreOp, { op: "record-put" }>): boolean {
    const found = this.#sql.getRecord.get(op.kind, op.name) as { revision: number } | undefined;
    if (op.revision !== null && (found?.revision ?? 0) !== op.revision) return false;
    this.#sql.putRecord.run(op.kind, op.name, (found?.revision ?? 0) + 1, op.value);
    return true;
  }
}

const sqlTexts = {
  meta: "SELECT value FROM meta WHERE name = ?",
  addMeta: "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING",
  nodes: "SELECT id, name, value FROM node ORDER BY name",
  saveNode:
    "INSERT INTO node (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value RETURNING id",
  removeNode: "DELETE FROM node WHERE id = ?",
  getRecord: "SELECT name, revision, value FROM record WHERE kind = ? AND name = ?",
  listRecords: "SELECT name, revision, value FROM record WHERE kind = ? ORDER BY name",
  putRecord: `INSERT INTO record (kind, name, revision, value) VALUES (?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET revision = excluded.revision, value = excluded.value`,
  deleteRecord: "DELETE FROM record WHERE kind = ? AND name = ?",
};
