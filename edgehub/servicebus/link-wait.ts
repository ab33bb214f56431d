import type { Clock } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";

/** Lets calls wait for the link to the cloud. */
export class LinkWait {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The link is up. */
  up(): void {
    for (const go of [...this.#waiting]) go();
  }

  /** Resolves at {@link up}. Rejects with `E_LINK_LOST` after a while, with `E_ABORTED` at the signal. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        cancel();
        signal.removeEventListener("abort", abort);
        this.#waiting.delete(go);
        settle();
      };
      const go = (): void => finish(resolve);
      const abort = (): void => finish(() => reject(new HubError("E_ABORTED", "the caller has gone")));
      const cancel = this.#clock.after(timeoutMs, () =>
        finish(() => reject(new HubError("E_LINK_LOST", `not connected to the cloud for ${timeoutMs} ms`))),
      );
      this.#waiting.add(go);
      signal.addEventListener("abort", abort, { once: true });
      if (signal.aborted) abort();
    });
  }
}
