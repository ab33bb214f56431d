import type { Clock } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { asHubError, Backoff, HubError } from "../../protocol/index.ts";
import type { Runtime, RuntimePod } from "./runtime.ts";

/** A runtime that does not answer in that time is down. */
const listTimeoutMs = 60_000;
const backoff = { minMs: 1_000, maxMs: 30_000 };

/** Looks at what runs, and knows whether the runtime answers. */
export class RuntimeWatch {
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #backoff: Backoff;
  readonly #complaints: OncePer;
  #problem: string | undefined = "the container runtime has not been reached yet";
  #version = "";
  readonly #looked = Promise.withResolvers<void>();

  constructor(runtime: Runtime, { clock, log, random }: { clock: Clock; log: Logger; random: () => number }) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#log = log;
    this.#backoff = new Backoff(backoff, () => 0.5 + random() / 2);
    this.#complaints = new OncePer(clock, 600_000);
  }

  /** Resolves when the runtime has answered for the first time, or has not. */
  get looked(): Promise<void> {
    return this.#looked.promise;
  }

  /** Why pods cannot be driven at the moment; `undefined`: they can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** What the runtime calls itself, `containerd 1.6.20`; empty: it has never answered. */
  get version(): string {
    return this.#version;
  }

  /** @returns What runs; or, if the runtime does not answer, how long not to ask again. */
  async look(): Promise<{ readonly pods: readonly RuntimePod[] } | { readonly retryInMs: number }> {
    try {
      const pods = await this.#inTime(this.#list());
      if (this.#problem !== undefined)
        this.#log.info("the container runtime answers", { runtime: this.#version });
      this.#problem = undefined;
      this.#backoff.reset();
      return { pods };
    } catch (error) {
      const wrong = asHubError(error);
      this.#problem = `container runtime is down: ${wrong.message}`;
      if (this.#complaints.pass("down") !== undefined)
        this.#log.error("the container runtime does not answer; what runs, runs on", { error: wrong });
      return { retryInMs: this.#backoff.next() };
    } finally {
      this.#looked.resolve();
    }
  }

  async #list(): Promise<readonly RuntimePod[]> {
    if (this.#problem !== undefined) this.#version = await this.#runtime.version();
    return await this.#runtime.pods();
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    let cancel: () => void = () => {};
    const late = new Promise<never>((_, reject) => {
      const text = `no answer for ${listTimeoutMs} ms`;
      cancel = this.#clock.after(listTimeoutMs, () => reject(new HubError("E_TIMEOUT", text)));
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      cancel();
    }
  }
}
