import { type Clock, pause } from "../../platform/clock.ts";
import type { Writer } from "../../platform/writer.ts";
import type { MessageId, ResourceVersion, StoredMessage, StorePart } from "../../protocol/index.ts";
import type { OutboxFeed, PageSource } from "../../transport/index.ts";
import type { DrainPace, Piece } from "./drain-pace.ts";
import { kindNumbers } from "./schema.ts";
import { type PageField, type PageRow, pageColumns, type SearchRow, type StoreOp } from "./sqlite-ops.ts";
import type { TurnShare } from "./turn-share.ts";

/** So many bytes one read of the store brings at most, but for a single larger message. */
const pageBytes = 1 << 20;
/** So many positions are remembered: to find them, all checkpoints of a node are looked through. */
const maxFound = 2_048;

export interface QueueReaderParts {
  readonly writer: Writer<StoreOp>;
  /** Shared by all nodes. */
  readonly share: TurnShare;
  /** Shared by all nodes. */
  readonly pace: DrainPace;
  readonly clock: Clock;
}

/**
 * Reads what waits for one node, for one link. It looks for the positions first, a slice of the node's checkpoints in each
 * transaction, and then reads a page of messages in each: no other node waits for more than such a piece. What is urgent
 * has an index of its own, is little, and rests for nobody.
 */
export class QueueReader implements PageSource {
  readonly #node: number;
  readonly #part: StorePart;
  readonly #parts: QueueReaderParts;
  /** Found and not read yet, in order; what has been done with since is still among them. */
  #found: { readonly after: number; readonly positions: Float64Array } | undefined;
  #last: { readonly piece: Piece; readonly at: number } | undefined;

  /** @param node Its row. */
  constructor(node: number, part: StorePart, parts: QueueReaderParts) {
    this.#node = node;
    this.#part = part;
    this.#parts = parts;
  }

  /** As `ReadPage`: complete only if all that waited when it began was looked for and is in this page. */
  async page(
    after: number,
    limit: number,
    feed: Pick<OutboxFeed, "ended">,
  ): Promise<{ messages: readonly StoredMessage[]; complete: boolean }> {
    await this.#rest();
    const known = this.#found?.after === after ? this.#found.positions : undefined;
    const { positions, all } = known ? { positions: known, all: false } : await this.#look(after, feed);
    if (feed.ended) return { messages: [], complete: false };
    const { share, pace, clock } = this.#parts;
    const paced = this.#part === "urgent" ? undefined : pace.limit(this.#node, clock.now());
    const count = Math.min(limit, paced?.messages ?? share.messages, positions.length);
    // A copy: of a part, all of it would cross to the writer's thread.
    const { messages, read } = await this.#read(positions.slice(0, count), paced?.bytes ?? pageBytes);
    const rest = positions.subarray(read);
    // The next page begins behind the last message, or where this one did if all of its messages were done with.
    this.#found =
      rest.length === 0 ? undefined : { after: messages.at(-1)?.position ?? after, positions: rest };
    return { messages, complete: all && rest.length === 0 };
  }

  async #rest(): Promise<void> {
    if (this.#last === undefined || this.#part === "urgent") return;
    const { pace, clock } = this.#parts;
    const restMs = pace.rest(this.#node, clock.now(), this.#last.piece, this.#last.at);
    if (restMs > 0) await pause(clock, restMs);
  }

  /** The positions of what waits behind a position. */
  async #look(
    after: number,
    feed: Pick<OutboxFeed, "ended">,
  ): Promise<{ positions: Float64Array; all: boolean }> {
    const found: number[] = [];
    let from = "";
    let upTo: number | null = null;
    for (;;) {
      const op: StoreOp = { op: "search", node: this.#node, part: this.#part, after, from, upTo };
      const slice: SearchRow = await this.#parts.writer.call<SearchRow>(op);
      for (const position of slice.positions) found.push(position);
      if (slice.next === null || feed.ended) break;
      from = slice.next;
      upTo = slice.upTo;
    }
    const positions = Float64Array.from(found).sort();
    return { positions: positions.slice(0, maxFound), all: positions.length <= maxFound };
  }

  async #read(
    positions: Float64Array,
    maxBytes: number,
  ): Promise<{ messages: readonly StoredMessage[]; read: number }> {
    if (positions.length === 0) return { messages: [], read: 0 };
    const { writer, share, clock } = this.#parts;
    const startedAt = clock.now();
    const op: StoreOp = { op: "page", part: this.#part, positions, bytes: maxBytes };
    const { fields, lengths, bytes, read } = await writer.call<PageRow>(op);
    const now = clock.now();
    const tookMs = now - startedAt;
    share.took(tookMs);
    this.#last = { piece: { messages: lengths.length, bytes: bytes.length, tookMs }, at: now };
    let end = 0;
    const messages = lengths.map((length, i) => {
      const start = end;
      end += length;
      return storedMessage(fields, i * pageColumns.length, bytes.subarray(start, end));
    });
    return { messages, read };
  }
}

/** @param at Where its {@link pageColumns} begin. */
function storedMessage(fields: readonly PageField[], at: number, packed: Uint8Array): StoredMessage {
  const kind = fields[at + 4] === kindNumbers.state ? "state" : "event";
  return {
    position: fields[at] as number,
    size: fields[at + 8] as number,
    kind,
    key: fields[at + 2] as string,
    deleted: kind === "state" && fields[at + 3] === "delete",
    priority: fields[at + 6] as number,
    expiresAt: (fields[at + 7] as number | null) ?? Number.POSITIVE_INFINITY,
    id: fields[at + 1] as MessageId,
    version: (fields[at + 5] ?? undefined) as ResourceVersion | undefined,
    acceptedAt: fields[at + 9] as number,
    packed,
  };
}
