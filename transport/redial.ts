import { type Clock, pause } from "../platform/clock.ts";
import { asHubError, type Backoff, type HubError } from "../protocol/index.ts";
import type { CloseReason } from "./connection.ts";

export interface RedialParts<T> {
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Dials once. */
  dial(signal: AbortSignal): Promise<T>;
  /** Uses the connection; resolves when it has ended. */
  use(dialled: T): Promise<CloseReason>;
  /** A dial or a connection has failed; the next try follows after so long. */
  failed(error: HubError | CloseReason, delayMs: number): void;
}

/** A link that lasted so long was a good one: the next loss starts with the shortest pause again. */
const goodLinkMs = 10_000;
/** After these the other side must change something first; trying fast only disturbs. */
const slowCodes: ReadonlySet<string> = new Set([
  "E_REPLACED",
  "E_REVOKED",
  "E_IDENTITY",
  "E_FORBIDDEN",
  "E_NODE_LIMIT",
  "E_BAD_TOKEN",
  "E_TOKEN_EXPIRED",
]);
const slowPauseMs = 30_000;
/** The other side asks for patience; where it does not say how long, so long. */
const busyCodes: ReadonlySet<string> = new Set(["E_BUSY", "E_FLAPPING"]);
const busyPauseMs = 5_000;
/** Where nobody answers at all, so many dials follow each other fast: the path may be back any moment. */
const fastDials = 60;

/** Keeps a connection: dials, uses, dials again, with growing pauses. */
export class Redial<T> {
  readonly #parts: RedialParts<T>;
  readonly #stopped = new AbortController();
  #pausing: AbortController | undefined;
  #running: Promise<void> | undefined;
  /** Dials in a row that nobody answered. */
  #unanswered = 0;

  constructor(parts: RedialParts<T>) {
    this.#parts = parts;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The network may be back: try at once instead of waiting out the pause. */
  hurry(): void {
    this.#pausing?.abort();
  }

  /** Dials no more; a connection in use is its user's to end. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#pausing?.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, backoff } = this.#parts;
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const startedAt = clock.now();
      const error = await this.#once(signal);
      if (signal.aborted || error === undefined) return;
      if (clock.now() - startedAt >= goodLinkMs) backoff.reset();
      const delayMs = this.#pauseAfter(error);
      // Whoever is told may hurry or stop at once.
      this.#pausing = new AbortController();
      this.#parts.failed(error, delayMs);
      await pause(clock, delayMs, this.#pausing.signal);
    }
  }

  #pauseAfter(error: HubError | CloseReason): number {
    const { backoff } = this.#parts;
    this.#unanswered = error.code === "E_TIMEOUT" ? this.#unanswered + 1 : 0;
    if (this.#unanswered > 0 && this.#unanswered <= fastDials) return backoff.soon();
    if (error.retryAfterMs !== undefined) return backoff.told(error.retryAfterMs);
    if (busyCodes.has(error.code)) return backoff.told(busyPauseMs);
    return slowCodes.has(error.code) ? Math.max(backoff.next(), slowPauseMs) : backoff.next();
  }

  async #once(signal: AbortSignal): Promise<HubError | CloseReason | undefined> {
    try {
      return await this.#parts.use(await this.#parts.dial(signal));
    } catch (error) {
      return signal.aborted ? undefined : asHubError(error);
    }
  }
}
