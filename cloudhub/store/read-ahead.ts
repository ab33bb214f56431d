/** Nodes of which positions are remembered; of more that read at once, those of the longest known are looked for again. */
const maxNodes = 64;

/**
 * Positions that were found for a node and not read yet. To find what waits, all checkpoints of a node are looked through,
 * which takes milliseconds where there are thousands: it is done once for many pages, so that one node that joins does
 * not hold up the others. What has been done with since is still among them; what has come since is not.
 */
export class ReadAhead {
  readonly #byNode = new Map<number, { readonly after: number; readonly positions: readonly number[] }>();

  /** What is to be read next behind a position, once; empty: look for it. */
  take(node: number, after: number): readonly number[] {
    const found = this.#byNode.get(node);
    this.#byNode.delete(node);
    return found?.after === after ? found.positions : [];
  }

  keep(node: number, after: number, positions: readonly number[]): void {
    if (positions.length === 0) return;
    this.#byNode.set(node, { after, positions });
    for (const oldest of this.#byNode.keys()) {
      if (this.#byNode.size <= maxNodes) return;
      this.#byNode.delete(oldest);
    }
  }

  clear(): void {
    this.#byNode.clear();
  }
}
