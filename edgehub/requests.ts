import type { Clock } from "../platform/clock.ts";
import { HubError, type Message, type MessageId } from "../protocol/index.ts";

interface Waiting {
  readonly done: (answer: Message) => void;
  /** `undefined`: it goes on waiting when nobody takes the question. */
  readonly refused: ((error: HubError) => void) | undefined;
}

/** How long somebody waits for an answer. */
export interface RequestLimit {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** The question is given up when the hub says that nobody at the cloud takes it now, instead of offered again. */
  readonly onlyNow?: boolean;
}

/** Questions to the cloud that wait for their answers, by the id of the question. */
export class Requests {
  readonly #clock: Clock;
  readonly #waiting = new Map<MessageId, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the answer to a message. Rejects with `E_TIMEOUT`, `E_ABORTED`, or as {@link refuse} says. */
  async answerTo(
    { id, resource }: Message,
    { timeoutMs, signal, onlyNow = false }: RequestLimit,
  ): Promise<Message> {
    let cancel: () => void = () => {};
    let abort: () => void = () => {};
    try {
      return await new Promise<Message>((resolve, reject) => {
        this.#waiting.set(id, { done: resolve, refused: onlyNow ? reject : undefined });
        cancel = this.#clock.after(timeoutMs, () =>
          reject(
            new HubError("E_TIMEOUT", `${resource.path}: no answer from the cloud within ${timeoutMs} ms`),
          ),
        );
        abort = () => reject(new HubError("E_ABORTED", `${resource.path}: gave up waiting for the cloud`));
        signal?.addEventListener("abort", abort, { once: true });
        if (signal?.aborted) abort();
      });
    } finally {
      cancel();
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(id);
    }
  }

  /** The hub did not take a question for now. @returns True if that ends it. */
  refuse(id: MessageId, error: HubError): boolean {
    const refused = error.code === "E_NO_CONSUMER" ? this.#waiting.get(id)?.refused : undefined;
    refused?.(error);
    return refused !== undefined;
  }

  /** @returns False if nobody waits for this answer. */
  resolve(answer: Message): boolean {
    const waiting = answer.parentId === undefined ? undefined : this.#waiting.get(answer.parentId);
    waiting?.done(answer);
    return waiting !== undefined;
  }
}
