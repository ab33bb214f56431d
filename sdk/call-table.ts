import { type CallName, type Calls, type Frame, HubError, readJson } from "../protocol/index.ts";

interface Open {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: HubError) => void;
}

/** Calls that wait for their replies on one link. */
export class CallTable {
  readonly #open = new Map<number, Open>();
  #last = 0;

  /** @param send Sends the call's frame. Rejects with what the hub replied, or with the reason of {@link fail}. */
  call<Name extends CallName>(
    send: (call: number) => void,
    signal?: AbortSignal,
  ): Promise<ReturnType<Calls[Name]>> {
    const call = ++this.#last;
    return new Promise<unknown>((resolve, reject) => {
      const abort = (): void => {
        this.#open.delete(call);
        reject(new HubError("E_ABORTED", "gave up waiting for the hub's reply"));
      };
      if (signal?.aborted) return abort();
      signal?.addEventListener("abort", abort, { once: true });
      const forget = (): void => signal?.removeEventListener("abort", abort);
      this.#open.set(call, {
        resolve: (value) => {
          forget();
          resolve(value);
        },
        reject: (error) => {
          forget();
          reject(error);
        },
      });
      send(call);
    }) as Promise<ReturnType<Calls[Name]>>;
  }

  replied(frame: Extract<Frame, { type: "reply" }>): void {
    const open = this.#open.get(frame.call);
    if (open === undefined) return;
    this.#open.delete(frame.call);
    const { error } = frame;
    if (error) open.reject(new HubError(error.code, error.text, { retryable: error.retryable }));
    else open.resolve(readJson(frame.body));
  }

  /** The link has ended: nothing open will be answered. */
  fail(error: HubError): void {
    for (const open of this.#open.values()) open.reject(error);
    this.#open.clear();
  }
}
