import type { NodeId } from "../protocol/index.ts";

/** What the table needs of a link. */
export interface Link {
  readonly node: NodeId;
}

/** What follows from a new link. */
export type Joining<T> =
  | { readonly verdict: "added"; readonly replaced: T | undefined }
  | { readonly verdict: "full" };

/**
 * Which link a node has: the newest one. Pure.
 *
 * Invariant: a link that was replaced changes nothing when it ends.
 */
export class LinkTable<T extends Link> {
  readonly #links = new Map<NodeId, T>();
  readonly #maxNodes: number;

  constructor(maxNodes: number) {
    this.#maxNodes = maxNodes;
  }

  get size(): number {
    return this.#links.size;
  }

  get(node: NodeId): T | undefined {
    return this.#links.get(node);
  }

  /** Is there room for one more node, or is this one connected already? */
  hasRoom(node: NodeId): boolean {
    return this.#links.has(node) || this.#links.size < this.#maxNodes;
  }

  /** The newest link wins; the replaced one is to be closed. */
  add(link: T): Joining<T> {
    if (!this.hasRoom(link.node)) return { verdict: "full" };
    const replaced = this.#links.get(link.node);
    this.#links.set(link.node, link);
    return { verdict: "added", replaced };
  }

  /** @returns True if this was the node's link, false if it had been replaced. */
  remove(link: T): boolean {
    if (this.#links.get(link.node) !== link) return false;
    this.#links.delete(link.node);
    return true;
  }

  values(): IterableIterator<T> {
    return this.#links.values();
  }
}
