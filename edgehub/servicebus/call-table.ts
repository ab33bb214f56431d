import { type Database, prepareAll, type Statements } from "../../platform/sqlite.ts";
import {
  type Message,
  type MessageId,
  type NodeId,
  packMessage,
  unpackMessage,
} from "../../protocol/index.ts";

/** What is known of a call. */
export type CallRecord =
  | { readonly answer: Uint8Array }
  | { readonly unfinished: Message; readonly begunAt: number };

interface Row {
  readonly begun_at: number;
  readonly call: Uint8Array | null;
  readonly answer: Uint8Array | null;
}

export interface KeptAnswers {
  readonly keptMs: number;
  readonly keptBytes: number;
}

/** What the row costs beside its answer, about. */
const rowBytes = 500;
/** Old answers are looked for when so many bytes have been added. */
const pruneEveryBytes = 1 << 20;

/** The calls that were begun, and their answers. Writing calls run inside the caller's transaction. */
export class CallTable {
  readonly #sql: Statements<keyof typeof sqlTexts>;
  readonly #node: NodeId;
  readonly #kept: KeptAnswers;
  #addedBytes = pruneEveryBytes;

  constructor(database: Database, node: NodeId, kept: KeptAnswers) {
    this.#sql = prepareAll(database, sqlTexts);
    this.#node = node;
    this.#kept = kept;
  }

  find(request: MessageId): CallRecord | undefined {
    const row = this.#sql.find.get(request) as Row | undefined;
    return row === undefined ? undefined : this.#record(row);
  }

  /** Calls that were begun and have no answer. */
  unfinished(): { readonly call: Message; readonly begunAt: number }[] {
    return (this.#sql.unfinished.all() as Row[]).flatMap((row) => {
      const record = this.#record(row);
      return "unfinished" in record ? [{ call: record.unfinished, begunAt: record.begunAt }] : [];
    });
  }

  begin(call: Message, wallTime: number): void {
    this.#sql.begin.run(call.id, wallTime, packMessage(call));
  }

  /** @param answer Content of the answer. */
  finish(request: MessageId, answer: Uint8Array): void {
    this.#sql.finish.run(answer, request);
  }

  /** Notes that an answer is on the disk. @returns Whether it is time to {@link prune}. */
  hasGrown(answerBytes: number): boolean {
    this.#addedBytes += answerBytes + rowBytes;
    if (this.#addedBytes < pruneEveryBytes) return false;
    this.#addedBytes = 0;
    return true;
  }

  /** Forgets answers that are too old or too many. */
  prune(wallTime: number): void {
    this.#sql.prune.run({ before: wallTime - this.#kept.keptMs, bytes: this.#kept.keptBytes, rowBytes });
  }

  #record(row: Row): CallRecord {
    if (row.answer !== null) return { answer: row.answer };
    return { unfinished: unpackMessage(row.call as Uint8Array, this.#node), begunAt: row.begun_at };
  }
}

const sqlTexts = {
  find: "SELECT begun_at, call, answer FROM service_answer WHERE request = ?",
  unfinished: "SELECT begun_at, call, answer FROM service_answer WHERE answer IS NULL ORDER BY begun_at",
  begin: "INSERT INTO service_answer (request, begun_at, call) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
  finish: "UPDATE service_answer SET answer = ?, call = NULL WHERE request = ?",
  prune: `DELETE FROM service_answer WHERE answer IS NOT NULL AND (begun_at < $before OR request IN (
      SELECT request FROM (
        SELECT request, sum(length(answer) + $rowBytes) OVER (ORDER BY begun_at DESC, request) AS total
        FROM service_answer WHERE answer IS NOT NULL
      ) WHERE total > $bytes
    ))`,
};
