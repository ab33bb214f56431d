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
import type { HubStore } from "./store/hub-store.ts";

/** The end of a message, for those who wait for it. */
type End = { readonly ok: true } | { readonly ok: false; readonly error: HubError };

interface Waiter {
  /** Does this end of a message end the waiting? */
  readonly concerns: (item: StoredMessage, ok: boolean) => boolean;
  readonly done: (end: End) => void;
}

/** Knows what of a node's messages is on the wire right now. */
export type SendsOf = (node: NodeId, position: number) => SendRecord<StoredMessage> | undefined;

/** Where messages are: what the store remembers, what is on the wire, and who waits for an end. */
export class Ledger {
  readonly #store: HubStore;
  readonly #sendsOf: SendsOf;
  readonly #waiters = new Map<NodeId, Set<Waiter>>();

  constructor(store: HubStore, sendsOf: SendsOf) {
    this.#store = store;
    this.#sendsOf = sendsOf;
  }

  /** A node's outbox that tells the ledger how its messages end. */
  observed(node: NodeId): MessageStore {
    const outbox = this.#store.outbox(node);
    return {
      follow: (signal) => outbox.follow(signal),
      settle: async (batch) => {
        await outbox.settle(batch);
        this.#settled(node, batch);
      },
      refuse: async (record, code, text) => {
        await outbox.refuse(record, code, text);
        this.#ended(node, record.item, { ok: false, error: refusal(code, text) });
      },
      expire: async (item) => {
        await outbox.expire(item);
        this.#ended(node, item, {
          ok: false,
          error: new HubError("E_EXPIRED", "its time to live ended before the node acknowledged it"),
        });
      },
      unacked: (records) => outbox.unacked(records),
    };
  }

  async where(query: LedgerQuery & { readonly node: NodeId }): Promise<LedgerEntry[]> {
    const entries = await this.#store.ledger({
      ...query,
      limit: Math.min(Math.max(query.limit ?? 100, 1), 1000),
    });
    return entries.map((entry) => {
      const live = entry.state === "accepted" ? this.#sendsOf(query.node, entry.position) : undefined;
      if (live === undefined) return entry;
      return { ...entry, sends: live.sends, firstSentAt: live.firstSentAt, lastSentAt: live.lastSentAt };
    });
  }

  /**
   * Waits until the node has what was published, or a newer version of it.
   *
   * Rejects with `E_REFUSED`, `E_EXPIRED`, `E_TIMEOUT` (after `timeoutMs` on `after`'s clock) or `E_ABORTED`.
   */
  async acked(
    published: Pick<Published, "node" | "id" | "resource" | "version">,
    limit: {
      signal?: AbortSignal | undefined;
      timeoutMs?: number | undefined;
      after(delayMs: number, run: () => void): () => void;
    },
  ): Promise<void> {
    const { node } = published;
    const waiters = this.#waiters.get(node) ?? new Set();
    this.#waiters.set(node, waiters);
    let waiter: Waiter | undefined;
    let cancel: () => void = () => {};
    let abort: () => void = () => {};
    try {
      const end = await new Promise<End>((resolve) => {
        const fail = (code: ErrorCode, text: string): void =>
          resolve({ ok: false, error: new HubError(code, text) });
        waiter = { concerns: (item, ok) => concerns(published, item, ok), done: resolve };
        waiters.add(waiter);
        abort = () => fail("E_ABORTED", "gave up waiting");
        limit.signal?.addEventListener("abort", abort, { once: true });
        if (limit.signal?.aborted) abort();
        if (limit.timeoutMs !== undefined) {
          cancel = limit.after(limit.timeoutMs, () =>
            fail("E_TIMEOUT", `${node} has not acknowledged it within ${limit.timeoutMs} ms`),
          );
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
      if (waiter) waiters.delete(waiter);
      if (waiters.size === 0) this.#waiters.delete(node);
    }
  }

  /** How it ended, if it has. */
  async #past(published: Pick<Published, "node" | "id" | "resource" | "version">): Promise<End | undefined> {
    const { node, version, resource, id } = published;
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

  #settled(node: NodeId, batch: readonly Settled[]): void {
    if (!this.#waiters.has(node)) return;
    for (const { item } of batch) this.#ended(node, item, { ok: true });
  }

  #ended(node: NodeId, item: StoredMessage, end: End): void {
    for (const waiter of this.#waiters.get(node) ?? []) if (waiter.concerns(item, end.ok)) waiter.done(end);
  }
}

function concerns(
  published: { id: string; resource: string; version: ResourceVersion | undefined },
  item: StoredMessage,
  ok: boolean,
): boolean {
  if (item.id === published.id) return true;
  if (!ok || item.kind !== "state" || item.key !== published.resource) return false;
  return (
    item.version !== undefined &&
    published.version !== undefined &&
    compareVersions(item.version, published.version) >= 0
  );
}

function refusal(code: ErrorCode, text: string): HubError {
  return new HubError("E_REFUSED", `the node refused it: ${code}: ${text}`);
}
