import type { Database, Statement } from "../../platform/index.ts";
import {
  compareVersions,
  HubError,
  type NodeId,
  newerVersion,
  nextVersion,
  packMessage,
  type ResourceVersion,
  requireVersion,
  unpackMessage,
  zeroVersion,
} from "../../protocol/index.ts";
import { kindNumbers, type LedgerRow, type MessageRow, messageStates } from "./schema.ts";
import {
  type CheckpointRow,
  type PageRow,
  type PutOp,
  type PutRow,
  type StoreOp,
  settleWidth,
  type TableLimits,
} from "./sqlite-ops.ts";

interface ResourceRow {
  readonly version: ResourceVersion | null;
  readonly deleted: number;
  readonly accepted_version: ResourceVersion | null;
  readonly accepted_deleted: number;
  readonly waiting: number | null;
  readonly refused: number | null;
}

/** Derived from the rows of one node; thrown away after a rollback. */
interface Queue {
  last: number;
  messages: number;
  bytes: number;
  /** Ids of the newest events, oldest first: a publisher that repeats one is recognised. */
  readonly events: Set<string>;
  /** Rows since the ledger was last cut. */
  grown: number;
}

type Op<Name extends StoreOp["op"]> = Extract<StoreOp, { op: Name }>;

const columns =
  "position, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, packed";
const ledgerColumns =
  "position, state, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, sends, first_sent_at, last_sent_at, persisted_at, ended_at, reason";

/** So many events per node are remembered by id. */
const rememberedEvents = 256;
/** The ledger is cut when it has grown by so many rows. */
const cutEvery = 256;

/** Queue, checkpoints and ledger of every node: all decisions that need the stored state, inside its transaction. */
export class MessageTable {
  readonly #limits: TableLimits;
  readonly #queues = new Map<number, Queue>();
  /** Nodes whose ledger may be too long or too old. */
  readonly #uncut = new Set<number>();
  #ledgerBefore = 0;
  /** The last version numbered here; loaded on first use. */
  #version: ResourceVersion | undefined;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(database: Database, limits: TableLimits) {
    this.#limits = limits;
    this.#sql = prepare(database);
  }

  rolledBack(): void {
    this.#queues.clear();
    this.#version = undefined;
  }

  put(op: PutOp, packed: Uint8Array): PutRow {
    return op.kind === kindNumbers.state ? this.#putState(op, packed) : this.#putEvent(op, packed);
  }

  /** Acked. The checkpoint goes forward, never back. */
  settle({ rows, now }: Op<"settle">): void {
    for (let i = 0; i < rows.length; i += settleWidth) {
      const node = rows[i];
      const position = rows[i + 1];
      const done = this.#sql.settle.get(
        rows[i + 2],
        rows[i + 3],
        rows[i + 4],
        rows[i + 5],
        now,
        node,
        position,
      ) as
        | {
            state: number;
            kind: number;
            resource: string;
            version: string | null;
            operation: string;
            size: number;
          }
        | undefined;
      if (done === undefined) continue;
      if (done.state === messageStates.persisted) this.#left(node as number, done.size);
      if (done.kind !== kindNumbers.state || done.version === null) continue;
      const deleted = done.operation === "delete" ? 1 : 0;
      this.#sql.checkpoint.run({
        node,
        resource: done.resource,
        version: done.version,
        deleted,
        at: now,
        position,
      });
    }
  }

  unacked({ rows }: Op<"unacked">): void {
    for (let i = 0; i < rows.length; i += settleWidth) {
      this.#sql.unacked.run(rows[i + 2], rows[i + 3], rows[i + 4], rows[i], rows[i + 1]);
    }
  }

  /** The node can never take it. A newer version of the resource, or the same one published again, clears it. */
  refuse(op: Op<"refuse">): void {
    const row = this.#sql.refuse.get(
      op.sends,
      op.firstSentAt,
      op.lastSentAt,
      op.reason,
      op.now,
      op.node,
      op.position,
    ) as { resource: string; kind: number; size: number; version: string | null } | undefined;
    if (row === undefined) return;
    this.#left(op.node, row.size);
    if (row.kind === kindNumbers.state)
      this.#sql.refused.run(op.position, row.version, op.position, op.node, row.resource);
  }

  expire(op: Op<"expire">): void {
    const row = this.#sql.expire.get(op.now, op.node, op.position) as { size: number } | undefined;
    if (row) this.#left(op.node, row.size);
  }

  page(op: Op<"page">): PageRow {
    const rows: MessageRow[] = [];
    let bytes = 0;
    for (const row of this.#sql.page.iterate(op.node, op.after) as IterableIterator<MessageRow>) {
      if (rows.length >= op.messages || (rows.length > 0 && bytes + row.size > op.bytes))
        return { rows, complete: false };
      rows.push(row);
      bytes += row.size;
    }
    return { rows, complete: true };
  }

  backlog(node: number): { messages: number; bytes: number } {
    const { messages, bytes } = this.#queue(node);
    return { messages, bytes };
  }

  checkpoint(op: Op<"checkpoint">): CheckpointRow | undefined {
    return this.#sql.readCheckpoint.get(op.node, op.resource) as CheckpointRow | undefined;
  }

  ledger(op: Op<"ledger">): LedgerRow[] {
    const found: LedgerRow[] = [];
    for (const row of this.#sql.ledger.iterate(op.node) as IterableIterator<LedgerRow>) {
      if (op.id !== null && row.id !== op.id) continue;
      if (op.resource !== null && row.resource !== op.resource) continue;
      if (op.states !== null && !op.states.includes(row.state)) continue;
      found.push(row);
      if (found.length >= op.limit) break;
    }
    return found;
  }

  message(op: Op<"message">): Uint8Array | undefined {
    return (
      (this.#sql.packed.get(op.node, op.position) as { packed: Uint8Array | null } | undefined)?.packed ??
      undefined
    );
  }

  /** Refused messages go to the end of the queue, with the limits of any put. */
  requeue(op: Op<"requeue">): PutRow[] {
    const rows = this.#sql.refusedRows.all(op.node, op.position, op.position) as MessageRow[];
    const again: PutRow[] = [];
    for (const row of rows) {
      this.#sql.forget.run(op.node, row.position);
      this.#queue(op.node).events.delete(row.id);
      const put: PutOp = {
        op: "put",
        node: op.node,
        id: row.id,
        resource: row.resource,
        operation: row.operation,
        kind: row.kind,
        version: row.version,
        numbered: false,
        priority: row.priority,
        expiresAt: row.expires_at,
        now: op.now,
      };
      again.push({ ...this.put(put, row.packed), packed: row.packed });
    }
    return again;
  }

  /** Ends what has outlived its time everywhere and forgets old deletions; old ledger rows follow node by node. */
  sweep(op: Op<"sweep">, nodes: readonly number[]): void {
    const expired = this.#sql.sweepExpired.run(op.now, op.now).changes;
    this.#sql.sweepTombstones.run(op.tombstonesBefore);
    if (expired > 0) this.#queues.clear();
    this.#ledgerBefore = op.ledgerBefore;
    for (const node of nodes) this.#uncut.add(node);
  }

  removeNode(node: number): void {
    this.#sql.removeMessages.run(node);
    this.#sql.removeCheckpoints.run(node);
    this.#queues.delete(node);
    this.#uncut.delete(node);
  }

  /** Cuts the ledger of one node. The newest row stays: positions go on from it. @returns True if there are more. */
  tidy(): boolean {
    const [node] = this.#uncut;
    if (node === undefined) return false;
    this.#uncut.delete(node);
    const queue = this.#queue(node);
    queue.grown = 0;
    this.#sql.cut.run(node, queue.last, queue.last - this.#limits.ledgerMessages, this.#ledgerBefore);
    return this.#uncut.size > 0;
  }

  // ── put ────────────────────────────────────────────────────────────────────────────────────────────────

  #putEvent(op: PutOp, packed: Uint8Array): PutRow {
    const queue = this.#queue(op.node);
    if (queue.events.has(op.id)) return { position: 0, version: op.version, packed: undefined };
    this.#requireRoom(queue, packed.length);
    const position = this.#insert(op, packed, op.version);
    queue.events.add(op.id);
    if (queue.events.size > rememberedEvents)
      queue.events.delete(queue.events.values().next().value as string);
    return { position, version: op.version, packed: undefined };
  }

  #putState(op: PutOp, packed: Uint8Array): PutRow {
    const row = this.#sql.resource.get(op.node, op.resource) as ResourceRow | undefined;
    const known = newerVersion(row?.version ?? undefined, row?.accepted_version ?? undefined);
    const knownDeleted =
      known !== undefined && known === row?.accepted_version
        ? row.accepted_deleted === 1
        : row?.deleted === 1;
    const isDelete = op.operation === "delete";
    const version = this.#versionOf(op, known, isDelete);
    if (known !== undefined) {
      const order = compareVersions(version, known);
      // A delete usually names the version it deletes, so an equal one is news unless it is deleted already.
      if (order < 0 || (order === 0 && (!isDelete || knownDeleted)))
        return { position: 0, version: known, packed: undefined };
    }
    const queue = this.#queue(op.node);
    const replaced = row?.waiting ?? null;
    if (replaced === null) this.#requireRoom(queue, packed.length);
    else this.#supersede(op.node, replaced, op.now);
    if (row?.refused) this.#sql.supersedeRefused.run(op.now, op.node, row.refused);
    const bytes = version === op.version ? packed : withVersion(packed, version);
    const position = this.#insert(op, bytes, version);
    this.#sql.accept.run(op.node, op.resource, version, isDelete ? 1 : 0, isDelete ? null : position);
    return { position, version, packed: bytes === packed ? undefined : bytes };
  }

  #versionOf(op: PutOp, known: ResourceVersion | undefined, isDelete: boolean): ResourceVersion {
    if (op.numbered) return this.#number(known);
    if (op.version !== null) return requireVersion(op.version);
    if (isDelete) return known ?? zeroVersion;
    throw new HubError(
      "E_BAD_VERSION",
      `${op.resource}: state needs a resourceVersion, or "next" to let the hub number it`,
    );
  }

  /** One growing sequence for all that this hub numbers itself. */
  #number(known: ResourceVersion | undefined): ResourceVersion {
    const last =
      this.#version ??
      (this.#sql.readVersion.get() as { value: ResourceVersion } | undefined)?.value ??
      zeroVersion;
    this.#version = nextVersion(newerVersion(last, known) ?? last);
    this.#sql.writeVersion.run(this.#version);
    return this.#version;
  }

  #insert(op: PutOp, packed: Uint8Array, version: string | null): number {
    const queue = this.#queue(op.node);
    const position = ++queue.last;
    queue.messages++;
    queue.bytes += packed.length;
    if (++queue.grown >= cutEvery) this.#uncut.add(op.node);
    this.#sql.insert.run(
      op.node,
      position,
      op.id,
      op.resource,
      op.operation,
      op.kind,
      version,
      op.priority,
      op.expiresAt,
      packed.length,
      op.now,
      packed,
    );
    return position;
  }

  #supersede(node: number, position: number, now: number): void {
    const row = this.#sql.supersede.get(now, node, position) as { size: number } | undefined;
    if (row) this.#left(node, row.size);
  }

  #requireRoom(queue: Queue, size: number): void {
    const { maxBacklogMessages, maxBacklogBytes } = this.#limits;
    if (queue.messages < maxBacklogMessages && queue.bytes + size <= maxBacklogBytes) return;
    const text = `the node's queue holds ${queue.messages} messages, ${queue.bytes} bytes; at most ${maxBacklogMessages} and ${maxBacklogBytes} are allowed`;
    throw new HubError("E_BACKLOG_FULL", text);
  }

  #left(node: number, size: number): void {
    const queue = this.#queues.get(node);
    if (queue === undefined) return;
    queue.messages--;
    queue.bytes -= size;
  }

  #queue(node: number): Queue {
    const found = this.#queues.get(node);
    if (found !== undefined) return found;
    const row = this.#sql.backlog.get(node) as { messages: number; bytes: number };
    const last = (this.#sql.lastPosition.get(node) as { last: number | null }).last ?? 0;
    const recent = (this.#sql.recentEvents.all(node, rememberedEvents) as { id: string }[])
      .map((one) => one.id)
      .reverse();
    const queue: Queue = {
      last,
      messages: row.messages,
      bytes: row.bytes,
      events: new Set(recent),
      grown: 0,
    };
    this.#queues.set(node, queue);
    return queue;
  }
}

function withVersion(packed: Uint8Array, version: ResourceVersion): Uint8Array {
  const message = unpackMessage(packed, "unnamed" as NodeId);
  return packMessage({ ...message, resourceVersion: version, packed: undefined });
}

function prepare(
  database: Database,
): Record<
  | "resource"
  | "accept"
  | "insert"
  | "supersede"
  | "supersedeRefused"
  | "settle"
  | "checkpoint"
  | "unacked"
  | "refuse"
  | "refused"
  | "refusedRows"
  | "forget"
  | "expire"
  | "page"
  | "backlog"
  | "lastPosition"
  | "recentEvents"
  | "readCheckpoint"
  | "ledger"
  | "packed"
  | "readVersion"
  | "writeVersion"
  | "sweepExpired"
  | "sweepTombstones"
  | "cut"
  | "removeMessages"
  | "removeCheckpoints",
  Statement<unknown[]>
> {
  const sql = (text: string): Statement<unknown[]> => database.prepare(text);
  return {
    resource: sql(
      "SELECT version, deleted, accepted_version, accepted_deleted, waiting, refused FROM checkpoint WHERE node = ? AND resource = ?",
    ),
    accept:
      sql(`INSERT INTO checkpoint (node, resource, accepted_version, accepted_deleted, waiting) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET accepted_version = excluded.accepted_version, accepted_deleted = excluded.accepted_deleted,
        waiting = excluded.waiting, refused = NULL`),
    insert:
      sql(`INSERT INTO message (node, position, state, id, resource, operation, kind, version, priority, expires_at, size, accepted_at, packed)
      VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    supersede: sql(
      "UPDATE message SET state = 2, ended_at = ?, packed = NULL WHERE node = ? AND position = ? AND state = 0 RETURNING size",
    ),
    supersedeRefused: sql(
      "UPDATE message SET state = 2, ended_at = ?, packed = NULL WHERE node = ? AND position = ? AND state = 4",
    ),
    settle:
      sql(`UPDATE message SET state = CASE state WHEN 0 THEN 1 WHEN 2 THEN 5 ELSE state END, packed = NULL,
        sends = ?, first_sent_at = ?, last_sent_at = ?, persisted_at = ?, ended_at = ?
      WHERE node = ? AND position = ? AND state IN (0, 2) RETURNING state, kind, resource, version, operation, size`),
    // The version only grows; the put that waits is done with if this was it.
    checkpoint: sql(`UPDATE checkpoint SET version = $version, deleted = $deleted, at = $at,
        waiting = CASE waiting WHEN $position THEN NULL ELSE waiting END
      WHERE node = $node AND resource = $resource AND (version IS NULL OR length(version) < length($version)
        OR (length(version) = length($version) AND version <= $version))`),
    unacked: sql(
      "UPDATE message SET sends = ?, first_sent_at = ?, last_sent_at = ? WHERE node = ? AND position = ?",
    ),
    refuse:
      sql(`UPDATE message SET state = 4, sends = ?, first_sent_at = ?, last_sent_at = ?, reason = ?, ended_at = ?
      WHERE node = ? AND position = ? AND state = 0 RETURNING resource, kind, size, version`),
    refused: sql(`UPDATE checkpoint SET refused = ?,
        accepted_version = CASE accepted_version WHEN ? THEN version ELSE accepted_version END,
        waiting = CASE waiting WHEN ? THEN NULL ELSE waiting END
      WHERE node = ? AND resource = ?`),
    refusedRows: sql(
      `SELECT ${columns} FROM message WHERE node = ? AND state = 4 AND (? IS NULL OR position = ?) ORDER BY position`,
    ),
    forget: sql("DELETE FROM message WHERE node = ? AND position = ?"),
    expire: sql(
      "UPDATE message SET state = 3, ended_at = ?, packed = NULL WHERE node = ? AND position = ? AND state = 0 RETURNING size",
    ),
    page: sql(
      `SELECT ${columns} FROM message WHERE node = ? AND position > ? AND state = 0 ORDER BY position`,
    ),
    backlog: sql(
      "SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes FROM message WHERE node = ? AND state = 0",
    ),
    lastPosition: sql("SELECT max(position) AS last FROM message WHERE node = ?"),
    recentEvents: sql("SELECT id FROM message WHERE node = ? AND kind = 2 ORDER BY position DESC LIMIT ?"),
    readCheckpoint: sql(
      "SELECT version, deleted, at FROM checkpoint WHERE node = ? AND resource = ? AND version IS NOT NULL",
    ),
    ledger: sql(`SELECT ${ledgerColumns} FROM message WHERE node = ? ORDER BY position DESC`),
    packed: sql("SELECT packed FROM message WHERE node = ? AND position = ?"),
    readVersion: sql("SELECT value FROM meta WHERE name = 'version'"),
    writeVersion: sql(
      "INSERT INTO meta (name, value) VALUES ('version', ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    ),
    sweepExpired: sql(
      "UPDATE message SET state = 3, ended_at = ?, packed = NULL WHERE expires_at <= ? AND expires_at IS NOT NULL AND state = 0",
    ),
    sweepTombstones: sql(
      "DELETE FROM checkpoint WHERE deleted = 1 AND at < ? AND accepted_version IS version AND waiting IS NULL AND refused IS NULL",
    ),
    cut: sql(
      "DELETE FROM message WHERE node = ? AND position < ? AND (position <= ? OR ended_at < ?) AND state IN (1, 2, 3, 5)",
    ),
    removeMessages: sql("DELETE FROM message WHERE node = ?"),
    removeCheckpoints: sql("DELETE FROM checkpoint WHERE node = ?"),
  };
}
