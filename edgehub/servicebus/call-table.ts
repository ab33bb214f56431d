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
  | {
      readonly unfinished: Message;
      /** When it came, wall clock ms. */
      readonly begunAt: number;
      /** The service may know of it. */
      readonly started: boolean;
    };

interface Row {
  readonly begun_at: number;
  readonly started: number;
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

/** The calls that came, and their answers. Writing calls run inside the caller's transaction. */
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

  /** Calls that have no answer, in the order in which they came. */
  unfinished(): MessageId[] {
    return (this.#sql.unfinished.all() as { request: MessageId }[]).map(({ request }) => request);
  }

  /** @param started It is executed next; false: it has to wait for its turn. */
  add(call: Message, wallTime: number, started: boolean): void {
    this.#sql.add.run(call.id, wallTime, started ? 1 : 0, packMessage(call));
  }

  /** Its turn has come. */
  start(request: MessageId): void {
    this.#sql.start.run(request);
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
    const unfinished = unpackMessage(row.call as Uint8Array, this.#node);
    return { unfinished, begunAt: row.begun_at, started: row.started === 1 };
  }
}

const sqlTexts = {
  find: "SELECT begun_at, started, call, answer FROM service_answer WHERE request = ?",
  unfinished: "SELECT request FROM service_answer WHERE answer IS NULL ORDER BY begun_at, rowid",
  add: "INSERT INTO service_answer (request, begun_at, started, call) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
  start: "UPDATE service_answer SET started = 1 WHERE request = ?",
  finish: "UPDATE service_answer SET answer = ?, call = NULL WHERE request = ?",
  prune: `DELETE FROM service_answer WHERE answer IS NOT NULL AND (begun_at < $before OR request IN (
      SELECT request FROM (
        SELECT request, sum(length(answer) + $rowBytes) OVER (ORDER BY begun_at DESC, request) AS total
        FROM service_answer WHERE answer IS NOT NULL
      ) WHERE total > $bytes
    ))`,
};
