import type { MessageStatements } from "./message-statements.ts";

interface AckedPut {
  readonly version: string;
  /** Wall clock, ms. */
  readonly at: number;
  readonly position: number;
}

/** So many of one node are written to its checkpoints together: they lie on few pages. */
const maxPerNode = 32;
/** So many of all nodes, and the longest known ones are written. */
const maxInAll = 16_384;

/**
 * Puts that nodes have acked and whose checkpoints are not written yet. The ack itself is on the disk, in the
 * message's row; the checkpoint row follows when somebody looks at it, or with others of its node. A thousand nodes
 * that ack a message each would otherwise write a thousand pages, one for every node.
 *
 * What a process that died has left behind is found again by {@link MessageStatements} `ackedPuts`: a checkpoint that
 * waits for a message which is persisted.
 */
export class AckedPuts {
  readonly #sql: MessageStatements;
  readonly #byNode = new Map<number, Map<string, AckedPut>>();
  #count = 0;
  /** Nodes whose rows hold nothing but what is known here. */
  readonly #known = new Set<number>();

  constructor(sql: MessageStatements) {
    this.#sql = sql;
  }

  add(node: number, resource: string, put: AckedPut): void {
    let puts = this.#byNode.get(node);
    if (puts === undefined) {
      puts = new Map();
      this.#byNode.set(node, puts);
    }
    if (!puts.has(resource)) this.#count++;
    puts.set(resource, put);
    if (puts.size >= maxPerNode) this.writeNode(node);
    else if (this.#count > maxInAll) this.#writeOldest();
  }

  /** Before a checkpoint is looked at. */
  write(node: number, resource: string): void {
    if (!this.#known.has(node)) {
      this.writeNode(node);
      return;
    }
    const puts = this.#byNode.get(node);
    const put = puts?.get(resource);
    if (puts === undefined || put === undefined) return;
    puts.delete(resource);
    this.#count--;
    this.#checkpoint(node, resource, put);
  }

  /** Before all checkpoints of a node are looked at. */
  writeNode(node: number): void {
    const puts = this.#byNode.get(node);
    if (puts !== undefined) {
      for (const [resource, put] of puts) this.#checkpoint(node, resource, put);
      this.#byNode.delete(node);
      this.#count -= puts.size;
    }
    if (this.#known.has(node)) return;
    const left = this.#sql.ackedPuts.all(node) as (AckedPut & { resource: string })[];
    for (const { resource, ...put } of left) this.#checkpoint(node, resource, put);
    this.#known.add(node);
  }

  /** After a rollback, which may have taken back any of this: the rows know. */
  rolledBack(): void {
    this.#byNode.clear();
    this.#count = 0;
    this.#known.clear();
  }

  #writeOldest(): void {
    for (const node of this.#byNode.keys()) {
      if (this.#count <= maxInAll / 2) return;
      this.writeNode(node);
    }
  }

  #checkpoint(node: number, resource: string, { version, at, position }: AckedPut): void {
    this.#sql.checkpoint.run({ node, resource, version, deleted: 0, at, position });
  }
}
