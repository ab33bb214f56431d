import type Database from "better-sqlite3";
import { HubError } from "../protocol/index.ts";
import { openSqlite } from "./native-sqlite.ts";

export type { Database, Statement } from "better-sqlite3";

/** Prepared statements by name. */
export type Statements<Name extends string> = Readonly<Record<Name, Database.Statement<unknown[]>>>;

/** Prepares SQL once. @param texts Name → SQL. */
export function prepareAll<Name extends string>(
  database: Database.Database,
  texts: Readonly<Record<Name, string>>,
): Statements<Name> {
  const prepared = Object.entries<string>(texts).map(([name, text]) => [name, database.prepare(text)]);
  return Object.fromEntries(prepared) as Statements<Name>;
}

export interface DatabaseOptions {
  /** Path, or `:memory:`. */
  readonly file: string;
  /** SQL scripts, in order; `user_version` counts those that have run. Never change one that was released. */
  readonly migrations: readonly string[];
  /** Marks the file as ours: a database of another program is refused. */
  readonly applicationId: number;
  /** `full`: an acknowledged commit survives a power cut. `normal`: it survives the death of the process only. */
  readonly synchronous: "full" | "normal";
  /** The file's largest size in bytes; 0: no limit but the disk. */
  readonly maxBytes: number;
  readonly cacheBytes: number;
  /** The log is copied into the file when it has so many pages of 4 KiB: more of them copy a busy page less often. */
  readonly checkpointPages: number;
  /** False: the file has been ours before, so an empty or missing one is damage, not a new store. */
  readonly create: boolean;
}

/**
 * Opens a database for one process: write-ahead log, migrations run, damage noticed.
 *
 * Throws `E_STORE_CORRUPT` for a damaged file or one that is not ours, `E_STORE_IN_USE` if another process
 * has it, `E_STORAGE_FULL`, `E_STORAGE` otherwise; each names the file and the way out. Nothing is ever
 * created in place of a file that cannot be read.
 */
export function openDatabase(options: DatabaseOptions): Database.Database {
  try {
    return open(options);
  } catch (error) {
    throw storageError(error, options.file);
  }
}

function open(options: DatabaseOptions): Database.Database {
  const database = openSqlite(options.file, { timeout: 2_000 });
  try {
    // Looking comes first: a file that is not ours, or damaged, stays as it is.
    refuseForeign(database, options);
    refuseDamaged(database, options.file);
    database.pragma("journal_mode = WAL");
    database.pragma(`synchronous = ${options.synchronous}`);
    database.pragma(`cache_size = -${Math.ceil(options.cacheBytes / 1024)}`);
    database.pragma(`wal_autocheckpoint = ${options.checkpointPages}`);
    database.pragma("temp_store = MEMORY");
    if (options.maxBytes > 0)
      database.pragma(`max_page_count = ${Math.max(Math.floor(options.maxBytes / 4096), 1)}`);
    migrate(database, options);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function refuseForeign(database: Database.Database, options: DatabaseOptions): void {
  const id = database.pragma("application_id", { simple: true });
  const tables = database.prepare("SELECT count(*) FROM sqlite_master").pluck().get();
  if (id === 0 && tables === 0 && !options.create) throw corrupt(options.file, "it is empty or missing");
  if (id === options.applicationId || (id === 0 && tables === 0)) return;
  throw new HubError(
    "E_STORE_CORRUPT",
    `${options.file} is the database of another program; name another data directory`,
  );
}

function refuseDamaged(database: Database.Database, file: string): void {
  const verdict = database.pragma("quick_check(1)", { simple: true });
  if (verdict !== "ok") throw corrupt(file, String(verdict));
}

function migrate(database: Database.Database, options: DatabaseOptions): void {
  const done = Number(database.pragma("user_version", { simple: true }));
  if (done > options.migrations.length) {
    throw new HubError(
      "E_STORE_CORRUPT",
      `${options.file} was written by a newer version of this program (schema ${done}, this one knows ${options.migrations.length}); install that version`,
    );
  }
  for (let at = done; at < options.migrations.length; at++) {
    database.transaction(() => {
      database.exec(options.migrations[at] as string);
      database.pragma(`user_version = ${at + 1}`);
      database.pragma(`application_id = ${options.applicationId}`);
    })();
  }
}

/** What a failure of SQLite means to a caller. */
export function storageError(error: unknown, file: string): HubError {
  if (error instanceof HubError) return error;
  const code = (error as { code?: unknown }).code;
  const text = error instanceof Error ? error.message : String(error);
  if (code === "SQLITE_FULL") {
    return new HubError(
      "E_STORAGE_FULL",
      `no room to write ${file}: free space on its disk or raise its size limit`,
      { cause: error },
    );
  }
  if (code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB") return corrupt(file, text);
  if (code === "SQLITE_BUSY" || code === "SQLITE_LOCKED") {
    return new HubError("E_STORE_IN_USE", `${file} is in use by another process`, { cause: error });
  }
  return new HubError("E_STORAGE", `${file}: ${text}`, { cause: error });
}

function corrupt(file: string, text: string): HubError {
  return new HubError(
    "E_STORE_CORRUPT",
    `${file} is damaged (${text.replace(/\s+/g, " ")}). Nothing has been changed. Stop, keep a copy of the file, then restore it from a backup, ` +
      `or rebuild it with: sqlite3 ${file} .recover | sqlite3 ${file}.recovered`,
  );
}

/** Of an open database: nothing was written, and once the file is restored the same work may succeed. */
function repairable(error: HubError): HubError {
  if (error.code !== "E_STORE_CORRUPT") return error;
  return new HubError(error.code, error.message, { cause: error.cause, retryable: true });
}

/** Work of one sender, which stands in an order: behind a piece that failed for now, none is done. */
export interface Sequence {
  failure?: HubError;
}

/** A piece of work that waits for its transaction. */
interface Pending {
  readonly work: () => unknown;
  readonly sequence: Sequence | undefined;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: all work of one turn of the event loop goes into one transaction, whose commit resolves it
 * all. Work that throws a HubError has written nothing; if the database itself fails, the batch is rolled
 * back and run again, piece by piece.
 */
export class GroupCommit {
  readonly #database: Database.Database;
  readonly #file: string;
  readonly #atTurnEnd: (run: () => void) => void;
  readonly #afterRollback: () => void;
  #pending: Pending[] = [];
  #closed = false;

  /** @param afterRollback Forgets what was derived from rows that are gone now. */
  constructor(
    parts: { database: Database.Database; file: string; atTurnEnd(run: () => void): void },
    afterRollback: () => void = () => {},
  ) {
    this.#database = parts.database;
    this.#file = parts.file;
    this.#atTurnEnd = parts.atTurnEnd;
    this.#afterRollback = afterRollback;
  }

  /**
   * @param sequence It fails with the sequence, and the sequence with it if it may be tried again.
   * @returns What the work returned, once that is durable. Rejects with a HubError.
   */
  run<T>(work: () => T, sequence?: Sequence): Promise<T> {
    if (this.#closed) return Promise.reject(new HubError("E_CLOSED", `${this.#file} is closed`));
    return new Promise<T>((resolve, reject) => {
      if (this.#pending.length === 0) this.#atTurnEnd(() => this.flush());
      this.#pending.push({ work, sequence, resolve: resolve as Pending["resolve"], reject });
    });
  }

  /** Commits what is pending now. */
  flush(): void {
    const batch = this.#pending;
    if (batch.length === 0) return;
    this.#pending = [];
    const results = runTransaction(
      this.#database,
      batch.map(({ work, sequence }) => (sequence === undefined ? work : () => inSequence(sequence, work))),
      this.#afterRollback,
      (index, error) => this.#failed(batch[index] as Pending, error),
    );
    batch.forEach((one, i) => {
      const result = results[i] as Outcome;
      if (result.ok) one.resolve(result.value as never);
      else one.reject(this.#failed(one, result.error));
    });
  }

  #failed({ sequence }: Pending, cause: unknown): HubError {
    const error = repairable(storageError(cause, this.#file));
    if (sequence && error.retryable) sequence.failure ??= error;
    return error;
  }

  /** Commits what is pending and closes the database. */
  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    this.#database.close();
  }
}

function inSequence(sequence: Sequence, work: () => unknown): unknown {
  if (sequence.failure) throw sequence.failure;
  return work();
}

export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

/**
 * Runs all work in one transaction; if the database fails, each piece in its own, so that only the guilty
 * ones fail. A piece that throws a HubError has decided against itself before it wrote anything: it fails
 * alone and costs the others nothing.
 *
 * @param failed Told of each piece that has failed, before the next one runs.
 */
export function runTransaction(
  database: Database.Database,
  works: readonly (() => unknown)[],
  afterRollback: () => void,
  failed: (index: number, error: unknown) => void = () => {},
): Outcome[] {
  const told = (outcome: Outcome, index: number): Outcome => {
    if (!outcome.ok) failed(index, outcome.error);
    return outcome;
  };
  const together = attempt(
    database,
    () => works.map((work, index) => told(decided(work), index)),
    afterRollback,
  );
  if (together.ok) return together.value as Outcome[];
  if (works.length === 1) return [together];
  return works.map((work, index) => {
    const alone = attempt(database, () => decided(work), afterRollback);
    return told(alone.ok ? (alone.value as Outcome) : alone, index);
  });
}

function decided(work: () => unknown): Outcome {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    if (error instanceof HubError) return { ok: false, error };
    throw error;
  }
}

function attempt(database: Database.Database, work: () => unknown, afterRollback: () => void): Outcome {
  try {
    database.exec("BEGIN IMMEDIATE");
    const value = work();
    database.exec("COMMIT");
    return { ok: true, value };
  } catch (error) {
    undo(database, afterRollback);
    return { ok: false, error };
  }
}

/** A disk that fails may fail here too: whoever waits for the work is told of the first failure all the same. */
function undo(database: Database.Database, afterRollback: () => void): void {
  try {
    if (database.inTransaction) database.exec("ROLLBACK");
    afterRollback();
  } catch {
    // The next rollback counts again.
  }
}
