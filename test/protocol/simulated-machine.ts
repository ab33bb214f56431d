import type { SendRecord } from "../../protocol/delivery-queue.ts";
import { type ErrorCode, HubError } from "../../protocol/errors.ts";
import type { StoredMessage } from "../../protocol/frame.ts";
import type { Message } from "../../protocol/message.ts";
import type { Feed, FeedReader, MessageStore, Settled } from "../../protocol/message-store.ts";
import type { HeldContent } from "../../protocol/short-forms.ts";
import { compareVersions, type ResourceVersion } from "../../protocol/version.ts";
import { Feeds, OutboxFeed, type PageSource, type ReceiptContent } from "../../transport/index.ts";
import type { FakeClock } from "../support/fake-clock.ts";

/** What survives a crash: what is to be sent, and what was received. */
export class Disk {
  /** Unsettled messages by position. */
  readonly outbox = new Map<number, StoredMessage>();
  /** Newest accepted version per key. */
  readonly accepted = new Map<string, ResourceVersion>();
  /** Accepted events in order, with their priority. */
  readonly events: { id: string; priority: number }[] = [];
  readonly eventIds = new Set<string>();
  /** Newest version per key that the peer has acked. */
  readonly settled = new Map<string, ResourceVersion>();
  readonly refused = new Map<string, ErrorCode>();
  readonly expired = new Set<string>();
  last = 0;
  /** What the peer sent: newest version per key, events as they came. */
  readonly applied = new Map<string, ResourceVersion>();
  /** The content that came with it; none of what was deleted. */
  readonly contents = new Map<string, HeldContent>();
  readonly received: { id: string; priority: number; link: number }[] = [];
  readonly receivedIds = new Set<string>();
}

interface Write {
  apply(): void;
  reject(error: HubError): void;
}

/**
 * One process on a disk, from its start to its crash. Writes take effect together, some time after they were
 * given, and in order; a crash forgets what has not taken effect.
 */
export class Machine implements MessageStore {
  readonly disk: Disk;
  readonly #clock: FakeClock;
  readonly #delayMs: () => number;
  #alive = true;
  #writes: Write[] = [];
  #commitIsDue = false;
  #stalledUntil = 0;
  #refusesUntil = 0;
  #failures = 0;
  readonly feeds = new Feeds();

  constructor(disk: Disk, clock: FakeClock, delayMs: () => number) {
    this.disk = disk;
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  crash(): void {
    this.#alive = false;
    this.#writes = [];
  }

  /** Nothing takes effect for so long: acks are withheld. */
  stall(ms: number): void {
    this.#stalledUntil = this.#clock.now() + ms;
  }

  /** Refuses everything that comes for so long. */
  refuseAll(ms: number): void {
    this.#refusesUntil = this.#clock.now() + ms;
  }

  /** All that is being written now will fail. */
  failNextCommit(): void {
    this.#failures++;
  }

  heal(): void {
    this.#stalledUntil = 0;
    this.#refusesUntil = 0;
    this.#failures = 0;
  }

  // ── outbox ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes over a message for the peer. */
  put(item: Omit<StoredMessage, "position">): Promise<void> {
    return this.#write(() => {
      const { disk } = this;
      if (item.kind === "event") {
        if (disk.eventIds.has(item.id)) return;
        disk.eventIds.add(item.id);
        disk.events.push({ id: item.id, priority: item.priority });
      } else {
        const known = disk.accepted.get(item.key);
        if (known !== undefined && compareVersions(item.version as ResourceVersion, known) <= 0) return;
        disk.accepted.set(item.key, item.version as ResourceVersion);
        for (const row of disk.outbox.values())
          if (row.kind === "state" && row.key === item.key && !row.deleted) disk.outbox.delete(row.position);
      }
      const position = ++disk.last;
      disk.outbox.set(position, { ...item, position });
      this.feeds.committed({ ...item, position });
    });
  }

  follow(reader: FeedReader): Feed {
    return new OutboxFeed(this, reader, "all");
  }

  pages(): PageSource {
    return {
      page: (after) => {
        const messages = [...this.disk.outbox.values()].filter(({ position }) => position > after);
        return Promise.resolve({ messages, complete: true });
      },
    };
  }

  settle(batch: readonly Settled[]): Promise<void> {
    return this.#write(() => {
      for (const { item } of batch) {
        this.disk.outbox.delete(item.position);
        if (item.kind === "state") raise(this.disk.settled, item.key, item.version as ResourceVersion);
      }
    });
  }

  refuse({ item }: SendRecord<StoredMessage>, code: ErrorCode): Promise<void> {
    return this.#write(() => {
      if (this.disk.outbox.delete(item.position)) this.disk.refused.set(item.id, code);
    });
  }

  expire(item: StoredMessage): Promise<void> {
    return this.#write(() => {
      if (this.disk.outbox.delete(item.position)) this.disk.expired.add(item.id);
    });
  }

  unacked(): void {}

  // ── inbox ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Takes what the peer sent; an older version changes nothing. */
  received(message: Message, link: number): Promise<ReceiptContent | undefined> {
    if (this.#clock.now() < this.#refusesUntil)
      return Promise.reject(new HubError("E_STORAGE_FULL", "the disk is full"));
    let receipt: ReceiptContent | undefined;
    return this.#write(() => {
      const { disk } = this;
      const { delivery, id, resourceVersion: version } = message;
      if (delivery.kind === "event") {
        disk.received.push({ id, priority: delivery.priority, link });
        disk.receivedIds.add(id);
      } else if (version !== undefined) {
        const key = message.resource.path;
        const stale = !raise(disk.applied, key, version);
        if (!stale && message.operation === "delete") disk.contents.delete(key);
        else if (!stale) disk.contents.set(key, { version, content: message.content.slice() });
        receipt = { stale, version: disk.applied.get(key) };
      }
    }).then(() => receipt);
  }

  // ── writes ─────────────────────────────────────────────────────────────────────────────────────────────

  #write(apply: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#alive) return;
      this.#writes.push({
        apply: () => {
          apply();
          resolve();
        },
        reject,
      });
      this.#scheduleCommit(this.#delayMs());
    });
  }

  #scheduleCommit(delayMs: number): void {
    if (this.#commitIsDue) return;
    this.#commitIsDue = true;
    this.#clock.after(delayMs, () => this.#commit());
  }

  #commit(): void {
    this.#commitIsDue = false;
    if (!this.#alive) return;
    if (this.#clock.now() < this.#stalledUntil) {
      this.#scheduleCommit(this.#stalledUntil - this.#clock.now());
      return;
    }
    const writes = this.#writes.splice(0);
    if (this.#failures > 0) {
      this.#failures--;
      for (const write of writes) write.reject(new HubError("E_STORAGE", "the disk failed"));
      return;
    }
    for (const write of writes) write.apply();
  }
}

/** @returns True if the version is news. */
function raise(versions: Map<string, ResourceVersion>, key: string, version: ResourceVersion): boolean {
  const known = versions.get(key);
  if (known !== undefined && compareVersions(version, known) <= 0) return false;
  versions.set(key, version);
  return true;
}
