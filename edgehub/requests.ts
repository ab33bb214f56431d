import type { Clock } from "../platform/clock.ts";
import { HubError, type Message, type MessageId } from "../protocol/index.ts";

interface Waiting {
  readonly done: (answer: Message) => void;
}

/** Questions to the cloud that wait for their answers, by the id of the question. */
export class Requests {
  readonly #clock: Clock;
  readonly #waiting = new Map<MessageId, Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves with the answer to a message. Rejects with `E_TIMEOUT` or `E_ABORTED`. */
  async answerTo(
    { id, resource }: Message,
    { timeoutMs, signal }: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<Message> {
    let cancel: () => void = () => {};
    let abort: () => void = () => {};
    try {
      return await new Promise<Message>((resolve, reject) => {
        this.#waiting.set(id, { done: resolve });
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

  /** @returns False if nobody waits for this answer. */
  resolve(answer: Message): boolean {
    const waiting = answer.parentId === undefined ? undefined : this.#waiting.get(answer.parentId);
    waiting?.done(answer);
    return waiting !== undefined;
  }
}
