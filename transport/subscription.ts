import {
  type Filter,
  HubError,
  type Incoming,
  type Message,
  matches,
  type Subscription,
} from "../protocol/index.ts";

/** Somebody who takes messages of nodes. */
export interface Subscriber {
  readonly wants: (message: Message) => boolean;
  /** Resolves when it is done with the message; rejects if it could not take it. */
  take(message: Message): Promise<void>;
}

interface Waiting {
  readonly message: Message;
  readonly resolve: () => void;
  readonly reject: (error: HubError) => void;
}

/** A subscription as an async iterator: what it is handed waits until it has been iterated over and acked. */
export class QueuedSubscription implements Subscription, Subscriber {
  readonly #filter: Filter;
  readonly #detach: () => void;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => this.close();
  #arrived: Waiting[] = [];
  readonly #handedOut = new Set<Waiting>();
  #wake: (() => void) | undefined;
  #closed = false;
  #error: HubError | undefined;

  constructor(filter: Filter, attach: (subscriber: QueuedSubscription) => () => void, signal?: AbortSignal) {
    this.#filter = filter;
    this.#signal = signal;
    this.#detach = attach(this);
    signal?.addEventListener("abort", this.#abort, { once: true });
    if (signal?.aborted) this.close();
  }

  readonly wants = (message: Message): boolean => matches(this.#filter, message);

  take(message: Message): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#arrived.push({ message, resolve, reject });
      this.#wake?.();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#detach();
    this.#signal?.removeEventListener("abort", this.#abort);
    const gone = new HubError("E_NO_CONSUMER", "the subscriber has gone");
    for (const waiting of [...this.#arrived, ...this.#handedOut]) waiting.reject(gone);
    this.#arrived = [];
    this.#handedOut.clear();
    this.#wake?.();
  }

  /** Ends it; whoever iterates over it is thrown the error. */
  fail(error: HubError): void {
    this.#error ??= error;
    this.close();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Incoming> {
    try {
      while (!this.#closed) {
        const next = this.#arrived.shift();
        if (next) yield this.#handOut(next);
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
    if (this.#error) throw this.#error;
  }

  #handOut(waiting: Waiting): Incoming {
    this.#handedOut.add(waiting);
    return {
      message: waiting.message,
      ack: () => {
        this.#handedOut.delete(waiting);
        waiting.resolve();
      },
      nack: (text = "the subscriber did not take it") => {
        this.#handedOut.delete(waiting);
        waiting.reject(new HubError("E_NO_CONSUMER", text));
      },
    };
  }
}
