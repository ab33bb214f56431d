import type { Clock } from "../../platform/clock.ts";
import type { Writer } from "../../platform/writer.ts";
import {
  type ErrorCode,
  HubError,
  type Message,
  type MessageId,
  type NodeId,
  packMessage,
  type ResourceVersion,
  type SendRecord,
  type Settled,
  type StoredMessage,
  type StorePart,
  unpackMessage,
} from "../../protocol/index.ts";
import { OutboxFeed } from "../../transport/index.ts";
import type { NodeOutbox, PutResult } from "./hub-store.ts";
import { kindNumbers, type MessageRow } from "./schema.ts";
import type { SettleBatch } from "./settle-batch.ts";
import { SettleLane } from "./settle-lane.ts";
import { type PageRow, type PutRow, type StoreOp, settleWidth } from "./sqlite-ops.ts";
import type { TurnShare } from "./turn-share.ts";

/** So many bytes one read of the store brings at most, but for a single larger message. */
const pageBytes = 1 << 20;

export interface SqliteOutboxParts {
  readonly writer: Writer<StoreOp>;
  /** Shared by all nodes. */
  readonly settling: SettleBatch;
  /** Shared by all nodes. */
  readonly share: TurnShare;
  readonly clock: Clock;
}

/** The queue of one node, as the main thread sees it. */
export class SqliteOutbox implements NodeOutbox {
  readonly #node: NodeId;
  readonly #row: number;
  readonly #writer: Writer<StoreOp>;
  readonly #settling: SettleLane;
  readonly #clock: Clock;
  readonly #share: TurnShare;
  readonly #feeds = new Set<OutboxFeed>();
  readonly urgentApart = true;

  constructor(node: NodeId, row: number, parts: SqliteOutboxParts) {
    this.#node = node;
    this.#row = row;
    this.#writer = parts.writer;
    this.#settling = new SettleLane(parts);
    this.#clock = parts.clock;
    this.#share = parts.share;
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
    if (this.#feeds.size > 0) {
      const bytes = row.packed ?? packed;
      this.#committed({
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
    this.#committed({
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

  follow(signal: AbortSignal, wanted?: () => number, part: StorePart = "all"): OutboxFeed {
    const feed: OutboxFeed = new OutboxFeed(
      (after, limit) => this.#page(after, limit, part),
      signal,
      () => this.#feeds.delete(feed),
      wanted,
      part,
    );
    this.#feeds.add(feed);
    return feed;
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
    void this.#writer.call({ op: "unacked", rows: this.#rowsOf(records) }).then(undefined, () => undefined);
  }

  backlog(): Promise<{ messages: number; bytes: number }> {
    return this.#writer.call({ op: "backlog", node: this.#row });
  }

  #committed(message: StoredMessage): void {
    for (const feed of this.#feeds) feed.committed(message);
  }

  async #page(
    after: number,
    limit: number,
    part: StorePart,
  ): Promise<{ messages: readonly StoredMessage[]; complete: boolean }> {
    const messages = Math.min(limit, this.#share.messages);
    const op: StoreOp = { op: "page", node: this.#row, after, messages, bytes: pageBytes, part };
    const startedAt = this.#clock.now();
    const { rows, lengths, bytes, complete } = await this.#writer.call<PageRow>(op);
    this.#share.took(this.#clock.now() - startedAt);
    let end = 0;
    const read = rows.map((row, i) => {
      const start = end;
      end += lengths[i] as number;
      return storedMessage(row, bytes.subarray(start, end));
    });
    return { messages: read, complete };
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

function storedMessage(row: Omit<MessageRow, "packed">, packed: Uint8Array): StoredMessage {
  const kind = row.kind === kindNumbers.state ? "state" : "event";
  return {
    position: row.position,
    size: row.size,
    kind,
    key: row.resource,
    deleted: kind === "state" && row.operation === "delete",
    priority: row.priority,
    expiresAt: row.expires_at ?? Number.POSITIVE_INFINITY,
    id: row.id as MessageId,
    version: (row.version ?? undefined) as ResourceVersion | undefined,
    acceptedAt: row.accepted_at,
    packed,
  };
}
