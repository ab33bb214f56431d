import { randomUUID } from "node:crypto";
import type { Clock } from "../../platform/clock.ts";
import { type Database, GroupCommit, openDatabase, type Sequence } from "../../platform/sqlite.ts";
import type { Message, StoredMessage } from "../../protocol/index.ts";
import { HeldResources } from "./held-resources.ts";
import { type Applied, MetaTable } from "./meta-table.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { ReportTable } from "./report-table.ts";
import { edgeApplicationId, edgeMigrations } from "./schema.ts";

export interface EdgeStoreOptions {
  readonly file: string;
  readonly create: boolean;
  readonly synchronous: "full" | "normal";
  readonly maxBytes: number;
  /** Deletions are remembered so long, ms. */
  readonly tombstoneMs: number;
  readonly outbox: OutboxOptions;
}

/** A resource of this node has changed; read it again to know how. */
export interface MetaChange {
  readonly key: string;
  readonly type: string;
  readonly applied: Applied;
  /** The message that did it. */
  readonly message: Message;
}

const pruneEveryMs = 3_600_000;

/** Everything the agent keeps across its own death. One database, one group commit for all of it. */
export class EdgeStore {
  /** Names this store for ever. */
  readonly storeId: string;
  /** For a module's own statements; writes go through {@link write}. */
  readonly database: Database;
  readonly outbox: Outbox;
  readonly meta: MetaTable;
  readonly held: HeldResources;
  /** What this node reports of its pods and of itself. */
  readonly reports: ReportTable;
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: MetaChange) => void>();
  #cancelPrune: () => void = () => {};

  /** Throws as `openDatabase`. @param onDrop So many upstream messages were dropped to make room. */
  constructor(options: EdgeStoreOptions, parts: { clock: Clock; onDrop(count: number): void }) {
    const { file, create, synchronous, maxBytes } = options;
    const database: Database = openDatabase({
      file,
      create,
      synchronous,
      maxBytes,
      migrations: edgeMigrations,
      applicationId: edgeApplicationId,
      cacheBytes: 2 << 20,
      checkpointPages: 1_000,
    });
    const { clock } = parts;
    this.database = database;
    this.#clock = clock;
    this.#commit = new GroupCommit({ database, file, atTurnEnd: (run) => clock.atTurnEnd(run) }, () =>
      this.outbox.recount(),
    );
    this.meta = new MetaTable(database);
    this.held = new HeldResources(database);
    this.reports = new ReportTable(database);
    const outboxParts = { database, commit: this.#commit, reports: this.reports, ...parts };
    this.outbox = new Outbox(outboxParts, options.outbox);
    this.storeId = storeIdOf(database);
    this.#pruneLater(options.tombstoneMs);
  }

  /** Puts or deletes a resource. Resolves once that is on the disk; then whoever listens is told. */
  async apply(message: Message, origin: string): Promise<Applied> {
    const { path, type } = message.resource;
    const applied = await this.#commit.run(() => {
      const done = this.meta.apply(message, origin, this.#clock.wallTime());
      if (done === "deleted" && (type === "pod" || type === "node")) this.reports.forget(path);
      return done;
    });
    if (applied === "unchanged") return applied;
    this.#tell({ key: path, type, applied, message });
    return applied;
  }

  /**
   * Runs a module's work in a transaction, together with messages for the cloud: either all of it is on the disk
   * when this resolves, or nothing. Work that throws is undone as a whole.
   *
   * @param work Synchronous; may run twice, so it changes nothing but rows.
   * @param sequence As for `Outbox.put`.
   */
  async write<T>(work: (publish: (message: Message) => void) => T, sequence?: Sequence): Promise<T> {
    let stored: StoredMessage[] = [];
    const whole = this.database.transaction(() =>
      work((message) => stored.push(this.outbox.insert(message))),
    );
    const result = await this.#commit.run(() => {
      stored = [];
      const { messages, bytes } = this.outbox.counts;
      try {
        return whole();
      } catch (error) {
        // All rows are as before.
        Object.assign(this.outbox.counts, { messages, bytes });
        throw error;
      }
    }, sequence);
    this.outbox.announce(stored);
    return result;
  }

  /** Tells of every change, in the order of the commits. @returns Stops telling. */
  onChange(listener: (change: MetaChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A listener that throws keeps no other from being told. */
  #tell(change: MetaChange): void {
    const failures: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** What was remembered under a name. */
  recall(name: string): string | undefined {
    return (
      this.database.prepare("SELECT value FROM meta_info WHERE name = ?").get(`note:${name}`) as
        | { value: string }
        | undefined
    )?.value;
  }

  /** Remembers a short text under a name, across restarts. Throws as any write. */
  remember(name: string, text: string): void {
    this.database
      .prepare(
        "INSERT INTO meta_info (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      )
      .run(`note:${name}`, text);
  }

  close(): void {
    this.#cancelPrune();
    this.#commit.close();
  }

  #pruneLater(tombstoneMs: number): void {
    this.#cancelPrune = this.#clock.after(pruneEveryMs, () => {
      // What fails now is forgotten an hour later.
      void this.#commit
        .run(() => this.meta.prune(this.#clock.wallTime() - tombstoneMs))
        .then(undefined, () => undefined);
      this.#pruneLater(tombstoneMs);
    });
  }
}

function storeIdOf(database: Database): string {
  database
    .prepare("INSERT INTO meta_info (name, value) VALUES ('store_id', ?) ON CONFLICT DO NOTHING")
    .run(randomUUID());
  return (database.prepare("SELECT value FROM meta_info WHERE name = 'store_id'").get() as { value: string })
    .value;
}
