import { isOfPart } from "../../protocol/index.ts";
import type { MessageStatements } from "./message-statements.ts";
import {
  type PageField,
  type PageRow,
  pageColumns,
  type ResourceStateRow,
  type ResourcesRow,
  type SearchRow,
  type StoreOp,
} from "./sqlite-ops.ts";

type Op<Name extends StoreOp["op"]> = Extract<StoreOp, { op: Name }>;

/** {@link pageColumns}, and the message's bytes. */
type WaitingRow = readonly (PageField | Uint8Array)[];
const priorityColumn = pageColumns.indexOf("priority");

/**
 * So many checkpoints of a node are looked through at once: a fraction of a millisecond. A link and all controllers ask when
 * a node comes, and their slices may meet in one transaction.
 */
const sliceRows = 128;
/** A node with no more is looked through in one slice. */
const smallRows = 256;
/** Events and deletions, or urgent messages, found at once: they are in indexes of their own. */
const orderedAtOnce = 4_096;

/** Reads of one node's queue and checkpoints, each short enough that others hardly notice. Runs in the writer's thread. */
export class QueuePages {
  readonly #sql: MessageStatements;
  /** Nodes whose checkpoints all fit into one slice, and how many more do for certain. */
  readonly #small = new Map<number, number>();

  constructor(sql: MessageStatements) {
    this.#sql = sql;
  }

  /** @param last The newest position given out. */
  search({ node, part, after, from, upTo }: Op<"search">, last: number): SearchRow {
    const end = upTo ?? last;
    if (part === "urgent") {
      const urgent = this.#sql.urgent.all(node, after, orderedAtOnce) as { position: number }[];
      return { positions: urgent.map(({ position }) => position), upTo: end, next: null };
    }
    const next = this.#sliceEnd(node, from);
    const puts =
      next === null
        ? this.#sql.putsInLastSlice.all(node, from, after, end)
        : this.#sql.putsInSlice.all(node, from, next, after, end);
    const ordered = next === null ? this.#sql.orderedPositions.all(node, after, end, orderedAtOnce) : [];
    const positions = [...puts, ...ordered].map((row) => (row as { position: number }).position);
    return { positions, upTo: end, next };
  }

  page(op: Op<"page">): PageRow {
    const fields: PageField[] = [];
    const blobs: Uint8Array[] = [];
    let size = 0;
    let read = 0;
    for (; read < op.positions.length && size <= op.bytes; read++) {
      const waiting = this.#sql.waiting.get(op.positions[read]) as WaitingRow | undefined;
      if (waiting === undefined || !isOfPart(op.part, { priority: waiting[priorityColumn] as number }))
        continue;
      const packed = waiting[pageColumns.length] as Uint8Array;
      for (let column = 0; column < pageColumns.length; column++) fields.push(waiting[column] as PageField);
      blobs.push(packed);
      size += packed.length;
    }
    return { fields, lengths: blobs.map((blob) => blob.length), bytes: together(blobs, size), read };
  }

  resources({ node, pattern, from, limit }: Op<"resources">): ResourcesRow {
    const next = this.#sliceEnd(node, from);
    const rows =
      next === null
        ? this.#sql.resourcesInLastSlice.all(node, from, pattern, limit)
        : this.#sql.resourcesInSlice.all(node, from, next, pattern, limit);
    return { rows: rows as ResourceStateRow[], next };
  }

  /** A message was accepted for a node; it may have brought a checkpoint. */
  added(node: number): void {
    const room = this.#small.get(node);
    if (room === undefined) return;
    if (room > 1) this.#small.set(node, room - 1);
    else this.#small.delete(node);
  }

  #sliceEnd(node: number, from: string): string | null {
    if (this.#small.has(node)) return null;
    if (from === "" && this.#sql.sliceEnd.get(node, "", smallRows / 2 - 1) === undefined) {
      this.#small.set(node, smallRows / 2);
      return null;
    }
    const row = this.#sql.sliceEnd.get(node, from, sliceRows - 1) as { resource: string } | undefined;
    return row?.resource ?? null;
  }
}

/** In a buffer of its own: of one that is shared with others, all of it would cross to the main thread. */
function together(blobs: readonly Uint8Array[], size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const blob of blobs) {
    bytes.set(blob, at);
    at += blob.length;
  }
  return bytes;
}
