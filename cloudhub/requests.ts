import type { Message, MessageId, NodeId } from "../protocol/index.ts";

interface Waiting<T> {
  readonly node: NodeId;
  readonly dueAt: number;
  readonly who: T;
}

/** So many requests that nobody waits for any more are remembered. */
const maxGivenUp = 10_000;

/** Requests that wait for the message that answers them, each with a deadline. Pure; times are monotonic ms. */
export class Requests<T> {
  readonly #waiting = new Map<MessageId, Waiting<T>>();
  /** Nobody waits for these any more, the latest last, with the node that was asked. */
  readonly #givenUp = new Map<MessageId, NodeId>();

  get size(): number {
    return this.#waiting.size;
  }

  add(id: MessageId, node: NodeId, dueAt: number, who: T): void {
    this.#waiting.set(id, { node, dueAt, who });
  }

  /** Who waits for this message? It must come from the node that was asked. */
  answer(message: Message): T | undefined {
    const waiting = message.parentId && this.#waiting.get(message.parentId);
    if (!waiting || waiting.node !== message.node) return undefined;
    this.#waiting.delete(message.parentId as MessageId);
    return waiting.who;
  }

  /** Does this message answer a request that nobody waits for any more? */
  isLate({ parentId, node }: Message): boolean {
    return parentId !== undefined && this.#givenUp.get(parentId) === node;
  }

  /** Stops waiting. */
  drop(id: MessageId): T | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting) this.#giveUp(id, waiting);
    return waiting?.who;
  }

  /** Whose time is over. */
  overdue(now: number): T[] {
    const late: T[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (waiting.dueAt > now) continue;
      this.#giveUp(id, waiting);
      late.push(waiting.who);
    }
    return late;
  }

  /** Monotonic ms of the next deadline; Infinity if nobody waits. */
  nextWakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.values()) at = Math.min(at, waiting.dueAt);
    return at;
  }

  #giveUp(id: MessageId, { node }: Waiting<T>): void {
    this.#waiting.delete(id);
    this.#givenUp.set(id, node);
    if (this.#givenUp.size > maxGivenUp) this.#givenUp.delete(this.#givenUp.keys().next().value as MessageId);
  }
}
