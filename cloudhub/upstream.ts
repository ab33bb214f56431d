import type { Clock } from "../platform/clock.ts";
import { HubError, type Message, type NodeId } from "../protocol/index.ts";
import type { Subscriber } from "../transport/index.ts";
import { Requests } from "./requests.ts";

export interface UpstreamOptions {
  /** Bytes handed to consumers and not yet taken, of all nodes together. */
  readonly maxBytes: number;
  /** What is held of one kind of message of a node that sends only once, while nobody takes it. */
  readonly heldMessages: number;
  readonly heldMs: number;
}

/** Why a message of a node that sends only once was lost. */
export type DropReason = "no-consumer" | "too-many" | "refused";

interface Held {
  readonly message: Message;
  readonly since: number;
}

/** How soon a held message is offered again. */
const offerAgainMs = 500;

/**
 * From a node to whoever wants it: the request it answers, or every subscriber that matches. The hub keeps
 * no copy: a native node's outbox holds the message until somebody has taken it. A stock edge sends once,
 * so its messages are held in memory for a while when nobody takes them, and counted when they are lost.
 */
export class Upstream {
  readonly #clock: Clock;
  readonly #options: UpstreamOptions;
  readonly #dropped: (message: Message, reason: DropReason) => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #requests = new Requests<(message: Message | undefined) => void>();
  /** By kind of message: one that nobody wants must not hold up others. */
  readonly #held = new Map<string, Held[]>();
  /** Kinds whose held messages are being offered. */
  readonly #offering = new Set<string>();
  #bytes = 0;
  #heldBytes = 0;
  #cancelWake: () => void = () => {};
  #cancelOffer: () => void = () => {};
  #closed = false;

  constructor(
    clock: Clock,
    options: UpstreamOptions,
    dropped: (message: Message, reason: DropReason) => void,
  ) {
    this.#clock = clock;
    this.#options = options;
    this.#dropped = dropped;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** @returns Unsubscribes. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber);
    this.#offerSoon(0);
    return () => this.#subscribers.delete(subscriber);
  }

  /**
   * Resolves when everybody who wants the message has taken it. Rejects with `E_NO_CONSUMER`,
   * `E_BACKLOG_FULL`, or with what a consumer said.
   */
  async accept(message: Message): Promise<void> {
    const waiting = this.#requests.answer(message);
    if (waiting) {
      waiting(message);
      return;
    }
    const takers: Promise<void>[] = [];
    const size = sizeOf(message);
    for (const subscriber of this.#subscribers) {
      if (!subscriber.wants(message)) continue;
      if (this.#bytes + size > this.#options.maxBytes) {
        throw new HubError("E_BACKLOG_FULL", `controllers are ${this.#bytes} bytes behind; more is not held`);
      }
      takers.push(subscriber.take(message));
    }
    if (takers.length === 0) {
      // Refused, it would come again until its time is over, and hold up what the node sent after it.
      if (this.#requests.isLate(message)) return;
      throw new HubError(
        "E_NO_CONSUMER",
        `nobody takes ${message.operation} of group ${message.group} from ${message.source}`,
      );
    }
    this.#bytes += size;
    try {
      await Promise.all(takers);
    } finally {
      this.#bytes -= size;
    }
  }

  /** Takes a message that will not come again. */
  acceptOnce(message: Message): void {
    const held = this.#held.get(kindOf(message));
    if (held) this.#hold(message, held);
    else this.accept(message).catch((error: HubError) => this.#notTaken(message, error));
  }

  /**
   * Waits for the message of a node that answers one sent to it. Rejects with `E_TIMEOUT`, or with what
   * `cancel` is given.
   */
  answerTo(
    id: Message["id"],
    node: NodeId,
    timeoutMs: number,
  ): { answer: Promise<Message>; cancel(error: HubError): void } {
    let fail: (error: HubError) => void = () => {};
    const answer = new Promise<Message>((resolve, reject) => {
      fail = reject;
      const done = (message: Message | undefined): void => {
        if (message) resolve(message);
        else reject(new HubError("E_TIMEOUT", `${node} has not answered within ${timeoutMs} ms`));
      };
      this.#requests.add(id, node, this.#clock.now() + timeoutMs, done);
    });
    this.#armRequests();
    return {
      answer,
      cancel: (error) => {
        if (this.#requests.drop(id)) fail(error);
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#cancelWake();
    this.#cancelOffer();
    for (const done of this.#requests.overdue(Number.POSITIVE_INFINITY)) done(undefined);
  }

  #notTaken(message: Message, error: HubError): void {
    if (!error.retryable) {
      this.#dropped(message, "refused");
      return;
    }
    const held = this.#held.get(kindOf(message)) ?? [];
    this.#held.set(kindOf(message), held);
    this.#hold(message, held);
  }

  #hold(message: Message, held: Held[]): void {
    held.push({ message, since: this.#clock.now() });
    this.#heldBytes += sizeOf(message);
    if (held.length > this.#options.heldMessages || this.#heldBytes > this.#options.maxBytes) {
      this.#dropped(this.#unhold(held), "too-many");
    }
    this.#offerSoon(offerAgainMs);
  }

  #unhold(held: Held[]): Message {
    const { message } = held.shift() as Held;
    this.#heldBytes -= sizeOf(message);
    return message;
  }

  #offerSoon(delayMs: number): void {
    if (this.#closed || this.#held.size === 0) return;
    this.#cancelOffer();
    this.#cancelOffer = this.#clock.after(delayMs, () => {
      for (const [kind, held] of this.#held) void this.#offer(kind, held);
      this.#offerSoon(offerAgainMs);
    });
  }

  /** Offers held messages of one kind in order, up to the first that is not taken. */
  async #offer(kind: string, held: Held[]): Promise<void> {
    if (this.#offering.has(kind)) return;
    this.#offering.add(kind);
    try {
      for (let next = held[0]; next !== undefined; next = held[0]) {
        const { message, since } = next;
        const outcome = await this.accept(message).then(
          () => undefined,
          (error: HubError) => error,
        );
        const tooOld = this.#clock.now() - since >= this.#options.heldMs;
        if (outcome?.retryable && !tooOld) return;
        if (outcome) this.#dropped(message, outcome.retryable ? "no-consumer" : "refused");
        if (held[0] === next) this.#unhold(held);
      }
      this.#held.delete(kind);
    } finally {
      this.#offering.delete(kind);
    }
  }

  #armRequests(): void {
    this.#cancelWake();
    const at = this.#requests.nextWakeAt();
    if (at === Number.POSITIVE_INFINITY || this.#closed) return;
    this.#cancelWake = this.#clock.after(Math.max(at - this.#clock.now(), 1), () => {
      for (const done of this.#requests.overdue(this.#clock.now())) done(undefined);
      this.#armRequests();
    });
  }
}

/** What a message costs in memory, about. */
function sizeOf(message: Message): number {
  return message.content.length + 200;
}

/** Messages of one kind go to the same consumers, and keep their order. */
function kindOf(message: Message): string {
  return `${message.node} ${message.group} ${message.source}`;
}
