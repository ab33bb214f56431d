import {
  compareVersions,
  type ErrorCode,
  HubError,
  type LedgerEntry,
  type LedgerQuery,
  type MessageStore,
  type NodeId,
  type Published,
  type ResourceVersion,
  type SendRecord,
  type Settled,
  type StoredMessage,
} from "../protocol/index.ts";
import { RecentPuts } from "./recent-puts.ts";
import type { Corrected, HubStore, NodeOutbox } from "./store/hub-store.ts";

/** The end of a message, for those who wait for it. */
type End = { readonly ok: true } | { readonly ok: false; readonly error: HubError };

interface Waiter {
  readonly published: Wanted;
  readonly done: (end: End) => void;
}

/** What is asked of a message that has ended. */
type EndedMessage = Pick<StoredMessage, "id" | "kind" | "key" | "version">;

/** What somebody waits for. */
type Wanted = Pick<Published, "node" | "id" | "resource" | "version">;

/** Those who wait for messages of one node: by message, and by resource for a newer version of it. */
class Waiters {
  readonly #byId = new Map<string, Set<Waiter>>();
  readonly #byResource = new Map<string, Set<Waiter>>();

  get size(): number {
    return this.#byId.size;
  }

  add(waiter: Waiter): void {
    put(this.#byId, waiter.published.id, waiter);
    put(this.#byResource, waiter.published.resource, waiter);
  }

  remove(waiter: Waiter): void {
    drop(this.#byId, waiter.published.id, waiter);
    drop(this.#byResource, waiter.published.resource, waiter);
  }

  /** Those for whom this end of a message is the end of waiting. */
  concerned(item: EndedMessage, ok: boolean): Waiter[] {
    const found = [...(this.#byId.get(item.id) ?? [])];
    if (!ok || item.kind !== "state") return found;
    for (const waiter of this.#byResource.get(item.key) ?? []) {
      if (waiter.published.id !== item.id && isSameOrNewer(item.version, waiter.published.version))
        found.push(waiter);
    }
    return found;
  }
}

/** Is told how messages end. */
interface Told {
  settled(node: NodeId, batch: readonly Settled[]): void;
  ended(node: NodeId, item: EndedMessage, end: End): void;
}

/** There is one for each link, so it holds little. */
class ObservedOutbox implements MessageStore {
  readonly #outbox: NodeOutbox;
  readonly #node: NodeId;
  readonly #told: Told;

  constructor(outbox: NodeOutbox, node: NodeId, told: Told) {
    this.#outbox = outbox;
    this.#node = node;
    this.#told = told;
  }

  get urgentApart(): boolean {
    return this.#outbox.urgentApart ?? false;
  }

  follow(...reading: Parameters<MessageStore["follow"]>): ReturnType<MessageStore["follow"]> {
    return this.#outbox.follow(...reading);
  }

  settle(batch: readonly Settled[]): Promise<void> {
    return this.#outbox.settle(batch).then(() => this.#told.settled(this.#node, batch));
  }

  async refuse(record: SendRecord<StoredMessage>, code: ErrorCode, text: string): Promise<void> {
    await this.#outbox.refuse(record, code, text);
    this.#told.ended(this.#node, record.item, { ok: false, error: refusal(code, text) });
  }

  async expire(item: StoredMessage): Promise<void> {
    await this.#outbox.expire(item);
    const error = new HubError("E_EXPIRED", "its time to live ended before the node acknowledged it");
    this.#told.ended(this.#node, item, { ok: false, error });
  }

  unacked(records: readonly SendRecord<StoredMessage>[]): void {
    this.#outbox.unacked(records);
  }
}

/** Knows what of a node's messages is on the wire right now. */
export type SendsOf = (node: NodeId, position: number) => SendRecord<StoredMessage> | undefined;

/** Where messages are: what the store remembers, what is on the wire, and who waits for an end. */
export class Ledger {
  readonly #store: HubStore;
  readonly #sendsOf: SendsOf;
  readonly #waiters = new Map<NodeId, Waiters>();
  readonly #recent = new RecentPuts();
  readonly #told: Told = {
    settled: (node, batch) => this.#settled(node, batch),
    ended: (node, item, end) => this.#ended(node, item, end),
  };

  constructor(store: HubStore, sendsOf: SendsOf) {
    this.#store = store;
    this.#sendsOf = sendsOf;
  }

  /** A put was accepted just now. */
  accepted({ node, resource, id }: Published): void {
    this.#recent.accepted(node, resource, id);
  }

  /** A node's outbox that tells the ledger how its messages end. */
  observed(node: NodeId): MessageStore {
    return new ObservedOutbox(this.#store.outbox(node), node, this.#told);
  }

  async where(query: LedgerQuery & { readonly node: NodeId }): Promise<LedgerEntry[]> {
    const entries = await this.#store.ledger({
      ...query,
      limit: Math.min(Math.max(query.limit ?? 100, 1), 1000),
    });
    return entries.map((entry) => {
      const live = entry.state === "accepted" ? this.#sendsOf(query.node, entry.position) : undefined;
      if (live === undefined) return entry;
      // The store knows the sends of earlier links, the link its own.
      return {
        ...entry,
        sends: entry.sends + live.sends,
        firstSentAt: entry.firstSentAt ?? live.firstSentAt,
        lastSentAt: live.lastSentAt,
      };
    });
  }

  /**
   * Waits until the node has what was published, or a newer version of it.
   *
   * Rejects with `E_REFUSED`, `E_EXPIRED`, `E_TIMEOUT` (after `timeoutMs` on `after`'s clock) or `E_ABORTED`.
   */
  async acked(
    published: Wanted,
    limit: {
      signal?: AbortSignal | undefined;
      timeoutMs?: number | undefined;
      after(delayMs: number, run: () => void): () => void;
    },
  ): Promise<void> {
    const { node } = published;
    const waiters = this.#waiters.get(node) ?? new Waiters();
    this.#waiters.set(node, waiters);
    let waiter: Waiter | undefined;
    let cancel: () => void = () => {};
    let abort: () => void = () => {};
    try {
      const end = await new Promise<End>((resolve) => {
        const fail = (code: ErrorCode, text: string): void =>
          resolve({ ok: false, error: new HubError(code, text) });
        waiter = { published, done: resolve };
        waiters.add(waiter);
        abort = () => fail("E_ABORTED", "gave up waiting");
        limit.signal?.addEventListener("abort", abort, { once: true });
        if (limit.signal?.aborted) abort();
        if (limit.timeoutMs !== undefined) {
          const text = `${node} has not acknowledged it within ${limit.timeoutMs} ms`;
          cancel = limit.after(limit.timeoutMs, () => fail("E_TIMEOUT", text));
        }
        this.#past(published).then(
          (past) => past && resolve(past),
          (error: HubError) => resolve({ ok: false, error }),
        );
      });
      if (!end.ok) throw end.error;
    } finally {
      cancel();
      limit.signal?.removeEventListener("abort", abort);
      if (waiter) waiters.remove(waiter);
      if (waiters.size === 0 && this.#waiters.get(node) === waiters) this.#waiters.delete(node);
    }
  }

  /** How it ended, if it has. */
  async #past(published: Wanted): Promise<End | undefined> {
    const { node, version, resource, id } = published;
    const recent = this.#store.node(node) && this.#recent.stateOf(node, resource, id);
    if (recent !== undefined) return recent === "acked" ? { ok: true } : undefined;
    if (version !== undefined) {
      const checkpoint = await this.#store.checkpoint(node, resource);
      if (checkpoint && compareVersions(checkpoint.version, version) >= 0) return { ok: true };
    }
    const [entry] = await this.#store.ledger({ node, id, limit: 1 });
    if (entry?.state === "persisted") return { ok: true };
    if (entry?.state === "refused")
      return { ok: false, error: refusal(entry.code ?? "E_REFUSED", entry.text ?? "") };
    if (entry?.state === "expired")
      return {
        ok: false,
        error: new HubError("E_EXPIRED", "its time to live ended before the node acknowledged it"),
      };
    return undefined;
  }

  /** The node has said that it has these, which it had not acked. */
  corrected(node: NodeId, settled: Corrected["settled"]): void {
    for (const { id, resource, version } of settled) {
      const item = { id, key: resource, version, kind: "state" } as const;
      this.#ended(node, item, { ok: true });
    }
  }

  #settled(node: NodeId, batch: readonly Settled[]): void {
    const awaited = this.#waiters.has(node);
    for (const { item } of batch) {
      if (awaited) this.#ended(node, item, { ok: true });
      else if (item.kind === "state") this.#recent.ended(node, item.key, item.id, true);
    }
  }

  #ended(node: NodeId, item: EndedMessage, end: End): void {
    if (item.kind === "state") this.#recent.ended(node, item.key, item.id, end.ok);
    for (const waiter of this.#waiters.get(node)?.concerned(item, end.ok) ?? []) waiter.done(end);
  }
}

function isSameOrNewer(version: ResourceVersion | undefined, than: ResourceVersion | undefined): boolean {
  return version !== undefined && than !== undefined && compareVersions(version, than) >= 0;
}

function put(index: Map<string, Set<Waiter>>, key: string, waiter: Waiter): void {
  const found = index.get(key);
  if (found) found.add(waiter);
  else index.set(key, new Set([waiter]));
}

function drop(index: Map<string, Set<Waiter>>, key: string, waiter: Waiter): void {
  const found = index.get(key);
  found?.delete(waiter);
  if (found?.size === 0) index.delete(key);
}

function refusal(code: ErrorCode, text: string): HubError {
  return new HubError("E_REFUSED", `the node refused it: ${code}: ${text}`);
}
