import type { Clock } from "../../platform/clock.ts";
import { inlineWriter, startWriter, type Writer } from "../../platform/writer.ts";
import {
  type Buckets,
  type Checkpoint,
  type ErrorCode,
  type HeldVersion,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type LedgerState,
  type Message,
  type MessageId,
  type NodeId,
  type ResourceQuery,
  type ResourceVersion,
  type ResourceView,
  unpackMessage,
} from "../../protocol/index.ts";
import { readBacklogs } from "./backlogs.ts";
import { DrainPace } from "./drain-pace.ts";
import { readHoldings } from "./holdings.ts";
import type {
  Backlog,
  Corrected,
  Holding,
  HubStore,
  NodeOutbox,
  NodeRecord,
  RecordKind,
  RecordStore,
  SaidToHold,
  Stored,
} from "./hub-store.ts";
import { HubTables, type HubTablesOptions } from "./hub-tables.ts";
import { type LedgerRow, messageStates } from "./schema.ts";
import { SettleBatch } from "./settle-batch.ts";
import type {
  CheckpointRow,
  LedgerRows,
  PutRow,
  ResourceStateRow,
  ResourcesRow,
  StoreOp,
} from "./sqlite-ops.ts";
import { SqliteOutbox, type SqliteOutboxParts } from "./sqlite-outbox.ts";
import { TurnShare } from "./turn-share.ts";

export interface HubStoreOptions extends HubTablesOptions {
  /** Deletions are remembered so long, ms. */
  readonly tombstoneMs: number;
  /** Ledger rows older than this go, ms. */
  readonly ledgerMs: number;
}

/** How often what has outlived its time is swept. */
const sweepEveryMs = 60_000;
/** Resources of one node looked at, or corrected, in one operation: other work of the writer comes in between. */
const heldPerOp = 2_000;
const correctedPerOp = 256;

/**
 * Opens the hub's SQLite store with its writer thread.
 *
 * @param onDeath The writer has died: the hub cannot go on.
 * Rejects as `openDatabase`.
 */
export async function openHubStore(
  options: HubStoreOptions,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<HubStore> {
  const { file, create, synchronous, maxBytes, limits } = options;
  const data: HubTablesOptions = { file, create, synchronous, maxBytes, limits };
  const script = new URL(
    import.meta.url.endsWith(".ts") ? "./sqlite-writer.ts" : "./sqlite-writer.js",
    import.meta.url,
  );
  return SqliteHubStore.over(await startWriter<StoreOp>(script, data, onDeath), options, clock);
}

/** The same store without a thread of its own; `file` may be `:memory:`. */
export function openInlineHubStore(options: HubStoreOptions, clock: Clock): Promise<HubStore> {
  return SqliteHubStore.over(
    inlineWriter<StoreOp>(new HubTables(options, { wallTime: () => clock.wallTime() })),
    options,
    clock,
  );
}

class SqliteHubStore implements HubStore {
  readonly storeId: string;
  readonly #writer: Writer<StoreOp>;
  readonly #options: HubStoreOptions;
  readonly #clock: Clock;
  readonly #outboxParts: SqliteOutboxParts;
  readonly #nodes = new Map<NodeId, { row: number; record: NodeRecord; outbox: SqliteOutbox | undefined }>();
  #cancelSweep: () => void = () => {};

  private constructor(writer: Writer<StoreOp>, storeId: string, options: HubStoreOptions, clock: Clock) {
    this.#writer = writer;
    this.storeId = storeId;
    this.#options = options;
    this.#clock = clock;
    const share = new TurnShare();
    this.#outboxParts = {
      writer,
      clock,
      settling: new SettleBatch(writer, { share, clock }),
      share,
      pace: new DrainPace(),
    };
  }

  static async over(
    writer: Writer<StoreOp>,
    options: HubStoreOptions,
    clock: Clock,
  ): Promise<SqliteHubStore> {
    const storeId = await writer.call<string>({ op: "store-id" });
    const store = new SqliteHubStore(writer, storeId, options, clock);
    for (const row of await writer.call<{ id: number; name: string; value: string }[]>({ op: "nodes" })) {
      store.#nodes.set(row.name as NodeId, { row: row.id, record: JSON.parse(row.value), outbox: undefined });
    }
    store.#sweepLater();
    return store;
  }

  node(node: NodeId): NodeRecord | undefined {
    return this.#nodes.get(node)?.record;
  }

  isLively(): boolean {
    return this.#outboxParts.pace.isLively(this.#clock.now());
  }

  nodes(): readonly NodeRecord[] {
    return [...this.#nodes.values()].map((one) => one.record);
  }

  async saveNode(node: NodeId, change: Partial<Omit<NodeRecord, "node">>): Promise<NodeRecord> {
    const before = this.#nodes.get(node);
    const fresh = {
      node,
      labels: {},
      addedAt: this.#clock.wallTime(),
      joinedAt: undefined,
      lastSeenAt: undefined,
    };
    const record: NodeRecord = { ...(before?.record ?? fresh), ...change };
    if (before) before.record = record;
    const { id } = await this.#writer.call<{ id: number }>({
      op: "save-node",
      name: node,
      value: JSON.stringify(record),
    });
    // A node that was removed meanwhile stays removed.
    if (before !== undefined) return this.#nodes.get(node)?.record ?? record;
    // Somebody else was the first to save it: this is a change of what he saved.
    if (this.#nodes.has(node)) return await this.saveNode(node, change);
    this.#nodes.set(node, { row: id, record, outbox: undefined });
    return record;
  }

  async removeNode(node: NodeId): Promise<boolean> {
    const known = this.#nodes.get(node);
    if (known === undefined) return false;
    this.#nodes.delete(node);
    return await this.#writer.call<boolean>({ op: "remove-node", node: known.row });
  }

  outbox(node: NodeId): NodeOutbox {
    return this.#outbox(node);
  }

  async checkpoint(node: NodeId, resource: string): Promise<Checkpoint | undefined> {
    const row = await this.#writer.call<CheckpointRow | undefined>({
      op: "checkpoint",
      node: this.#row(node),
      resource,
    });
    return row && { version: row.version as ResourceVersion, deleted: row.deleted === 1, at: row.at };
  }

  async resources(query: ResourceQuery & { readonly node: NodeId }): Promise<ResourceView[]> {
    const node = this.#row(query.node);
    const pattern = globOf(query.resource ?? "*");
    const limit = query.limit ?? 1_000;
    const found: ResourceView[] = [];
    for (let from: string | null = ""; from !== null && found.length < limit; ) {
      const op: StoreOp = { op: "resources", node, pattern, from, limit: limit - found.length };
      const { rows, next }: ResourcesRow = await this.#writer.call<ResourcesRow>(op);
      for (const row of rows) found.push(resourceOf(row));
      from = next;
    }
    return found;
  }

  async digest(node: NodeId, count: number): Promise<Buckets> {
    const all = new Uint32Array(2 * count);
    const op = { op: "digest", node: this.#row(node), count, limit: heldPerOp } as const;
    for (let after: string | undefined = ""; after !== undefined; ) {
      const part: { buckets: Buckets; next: string | undefined } = await this.#writer.call({ ...op, after });
      for (const [i, hash] of part.buckets.entries()) all[i] = (all[i] as number) ^ hash;
      after = part.next;
    }
    return all;
  }

  async held(node: NodeId, count: number, buckets: readonly number[]): Promise<HeldVersion[]> {
    const all: HeldVersion[] = [];
    const op = { op: "held", node: this.#row(node), count, buckets, limit: heldPerOp } as const;
    for (let after: string | undefined = ""; after !== undefined; ) {
      const part: { held: HeldVersion[]; next: string | undefined } = await this.#writer.call({
        ...op,
        after,
      });
      all.push(...part.held);
      after = part.next;
    }
    return all;
  }

  async correct(node: NodeId, held: readonly SaidToHold[]): Promise<Corrected> {
    const all = {
      settled: [] as Corrected["settled"][number][],
      deletions: [] as HeldVersion[],
      lost: 0,
      ahead: 0,
    };
    for (let at = 0; at < held.length; at += correctedPerOp) {
      const some = held
        .slice(at, at + correctedPerOp)
        .map(([path, version]) => [path, version ?? null] as const);
      const op: StoreOp = { op: "correct", node: this.#row(node), held: some, now: this.#clock.wallTime() };
      const row = await this.#writer.call<Corrected>(op);
      all.settled.push(...row.settled);
      all.deletions.push(...row.deletions);
      all.lost += row.lost;
      all.ahead += row.ahead;
    }
    return all;
  }

  backlogs(): Promise<ReadonlyMap<NodeId, Backlog>> {
    return readBacklogs(this.#writer, this.#rows());
  }

  holdings(resource: string): Promise<Holding[]> {
    return readHoldings(this.#writer, this.#rows(), resource);
  }

  #rows(): Map<number, NodeId> {
    return new Map([...this.#nodes].map(([node, { row }]) => [row, node]));
  }

  async ledger(query: LedgerQuery & { readonly node: NodeId }): Promise<LedgerEntry[]> {
    const rows = await this.#writer.call<LedgerRows>({
      op: "ledger",
      node: this.#row(query.node),
      id: query.id ?? null,
      resource: query.resource ?? null,
      states: query.state ? statesOf(query.state) : null,
      limit: query.limit ?? 100,
    });
    return rows.map((row) => entryOf(query.node, row));
  }

  async requeue(node: NodeId, position?: number): Promise<number> {
    const op: StoreOp = {
      op: "requeue",
      node: this.#row(node),
      position: position ?? null,
      now: this.#clock.wallTime(),
    };
    const rows = await this.#writer.call<PutRow[]>(op);
    const outbox = this.#outbox(node);
    for (const row of rows) if (row.position > 0 && row.packed) outbox.resume(row.position, row.packed);
    return rows.filter((row) => row.position > 0).length;
  }

  async message(node: NodeId, position: number): Promise<Message | undefined> {
    const packed = await this.#writer.call<Uint8Array | undefined>({
      op: "message",
      node: this.#row(node),
      position,
    });
    return packed && unpackMessage(packed, node);
  }

  records<T>(kind: RecordKind): RecordStore<T> {
    const call = <R>(op: StoreOp): Promise<R> => this.#writer.call<R>(op);
    type Row = { name: string; revision: number; value: string };
    const stored = (row: Row): Stored<T> => ({
      name: row.name,
      revision: row.revision,
      value: JSON.parse(row.value) as T,
    });
    return {
      async get(name) {
        const row = await call<Row | undefined>({ op: "record-get", kind, name });
        return row && stored(row);
      },
      list: async () => (await call<Row[]>({ op: "record-list", kind })).map(stored),
      put: (name, value, revision) =>
        call<boolean>({
          op: "record-put",
          kind,
          name,
          value: JSON.stringify(value),
          revision: revision ?? null,
        }),
      delete: (name) => call<boolean>({ op: "record-delete", kind, name }),
    };
  }

  close(): Promise<void> {
    this.#cancelSweep();
    return this.#writer.close();
  }

  #outbox(node: NodeId): SqliteOutbox {
    const known = this.#nodes.get(node);
    if (known === undefined) throw unknownNode(node);
    known.outbox ??= new SqliteOutbox(node, known.row, this.#outboxParts);
    return known.outbox;
  }

  #row(node: NodeId): number {
    const known = this.#nodes.get(node);
    if (known === undefined) throw unknownNode(node);
    return known.row;
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#clock.after(sweepEveryMs, () => {
      const now = this.#clock.wallTime();
      const { tombstoneMs, ledgerMs } = this.#options;
      const op: StoreOp = {
        op: "sweep",
        now,
        tombstonesBefore: now - tombstoneMs,
        ledgerBefore: now - ledgerMs,
      };
      // What fails now is swept next time.
      void this.#writer.call(op).then(undefined, () => undefined);
      this.#sweepLater();
    });
  }
}

function unknownNode(node: NodeId): HubError {
  return new HubError(
    "E_UNKNOWN_NODE",
    `no node is called ${node}; it joins with a token, or add it with: hubctl nodes add ${node}`,
  );
}

function statesOf(state: LedgerState): readonly number[] {
  switch (state) {
    case "accepted":
      return [messageStates.waiting];
    case "persisted":
      return [messageStates.persisted, messageStates.persistedThenSuperseded];
    case "superseded":
      return [messageStates.superseded];
    case "expired":
      return [messageStates.expired];
    case "refused":
      return [messageStates.refused];
  }
}

const stateNames: readonly LedgerState[] = [
  "accepted",
  "persisted",
  "superseded",
  "expired",
  "refused",
  "persisted",
];

function entryOf(node: NodeId, row: LedgerRow): LedgerEntry {
  const reason =
    row.reason === null ? undefined : (JSON.parse(row.reason) as { code: ErrorCode; text: string });
  return {
    node,
    position: row.position,
    id: row.id as MessageId,
    resource: row.resource,
    operation: row.operation,
    kind: row.kind === 1 ? "state" : "event",
    version: (row.version ?? undefined) as ResourceVersion | undefined,
    size: row.size,
    state: stateNames[row.state] ?? "accepted",
    acceptedAt: row.accepted_at,
    expiresAt: row.expires_at ?? undefined,
    sends: row.sends,
    firstSentAt: row.first_sent_at ?? undefined,
    lastSentAt: row.last_sent_at ?? undefined,
    persistedAt: row.persisted_at ?? undefined,
    endedAt: row.ended_at ?? undefined,
    code: reason?.code,
    text: reason?.text,
  };
}

/** A pattern with `*` as SQLite's GLOB, which knows more special characters. */
function globOf(pattern: string): string {
  return pattern.replace(/[?[]/g, (special) => `[${special}]`);
}

function resourceOf(row: ResourceStateRow): ResourceView {
  const version = row.version as ResourceVersion | null;
  const accepted = (row.accepted_version ?? row.version ?? undefined) as ResourceVersion | undefined;
  return {
    resource: row.resource,
    checkpoint: version === null ? undefined : { version, deleted: row.deleted === 1, at: row.at ?? 0 },
    accepted,
    acceptedDeleted: (row.accepted_version === null ? row.deleted : row.accepted_deleted) === 1,
    acceptedId: (row.accepted_id ?? undefined) as MessageId | undefined,
    state:
      row.refused !== null
        ? "refused"
        : accepted === version && row.accepted_deleted === row.deleted
          ? "current"
          : "waiting",
  };
}
