import type { HeldContent, HeldContents, NodeId } from "../protocol/index.ts";

/** A content that one or more nodes hold. */
interface Shared extends HeldContent {
  readonly name: string;
  readonly content: Buffer;
  holders: number;
}

/** What an entry takes beside the content. */
const entryBytes = 250;

/**
 * The contents that nodes have acknowledged, to tell them the next version as a delta. Only a saving: what is not here
 * any more, after a restart or for want of room, is sent in full. Nodes that hold the same share its bytes.
 *
 * ```
 * node, resource ──▶ content of a version ◀── other nodes
 * ```
 *
 * Invariant: `#bytes` is what all entries and contents take, and at most `maxBytes`; the entry that was used least
 * recently goes first.
 */
export class AckedContents {
  readonly #maxBytes: number;
  /** By node and resource; used least recently first. */
  readonly #entries = new Map<string, Shared>();
  /** By resource and version. */
  readonly #shared = new Map<string, Shared>();
  #bytes = 0;

  /** @param maxBytes 0: nothing is kept. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What one node holds. */
  of(node: NodeId): HeldContents {
    return new ContentsOfNode(this, node);
  }

  get(node: NodeId, resource: string): HeldContent | undefined {
    const key = keyOf(node, resource);
    const found = this.#entries.get(key);
    if (found === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  put(node: NodeId, resource: string, version: string, content: Uint8Array): void {
    const key = keyOf(node, resource);
    this.#forget(key);
    if (content.length + 2 * entryBytes > this.#maxBytes) return;
    const shared = this.#sharedOf(`${resource} ${version}`, version, content);
    shared.holders++;
    this.#entries.set(key, shared);
    this.#bytes += entryBytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#forget(oldest);
    }
  }

  forget(node: NodeId, resource: string): void {
    this.#forget(keyOf(node, resource));
  }

  #sharedOf(name: string, version: string, content: Uint8Array): Shared {
    const found = this.#shared.get(name);
    if (found?.content.equals(content)) return found;
    // The caller's bytes may be a part of something much larger.
    const fresh = { name, version, content: Buffer.from(content), holders: 0 };
    this.#shared.set(name, fresh);
    this.#bytes += content.length + entryBytes;
    return fresh;
  }

  #forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entryBytes;
    entry.holders--;
    if (entry.holders > 0) return;
    this.#bytes -= entry.content.length + entryBytes;
    if (this.#shared.get(entry.name) === entry) this.#shared.delete(entry.name);
  }
}

/** There is one for each link, so it holds little. */
class ContentsOfNode implements HeldContents {
  readonly #all: AckedContents;
  readonly #node: NodeId;

  constructor(all: AckedContents, node: NodeId) {
    this.#all = all;
    this.#node = node;
  }

  get(resource: string): HeldContent | undefined {
    return this.#all.get(this.#node, resource);
  }

  put(resource: string, version: string, content: Uint8Array): void {
    this.#all.put(this.#node, resource, version, content);
  }

  forget(resource: string): void {
    this.#all.forget(this.#node, resource);
  }
}

function keyOf(node: NodeId, resource: string): string {
  return `${node} ${resource}`;
}
