import type { Message, MessageId, NodeId } from "../protocol/index.ts";

interface Waiting<T> {
  readonly node: NodeId;
  readonly dueAt: number;
  readonly who: T;
}

/** Requests that wait for the message that answers them, each with a deadline. Pure; times are monotonic ms. */
export class Requests<T> {
  readonly #waiting = new Map<MessageId, Waiting<T>>();

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

  /** Stops waiting. */
  drop(id: MessageId): T | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting?.who;
  }

  /** Whose time is over. */
  overdue(now: number): T[] {
    const late: T[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (waiting.dueAt > now) continue;
      this.#waiting.delete(id);
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
}
