import type { MessageId, NodeId } from "../protocol/index.ts";

/** So many are remembered. */
const maxPuts = 4_096;

/**
 * The newest put of each resource of each node, of those that were accepted lately, and whether the node has it: who
 * publishes and waits for the ack asks right behind, and need not ask the store. Pure.
 *
 * Of what is not known here nothing follows. A put that was refused is forgotten, as it may be put back into the queue.
 */
export class RecentPuts {
  readonly #puts = new Map<string, { readonly id: MessageId; acked: boolean }>();

  /** Before anything can be heard of how it ends. */
  accepted(node: NodeId, resource: string, id: MessageId): void {
    const key = keyOf(node, resource);
    this.#puts.delete(key);
    this.#puts.set(key, { id, acked: false });
    for (const oldest of this.#puts.keys()) {
      if (this.#puts.size <= maxPuts) return;
      this.#puts.delete(oldest);
    }
  }

  ended(node: NodeId, resource: string, id: MessageId, ok: boolean): void {
    const key = keyOf(node, resource);
    const put = this.#puts.get(key);
    if (put?.id !== id) return;
    if (ok) put.acked = true;
    else this.#puts.delete(key);
  }

  /** @returns `undefined`: ask the store. */
  stateOf(node: NodeId, resource: string, id: MessageId): "waiting" | "acked" | undefined {
    const put = this.#puts.get(keyOf(node, resource));
    if (put?.id !== id) return undefined;
    return put.acked ? "acked" : "waiting";
  }
}

/** Neither has a space in it. */
function keyOf(node: NodeId, resource: string): string {
  return `${node} ${resource}`;
}
