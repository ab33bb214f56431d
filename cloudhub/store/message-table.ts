import type { Database } from "../../platform/sqlite.ts";
import {
  compareVersions,
  HubError,
  type NodeId,
  newerVersion,
  nextVersion,
  packMessage,
  type ResourceVersion,
  requireVersion,
  state,
  unpackMessage,
  zeroVersion,
} from "../../protocol/index.ts";
import { AckedPuts } from "./acked-puts.ts";
import { HeldTable } from "./held-table.ts";
import { type MessageStatements, prepareMessages, type SettledRow } from "./message-statements.ts";
import { QueuePages } from "./queue-pages.ts";
import { kindNumbers, type LedgerRow, type MessageRow, messageStates } from "./schema.ts";
import {
  type BacklogRows,
  type CheckpointRow,
  type HoldingRow,
  type PageRow,
  type PutOp,
  type PutRow,
  type ResourcesRow,
  type SearchRow,
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
  messages: number;
  bytes: number;
  /** Ids of the newest events, oldest first: a publisher that repeats one is recognised. */
  readonly events: Set<string>;
  /** Rows since the ledger was last cut. */
  grown: number;
}

type Op<Name extends StoreOp["op"]> = Extract<StoreOp, { op: Name }>;

/** So many events per node are remembered by id. */
const rememberedEvents = 256;
/** The ledger is cut when it has grown by so many rows. */
const cutEvery = 256;
/** So many rows are deleted at once: about a millisecond of work, for which the next transaction may have to wait. */
const cutAtOnce = 256;

/** Queue, checkpoints and ledger of every node: all decisions that need the stored state, inside its transaction. */
export class MessageTable {
  readonly #limits: TableLimits;
  readonly #wallTime: () => number;
  readonly #queues = new Map<number, Queue>();
  /** The newest position given out. */
  #last: number;
  /** Nodes whose ledger may be too long or too old. */
  readonly #uncut = new Set<number>();
  #ledgerBefore = 0;
  /** The last version numbered here; loaded on first use. */
  #version: ResourceVersion | undefined;
  readonly #sql: MessageStatements;
  readonly #ackedPuts: AckedPuts;
  readonly #queuePages: QueuePages;
  /** What nodes say they have. */
  readonly held: HeldTable;

  constructor(database: Database, limits: TableLimits, wallTime: () => number) {
    this.#limits = limits;
    this.#wallTime = wallTime;
    this.#sql = prepareMessages(database);
    this.#ackedPuts = new AckedPuts(this.#sql);
    this.#queuePages = new QueuePages(this.#sql);
    this.held = new HeldTable({
      database,
      ackedPuts: this.#ackedPuts,
      left: (node, size) => this.#left(node, size),
    });
    this.#last = this.#lastPosition();
  }

  rolledBack(): void {
    this.#ackedPuts.rolledBack();
    this.#queues.clear();
    this.#last = this.#lastPosition();
    this.#version = undefined;
  }

  put(op: PutOp, packed: Uint8Array): PutRow {
    return op.kind === kindNumbers.state ? this.#putState(op, packed) : this.#putEvent(op, packed);
  }

  /** Acked. The checkpoint goes forward, never back. */
  settle({ rows }: Op<"settle">): void {
    const now = this.#wallTime();
    for (let i = 0; i < rows.length; i += settleWidth) {
      const position = rows[i];
      const done = this.#sql.settle.get(rows[i + 1], rows[i + 2], rows[i + 3], rows[i + 4], now, position) as
        | SettledRow
        | undefined;
      if (done === undefined) continue;
      const [node, state, kind, resource, version, deleted, size] = done;
      if (state === messageStates.persisted) this.#left(node, size);
      if (kind !== kindNumbers.state || version === null) continue;
      if (state === messageStates.persisted && deleted === 0)
        this.#ackedPuts.add(node, resource, { version, at: now, position: position as number });
      else this.#sql.checkpoint.run({ node, resource, version, deleted, at: now, position });
    }
  }

  unacked({ rows }: Op<"unacked">): void {
    for (let i = 0; i < rows.length; i += settleWidth) {
      this.#sql.unacked.run(rows[i + 1], rows[i + 2], rows[i + 3], rows[i]);
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
      op.position,
    ) as { node: number; resource: string; kind: number; size: number; version: string | null } | undefined;
    if (row === undefined) return;
    const { node, resource, version } = row;
    this.#left(node, row.size);
    this.#ackedPuts.write(node, resource);
    if (row.kind === kindNumbers.state)
      this.#sql.refused.run({ position: op.position, version, node, resource });
  }

  expire(op: Op<"expire">): void {
    const row = this.#sql.expire.get(op.now, op.position) as { node: number; size: number } | undefined;
    if (row) this.#left(row.node, row.size);
  }

  search(op: Op<"search">): SearchRow {
    return this.#queuePages.search(op, this.#last);
  }

  page(op: Op<"page">): PageRow {
    return this.#queuePages.page(op);
  }

  backlogs(nodes: Float64Array): BacklogRows {
    const rows = new Float64Array(2 * nodes.length);
    for (const [at, node] of nodes.entries()) {
      const { messages, bytes } = this.#queue(node);
      rows.set([messages, bytes], 2 * at);
    }
    return rows;
  }

  backlog(node: number): { messages: number; bytes: number } {
    const { messages, bytes } = this.#queue(node);
    return { messages, bytes };
  }

  /** Writes nothing: who waits for an ack asks right behind it, and would wait for one more sync to the disk. */
  checkpoint(op: Op<"checkpoint">): CheckpointRow | undefined {
    return this.#sql.readCheckpoint.get(op.node, op.resource) as CheckpointRow | undefined;
  }

  resources(op: Op<"resources">): ResourcesRow {
    this.#ackedPuts.writeNode(op.node);
    return this.#queuePages.resources(op);
  }

  holdings({ nodes, resource }: Op<"holdings">): HoldingRow[] {
    const rows: HoldingRow[] = [];
    for (const node of nodes) {
      const row = this.#sql.holding.get(node, resource) as HoldingRow | undefined;
      if (row !== undefined) rows.push(row);
    }
    return rows;
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
      if (!this.#hasRoom(this.#queue(op.node), row.size)) break;
      this.#sql.forget.run(row.position);
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
        listed: false,
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
    this.#ackedPuts.writeNode(node);
    this.#sql.removeMessages.run(node);
    this.#sql.removeCheckpoints.run(node);
    this.#queues.delete(node);
    this.#uncut.delete(node);
  }

  /** Cuts a piece off the ledger of one node. @returns Rows that were deleted; `undefined`: there is nothing to cut. */
  tidy(): number | undefined {
    const [node] = this.#uncut;
    if (node === undefined) return undefined;
    this.#uncut.delete(node);
    this.#queue(node).grown = 0;
    this.#ackedPuts.writeNode(node);
    const keep = this.#limits.ledgerMessages;
    const { changes } = this.#sql.cut.run({ node, keep, before: this.#ledgerBefore, most: cutAtOnce });
    // Others first, then the rest of this one.
    if (changes === cutAtOnce) this.#uncut.add(node);
    return changes;
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
    this.#ackedPuts.write(op.node, op.resource);
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
    if (row?.refused) this.#sql.supersedeRefused.run(op.now, row.refused);
    const bytes = op.numbered ? withVersion(packed, version) : packed;
    const position = this.#insert(op, bytes, version);
    const waiting = isDelete ? null : position;
    this.#sql.accept.run(
      op.node,
      op.resource,
      version,
      isDelete ? 1 : 0,
      op.id,
      op.now,
      waiting,
      op.listed ? 1 : 0,
    );
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
    const position = ++this.#last;
    queue.messages++;
    queue.bytes += packed.length;
    if (++queue.grown >= cutEvery) this.#uncut.add(op.node);
    this.#queuePages.added(op.node);
    this.#sql.insert.run(
      position,
      op.node,
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
    const row = this.#sql.supersede.get(now, position) as { size: number } | undefined;
    if (row) this.#left(node, row.size);
  }

  #requireRoom(queue: Queue, size: number): void {
    if (this.#hasRoom(queue, size)) return;
    const { maxBacklogMessages, maxBacklogBytes } = this.#limits;
    const text = `the node's queue holds ${queue.messages} messages, ${queue.bytes} bytes; at most ${maxBacklogMessages} and ${maxBacklogBytes} are allowed`;
    throw new HubError("E_BACKLOG_FULL", text);
  }

  #hasRoom(queue: Queue, size: number): boolean {
    return (
      queue.messages < this.#limits.maxBacklogMessages && queue.bytes + size <= this.#limits.maxBacklogBytes
    );
  }

  #lastPosition(): number {
    return (this.#sql.lastPosition.get() as { last: number | null }).last ?? 0;
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
    const recent = (this.#sql.recentEvents.all(node, rememberedEvents) as { id: string }[])
      .map((one) => one.id)
      .reverse();
    const queue: Queue = {
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
  return packMessage({ ...message, resourceVersion: version, delivery: state, packed: undefined });
}
