import type { Clock } from "../platform/clock.ts";
import { asHubError, type MessageStore, type Settled } from "../protocol/index.ts";
import type { ChannelCounters, ChannelOwner } from "./channel-parts.ts";

/** A failed write is tried again after so long; nothing new is sent meanwhile. */
const retryMs = 1_000;
/** So many acked messages may wait for their checkpoint before nothing new is sent. */
const maxUnwritten = 4_096;

export interface SettlementParts {
  readonly owner: ChannelOwner;
  readonly clock: Clock;
  readonly counters: ChannelCounters;
  /** What was held may go on. */
  wake(): void;
}

/** Writes to the store how messages ended, until it succeeds, and says when sending must wait for that. */
export class Settlement {
  readonly #parts: SettlementParts;
  readonly #store: MessageStore;
  #unwritten = 0;
  #failed = false;
  #closed = false;

  constructor(store: MessageStore, parts: SettlementParts) {
    this.#store = store;
    this.#parts = parts;
  }

  /** True: nothing new may be sent before more has been written. */
  get holds(): boolean {
    return this.#failed || this.#unwritten >= maxUnwritten;
  }

  /** The peer has these. */
  settle(batch: readonly Settled[]): void {
    const { owner, clock, counters } = this.#parts;
    this.#unwritten += batch.length;
    this.#store.settle(batch).then(
      () => {
        const held = this.holds;
        this.#unwritten -= batch.length;
        counters.settled += batch.length;
        this.#failed = false;
        if (held) this.#parts.wake();
      },
      (error: unknown) => {
        this.#unwritten -= batch.length;
        if (this.#closed) return;
        this.#failed = true;
        owner.fault(asHubError(error), "acked messages could not be checkpointed; trying again");
        clock.after(retryMs, () => this.#closed || this.settle(batch));
      },
    );
  }

  /** Runs a write nobody waits for. */
  write(write: (store: MessageStore) => Promise<void>): void {
    write(this.#store).catch((error: unknown) => {
      if (this.#closed) return;
      this.#parts.owner.fault(asHubError(error), "the store failed; trying again");
      this.#parts.clock.after(retryMs, () => this.#closed || this.write(write));
    });
  }

  /** Nothing is tried again from now on: what is not written comes again over the next link. */
  close(): void {
    this.#closed = true;
  }
}
