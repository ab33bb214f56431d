import { isReason } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { type Deadline, Deadlines } from "../../platform/deadlines.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";

export interface WorkQueueOptions {
  /** For the log: `pods of nodes`. */
  readonly name: string;
  /** Keys worked on at once. Default 8. */
  readonly concurrency?: number;
  /** Pause after a failure; doubles up to the greatest. Default 200 ms to 60 s. */
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

/** So many conflicts one after the other are not worth a word. */
const usualConflicts = 3;

/**
 * Looks at a key and brings about what should be. @returns After how many ms to look again, whatever happens; `undefined`:
 * when something changes. A failure is tried again after a pause.
 */
export type Reconcile = (key: string) => Promise<number | undefined>;

/**
 * Keys that must be looked at. However often a key is added it is looked at once, by one at a time; if it is added
 * meanwhile, once more. Keys take turns in the order in which they were added.
 */
export class WorkQueue {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #reconcile: Reconcile;
  readonly #options: Required<WorkQueueOptions>;
  readonly #complaints: OncePer;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #later: Deadlines<string>;
  readonly #deadlines = new Map<string, Deadline<string>>();
  #closed = false;

  constructor(parts: { clock: Clock; log: Logger }, reconcile: Reconcile, options: WorkQueueOptions) {
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#reconcile = reconcile;
    this.#options = { concurrency: 8, minBackoffMs: 200, maxBackoffMs: 60_000, ...options };
    this.#later = new Deadlines(parts.clock, (key) => this.add(key));
    this.#complaints = new OncePer(parts.clock, 60_000);
  }

  /** Keys that wait or are being worked on. */
  get size(): number {
    return this.#waiting.size + this.#running.size;
  }

  /** Now, or after the one that is at it. */
  add(key: string): void {
    if (this.#closed) return;
    this.#forgetDeadline(key);
    if (this.#running.has(key)) this.#again.add(key);
    else this.#waiting.add(key);
    this.#next();
  }

  /** In so many ms, unless it is added sooner. */
  addAfter(key: string, delayMs: number): void {
    if (this.#closed) return;
    const at = this.#clock.now() + delayMs;
    const known = this.#deadlines.get(key);
    if (known !== undefined && known.at <= at) return;
    const deadline = known ?? this.#later.of(key);
    this.#deadlines.set(key, deadline);
    this.#later.set(deadline, at);
  }

  /** Begins nothing new. Resolves when what was begun has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.clear();
    this.#again.clear();
    for (const key of this.#deadlines.keys()) this.#forgetDeadline(key);
    await Promise.all(this.#running.values());
  }

  #next(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= this.#options.concurrency) return;
      this.#waiting.delete(key);
      this.#running.set(key, this.#work(key));
    }
  }

  async #work(key: string): Promise<void> {
    // The key is marked as running before its work begins.
    await Promise.resolve();
    try {
      const againMs = await this.#reconcile(key);
      this.#failures.delete(key);
      if (againMs !== undefined) this.addAfter(key, againMs);
    } catch (error) {
      this.#failed(key, error);
    } finally {
      this.#running.delete(key);
      if (this.#again.delete(key)) this.add(key);
      this.#next();
    }
  }

  #failed(key: string, error: unknown): void {
    if (this.#closed) return;
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const { minBackoffMs, maxBackoffMs, name } = this.#options;
    const pauseMs = Math.min(minBackoffMs * 2 ** failures, maxBackoffMs);
    // Somebody else was quicker: the next look sees it.
    const isUsual = isReason(error, "Conflict") && failures < usualConflicts;
    if (!isUsual && this.#complaints.pass(`${key} ${error}`) !== undefined)
      this.#log.warn("a controller could not do its work", { queue: name, key, error, againMs: pauseMs });
    this.addAfter(key, pauseMs);
  }

  #forgetDeadline(key: string): void {
    const deadline = this.#deadlines.get(key);
    if (deadline === undefined) return;
    this.#later.clear(deadline);
    this.#deadlines.delete(key);
  }
}
