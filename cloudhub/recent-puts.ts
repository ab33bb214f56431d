import type { MessageId, NodeId } from "../protocol/index.ts";

/** So many are remembered at least, and twice as many at most. */
const atLeast = 2_048;

type Puts = Map<NodeId, Map<string, Put>>;

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
  // By node, then by resource: a key of both would have to be made for each ack.
  #puts: Puts = new Map();
  #count = 0;
  /** Those before them; they go all at once. */
  #older: Puts = new Map();

  /** Before anything can be heard of how it ends. */
  accepted(node: NodeId, resource: string, id: MessageId): void {
    if (this.#count >= atLeast) {
      this.#older = this.#puts;
      this.#puts = new Map();
      this.#count = 0;
    }
    let ofNode = this.#puts.get(node);
    if (ofNode === undefined) {
      ofNode = new Map();
      this.#puts.set(node, ofNode);
    }
    if (!ofNode.has(resource)) this.#count++;
    ofNode.set(resource, { id, acked: false });
  }

  ended(node: NodeId, resource: string, id: MessageId, ok: boolean): void {
    const put = this.#find(node, resource);
    if (put?.id !== id) return;
    if (ok) {
      put.acked = true;
      return;
    }
    if (this.#puts.get(node)?.delete(resource)) this.#count--;
    this.#older.get(node)?.delete(resource);
  }

  /** @returns `undefined`: ask the store. */
  stateOf(node: NodeId, resource: string, id: MessageId): "waiting" | "acked" | undefined {
    const put = this.#find(node, resource);
    if (put?.id !== id) return undefined;
    return put.acked ? "acked" : "waiting";
  }

  #find(node: NodeId, resource: string): Put | undefined {
    return this.#puts.get(node)?.get(resource) ?? this.#older.get(node)?.get(resource);
  }
}
