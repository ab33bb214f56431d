/** Others count as getting news for so long after each of it, ms. */
const recentMs = 100;
/** What one read brings while others get news: less than a millisecond of work for anybody. */
const pieceMessages = 32;
const pieceBytes = 64 << 10;
/** Rest after a piece of that size, and after one that took long. */
const restMs = 16;
const restPerMs = 3;
const longestRestMs = 250;

/** What a read brought, and how long it took with the wait for its turn. */
export interface Piece {
  readonly messages: number;
  readonly bytes: number;
  readonly tookMs: number;
}

/**
 * How fast what waits for one node is read while other nodes get news. Whatever follows from a read, as sending, acks and
 * checkpoints, follows at the same pace; so a node that joins with thousands of messages takes a share of the hub and not
 * all of it. Nobody else gets news: it takes all. Shared by all nodes. Pure; `now` is monotonic ms.
 *
 * Invariant: `#newest.node !== #before.node`, and `#newest.at >= #before.at`.
 */
export class DrainPace {
  #newest = { node: Number.NaN, at: Number.NEGATIVE_INFINITY };
  #before = { node: Number.NaN, at: Number.NEGATIVE_INFINITY };

  /** A message was accepted that goes to a connected node at once. */
  news(node: number, now: number): void {
    if (node !== this.#newest.node) this.#before = this.#newest;
    this.#newest = { node, at: now };
  }

  /** Two nodes or more have got news just now: what one of them does too much is felt by others. */
  isLively(now: number): boolean {
    return now - this.#before.at <= recentMs;
  }

  /** What may be read at once; `undefined`: as much as there is room for. */
  limit(node: number, now: number): Pick<Piece, "messages" | "bytes"> | undefined {
    return this.#othersGetNews(node, now) ? { messages: pieceMessages, bytes: pieceBytes } : undefined;
  }

  /** How long nothing more is read for a node after a piece that was read at `readAt`, ms. */
  rest(node: number, now: number, last: Piece, readAt: number): number {
    if (!this.#othersGetNews(node, now)) return 0;
    const pieces = Math.max(last.messages / pieceMessages, last.bytes / pieceBytes);
    const rest = Math.min(Math.max(pieces * restMs, last.tookMs * restPerMs), longestRestMs);
    return Math.max(readAt + rest - now, 0);
  }

  #othersGetNews(node: number, now: number): boolean {
    const others = node === this.#newest.node ? this.#before : this.#newest;
    return now - others.at <= recentMs;
  }
}
