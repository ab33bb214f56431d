import type { Clock } from "../../platform/clock.ts";
import type { Writer } from "../../platform/writer.ts";
import {
  type ErrorCode,
  type FeedReader,
  HubError,
  type Message,
  type NodeId,
  packMessage,
  type ResourceVersion,
  type SendRecord,
  type Settled,
  type StoredMessage,
  type StorePart,
  unpackMessage,
} from "../../protocol/index.ts";
import { Feeds, OutboxFeed, type PageSource } from "../../transport/index.ts";
import type { NodeOutbox, PutResult } from "./hub-store.ts";
import { QueueReader, type QueueReaderParts } from "./queue-reader.ts";
import { kindNumbers } from "./schema.ts";
import type { SettleBatch } from "./settle-batch.ts";
import { SettleLane } from "./settle-lane.ts";
import { type PutRow, type StoreOp, settleWidth } from "./sqlite-ops.ts";

export interface SqliteOutboxParts extends QueueReaderParts {
  /** Shared by all nodes. */
  readonly settling: SettleBatch;
}

/** Send records of a link that has ended which go into one transaction: about a millisecond of work. */
const unackedAtOnce = 256;

/** The queue of one node, as the main thread sees it. */
export class SqliteOutbox implements NodeOutbox {
  readonly #node: NodeId;
  readonly #row: number;
  readonly #writer: Writer<StoreOp>;
  readonly #settling: SettleLane;
  readonly #clock: Clock;
  readonly #parts: SqliteOutboxParts;
  readonly feeds = new Feeds();
  readonly urgentApart = true;

  constructor(node: NodeId, row: number, parts: SqliteOutboxParts) {
    this.#node = node;
    this.#row = row;
    this.#writer = parts.writer;
    this.#settling = new SettleLane(parts);
    this.#clock = parts.clock;
    this.#parts = parts;
  }

  async put(message: Message): Promise<PutResult> {
    const { delivery } = message;
    if (delivery.kind === "volatile")
      throw new HubError("E_BAD_MESSAGE", "a volatile message is never stored");
    const now = this.#clock.wallTime();
    const ttlMs = delivery.kind === "event" ? delivery.ttlMs : undefined;
    const packed = packMessage(message);
    const op: StoreOp = {
      op: "put",
      node: this.#row,
      id: message.id,
      resource: message.resource.path,
      operation: message.operation,
      kind: kindNumbers[delivery.kind],
      version: message.resourceVersion ?? null,
      numbered: delivery.kind === "state" && delivery.numbered === true,
      priority: delivery.kind === "event" ? delivery.priority : 0,
      expiresAt: ttlMs === undefined ? null : now + ttlMs,
      now,
      listed: isListed(message),
    };
    const row = await this.#writer.call<PutRow>(op, packed);
    const known = (row.version ?? undefined) as ResourceVersion | undefined;
    if (row.position === 0) return { stale: true, version: known };
    if (this.feeds.size > 0) {
      this.#parts.pace.news(this.#row, this.#clock.now());
      const bytes = row.packed ?? packed;
      this.feeds.committed({
        position: row.position,
        size: bytes.length,
        kind: delivery.kind,
        key: op.resource,
        deleted: delivery.kind === "state" && op.operation === "delete",
        priority: op.priority,
        expiresAt: op.expiresAt ?? Number.POSITIVE_INFINITY,
        id: message.id,
        version: known,
        acceptedAt: now,
        packed: bytes,
      });
    }
    return { stale: false, version: known };
  }

  /** A message that was refused is back in the queue. */
  resume(position: number, packed: Uint8Array): void {
    const message = unpackMessage(packed, this.#node);
    const { delivery } = message;
    if (delivery.kind === "volatile") return;
    const now = this.#clock.wallTime();
    this.feeds.committed({
      position,
      size: packed.length,
      kind: delivery.kind,
      key: message.resource.path,
      deleted: delivery.kind === "state" && message.operation === "delete",
      priority: delivery.kind === "event" ? delivery.priority : 0,
      expiresAt:
        delivery.kind === "event" && delivery.ttlMs ? now + delivery.ttlMs : Number.POSITIVE_INFINITY,
      id: message.id,
      version: message.resourceVersion,
      acceptedAt: now,
      packed,
    });
  }

  follow(reader: FeedReader, part: StorePart = "all"): OutboxFeed {
    return new OutboxFeed(this, reader, part);
  }

  pages(part: StorePart): PageSource {
    return new QueueReader(this.#row, part, this.#parts);
  }

  settle(batch: readonly Settled[]): Promise<void> {
    return this.#settling.add(batch);
  }

  refuse(record: SendRecord<StoredMessage>, code: ErrorCode, text: string): Promise<void> {
    return this.#writer.call({
      op: "refuse",
      node: this.#row,
      position: record.item.position,
      sends: record.sends,
      firstSentAt: record.firstSentAt,
      lastSentAt: record.lastSentAt,
      reason: JSON.stringify({ code, text }),
      now: this.#clock.wallTime(),
    });
  }

  expire(item: StoredMessage): Promise<void> {
    return this.#writer.call({
      op: "expire",
      node: this.#row,
      position: item.position,
      now: this.#clock.wallTime(),
    });
  }

  unacked(records: readonly SendRecord<StoredMessage>[]): void {
    if (records.length === 0) return;
    // Numbers for the ledger only: when they cannot be written, nothing is lost.
    void this.#writeUnacked(this.#rowsOf(records)).then(undefined, () => undefined);
  }

  /** A few in each transaction: a node that leaves with a full window does not hold up the others. */
  async #writeUnacked(rows: Float64Array): Promise<void> {
    for (let at = 0; at < rows.length; at += unackedAtOnce * settleWidth)
      await this.#writer.call({ op: "unacked", rows: rows.slice(at, at + unackedAtOnce * settleWidth) });
  }

  backlog(): Promise<{ messages: number; bytes: number }> {
    return this.#writer.call({ op: "backlog", node: this.#row });
  }

  #rowsOf(records: readonly SendRecord<StoredMessage>[]): Float64Array {
    const rows = new Float64Array(records.length * settleWidth);
    const now = this.#clock.wallTime();
    let at = 0;
    for (const record of records) {
      rows[at++] = record.item.position;
      rows[at++] = record.sends;
      rows[at++] = record.firstSentAt;
      rows[at++] = record.lastSentAt;
      rows[at++] = now;
    }
    return rows;
  }
}

/** MetaManager of the node keeps it, and names it when it says what it has. */
function isListed({ group, operation, parentId }: Message): boolean {
  if (parentId !== undefined || (group !== "resource" && group !== "func")) return false;
  return operation === "insert" || operation === "update" || operation === "delete";
}
