import type { Clock } from "../../platform/clock.ts";
import {
  type Database,
  type GroupCommit,
  prepareAll,
  type Sequence,
  type Statements,
} from "../../platform/sqlite.ts";
import {
  type ErrorCode,
  type FeedReader,
  HubError,
  type Message,
  type MessageId,
  type MessageStore,
  packMessage,
  type ResourceVersion,
  type SendRecord,
  type Settled,
  type StoredMessage,
  type StorePart,
} from "../../protocol/index.ts";
import { Feeds, OutboxFeed, type PageSource } from "../../transport/index.ts";
import type { ReportTable } from "./report-table.ts";

export interface OutboxOptions {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** When it is full: refuse the new message, or drop the oldest ones. */
  readonly whenFull: "rejectNew" | "dropOldest";
}

/** Counted since the agent started. */
export interface OutboxCounts {
  messages: number;
  bytes: number;
  /** Dropped to make room. */
  dropped: number;
  /** Refused for want of room. */
  rejected: number;
  expired: number;
  refused: number;
}

interface Row {
  readonly position: number;
  readonly id: string;
  readonly key: string | null;
  readonly operation: string;
  readonly version: string | null;
  readonly priority: number;
  readonly expires_at: number | null;
  readonly size: number;
  readonly accepted_at: number;
  readonly packed: Uint8Array;
}

/** So many refused messages are kept for people. */
const keptRefused = 1_000;

/**
 * Messages on their way to the cloud: durable here before anybody is told so, gone when the cloud has taken
 * them. State keeps its newest version only; events keep their order.
 */
export class Outbox implements MessageStore {
  readonly counts: OutboxCounts;
  readonly #commit: GroupCommit;
  readonly #clock: Clock;
  readonly #options: OutboxOptions;
  readonly #sql: Statements<keyof typeof sqlTexts>;
  readonly feeds = new Feeds();
  readonly urgentApart = true;
  readonly #reports: ReportTable;
  readonly #onDrop: (count: number) => void;

  /** @param reports Keeps what messages report. @param onDrop So many messages were dropped to make room. */
  constructor(
    parts: {
      database: Database;
      commit: GroupCommit;
      clock: Clock;
      reports: ReportTable;
      onDrop(count: number): void;
    },
    options: OutboxOptions,
  ) {
    this.#commit = parts.commit;
    this.#clock = parts.clock;
    this.#reports = parts.reports;
    this.#onDrop = parts.onDrop;
    this.#options = options;
    this.#sql = prepareAll(parts.database, sqlTexts);
    this.counts = { messages: 0, bytes: 0, dropped: 0, rejected: 0, expired: 0, refused: 0 };
    this.recount();
  }

  /**
   * Accepts a message. Resolves once it is on the disk. Rejects with `E_OUTBOX_FULL`, `E_TOO_LARGE`,
   * `E_STORAGE_FULL` …
   *
   * @param sequence Of its sender, if the order of his messages matters also when one is not accepted.
   */
  async put(message: Message, sequence?: Sequence): Promise<void> {
    const stored = await this.#commit.run(() => this.insert(message), sequence);
    this.announce([stored]);
  }

  /** Inside the caller's transaction; {@link announce} follows once that is on the disk. Throws as {@link put}. */
  insert(message: Message): StoredMessage {
    const { delivery } = message;
    if (delivery.kind === "volatile")
      throw new HubError("E_BAD_MESSAGE", "a volatile message is never stored");
    const now = this.#clock.wallTime();
    const packed = packMessage(message);
    const isState = delivery.kind === "state";
    const row = {
      id: message.id,
      key: isState ? message.resource.path : null,
      operation: message.operation,
      version: message.resourceVersion ?? null,
      priority: isState ? 0 : delivery.priority,
      expires_at: isState || delivery.ttlMs === undefined ? null : now + delivery.ttlMs,
      size: packed.length,
      accepted_at: now,
      packed,
    };
    const stored = storedMessage({ ...row, position: this.#insert(row) });
    this.#reports.keep(message);
    return stored;
  }

  /** These are on the disk: links may send them. */
  announce(stored: readonly StoredMessage[]): void {
    for (const message of stored) this.feeds.committed(message);
    this.#reports.announce();
  }

  follow(reader: FeedReader, part: StorePart = "all"): OutboxFeed {
    return new OutboxFeed(this, reader, part);
  }

  pages(part: StorePart): PageSource {
    return { page: (after, limit) => this.#page(after, limit, part) };
  }

  async settle(batch: readonly Settled[]): Promise<void> {
    await this.#commit.run(() => {
      for (const { item } of batch) this.#remove(item.position);
    });
  }

  async refuse(record: SendRecord<StoredMessage>, code: ErrorCode, text: string): Promise<void> {
    await this.#commit.run(() => {
      if (!this.#remove(record.item.position)) return;
      const { position, id, packed } = record.item;
      this.#sql.refuse.run(position, id, this.#clock.wallTime(), code, text, packed);
      this.#sql.cutRefused.run(keptRefused);
      this.counts.refused++;
    });
  }

  async expire(item: StoredMessage): Promise<void> {
    await this.#commit.run(() => {
      if (this.#remove(item.position)) this.counts.expired++;
    });
  }

  unacked(): void {}

  /** Reads the counts from the rows: at the start, and after a rollback. */
  recount(): void {
    const { messages, bytes } = this.#sql.count.get() as { messages: number; bytes: number };
    this.counts.messages = messages;
    this.counts.bytes = bytes;
  }

  #insert(row: Omit<Row, "position">): number {
    const replaced =
      row.key === null
        ? undefined
        : (this.#sql.byKey.get(row.key) as { position: number; size: number } | undefined);
    this.#makeRoom(row.size, replaced);
    if (replaced) this.#remove(replaced.position);
    this.counts.messages++;
    this.counts.bytes += row.size;
    return Number(this.#sql.insert.run(row).lastInsertRowid);
  }

  /** @param replaced Goes anyway. Throws before anything is written that matters. */
  #makeRoom(size: number, replaced: { readonly size: number } | undefined): void {
    const { maxMessages, maxBytes, whenFull } = this.#options;
    if (size > maxBytes)
      throw new HubError(
        "E_TOO_LARGE",
        `the outbox holds at most ${maxBytes} bytes, this message has ${size}`,
      );
    const isFull = (): boolean =>
      this.counts.messages - (replaced ? 1 : 0) >= maxMessages ||
      this.counts.bytes - (replaced?.size ?? 0) + size > maxBytes;
    if (!isFull()) return;
    this.#dropExpired();
    if (!isFull()) return;
    if (whenFull === "rejectNew") {
      this.counts.rejected++;
      const text = `the outbox holds ${this.counts.messages} messages, ${this.counts.bytes} bytes; at most ${maxMessages} and ${maxBytes} are allowed`;
      throw new HubError("E_OUTBOX_FULL", text);
    }
    let dropped = 0;
    while (isFull()) {
      const oldest = this.#sql.oldest.get() as { position: number } | undefined;
      if (oldest === undefined || !this.#remove(oldest.position)) break;
      dropped++;
    }
    this.counts.dropped += dropped;
    this.#onDrop(dropped);
  }

  #dropExpired(): void {
    for (const { position } of this.#sql.expired.all(this.#clock.wallTime()) as { position: number }[]) {
      if (this.#remove(position)) this.counts.expired++;
    }
  }

  /** @returns False if it was gone already. */
  #remove(position: number): boolean {
    const row = this.#sql.remove.get(position) as { size: number } | undefined;
    if (row === undefined) return false;
    this.counts.messages--;
    this.counts.bytes -= row.size;
    return true;
  }

  /** Read inside a transaction of the group commit, so that it stands in one order with the puts. */
  #page(
    after: number,
    limit: number,
    part: StorePart,
  ): Promise<{ messages: readonly StoredMessage[]; complete: boolean }> {
    const page = { all: this.#sql.page, urgent: this.#sql.urgentPage, rest: this.#sql.restPage }[part];
    return this.#commit.run(() => {
      const rows = page.all(after, limit + 1) as Row[];
      return {
        messages: rows.slice(0, limit).map(storedMessage),
        complete: rows.length <= limit,
      };
    });
  }
}

function storedMessage(row: Row): StoredMessage {
  return {
    position: row.position,
    size: row.size,
    kind: row.key === null ? "event" : "state",
    key: row.key ?? "",
    deleted: row.key !== null && row.operation === "delete",
    priority: row.priority,
    expiresAt: row.expires_at ?? Number.POSITIVE_INFINITY,
    id: row.id as MessageId,
    version: (row.version ?? undefined) as ResourceVersion | undefined,
    acceptedAt: row.accepted_at,
    packed: row.packed,
  };
}

const sqlTexts = {
  insert: `INSERT INTO outbox (id, key, operation, version, priority, expires_at, size, accepted_at, packed)
      VALUES ($id, $key, $operation, $version, $priority, $expires_at, $size, $accepted_at, $packed)`,
  byKey: "SELECT position, size FROM outbox WHERE key = ?",
  remove: "DELETE FROM outbox WHERE position = ? RETURNING size",
  oldest: "SELECT position FROM outbox ORDER BY position LIMIT 1",
  expired: "SELECT position FROM outbox WHERE expires_at <= ?",
  count: "SELECT count(*) AS messages, coalesce(sum(size), 0) AS bytes FROM outbox",
  page: "SELECT * FROM outbox WHERE position > ? ORDER BY position LIMIT ?",
  urgentPage: "SELECT * FROM outbox WHERE position > ? AND priority > 0 ORDER BY position LIMIT ?",
  restPage: "SELECT * FROM outbox WHERE position > ? AND priority <= 0 ORDER BY position LIMIT ?",
  refuse:
    "INSERT OR REPLACE INTO refused (position, id, refused_at, code, text, packed) VALUES (?, ?, ?, ?, ?, ?)",
  cutRefused:
    "DELETE FROM refused WHERE position NOT IN (SELECT position FROM refused ORDER BY position DESC LIMIT ?)",
};
