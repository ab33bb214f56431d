import type { MessageId, NodeId } from "../protocol/index.ts";

/** So many are remembered at least, and twice as many at most. */
const atLeast = 2_048;

interface Put {
  readonly id: MessageId;
  acked: boolean;
}

/**
 * The newest put of each resource of each node, of those that were accepted lately, and whether the node has it: who
 * publishes and waits for the ack asks right behind, and need not ask the store. Pure.
 *
 * Of what is not known here nothing follows. A put that was refused is forgotten, as it may be put back into the queue.
 */
export class RecentPuts {
  #puts = new Map<string, Put>();
  /** Those before them; they go all at once. */
  #older = new Map<string, Put>();

  /** Before anything can be heard of how it ends. */
  accepted(node: NodeId, resource: string, id: MessageId): void {
    if (this.#puts.size >= atLeast) {
      this.#older = this.#puts;
      this.#puts = new Map();
    }
    this.#puts.set(keyOf(node, resource), { id, acked: false });
  }

  ended(node: NodeId, resource: string, id: MessageId, ok: boolean): void {
    const key = keyOf(node, resource);
    const put = this.#find(key);
    if (put?.id !== id) return;
    if (ok) {
      put.acked = true;
      return;
    }
    this.#puts.delete(key);
    this.#older.delete(key);
  }

  /** @returns `undefined`: ask the store. */
  stateOf(node: NodeId, resource: string, id: MessageId): "waiting" | "acked" | undefined {
    const put = this.#find(keyOf(node, resource));
    if (put?.id !== id) return undefined;
    return put.acked ? "acked" : "waiting";
  }

  #find(key: string): Put | undefined {
    return this.#puts.get(key) ?? this.#older.get(key);
  }
}

/** Neither has a space in it. */
function keyOf(node: NodeId, resource: string): string {
  return `${node} ${resource}`;
}
