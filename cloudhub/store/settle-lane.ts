import type { Settled } from "../../protocol/index.ts";
import type { SettleBatch, Settling } from "./settle-batch.ts";
import type { TurnShare } from "./turn-share.ts";

export interface SettleLaneParts {
  readonly settling: SettleBatch;
  readonly share: TurnShare;
}

/** A batch that waits for its turn, or for the rest of it to be written. */
interface Waiting {
  readonly batch: readonly Settled[];
  /** Records handed over, and written. */
  begun: number;
  written: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The acked messages of one node on their way into the store, a few in each transaction: a node that acks thousands at
 * once, as one that has just joined, does not hold up the writes of all others.
 */
export class SettleLane implements Settling {
  readonly #parts: SettleLaneParts;
  #underWay = 0;
  #waiting: Waiting[] = [];

  constructor(parts: SettleLaneParts) {
    this.#parts = parts;
  }

  /** @returns Resolves when all of them are durable. Rejects with the first failure; some may be durable then. */
  add(batch: readonly Settled[]): Promise<void> {
    if (this.#waiting.length === 0 && this.#underWay + batch.length <= this.#parts.share.messages)
      return this.#write(batch);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, begun: 0, written: 0, resolve, reject });
      this.#goOn();
    });
  }

  landed(records: number): void {
    this.#underWay -= records;
    if (this.#waiting.length > 0) this.#goOn();
  }

  #write(records: readonly Settled[]): Promise<void> {
    this.#underWay += records.length;
    return this.#parts.settling.add(records, this);
  }

  #goOn(): void {
    while (this.#underWay < this.#parts.share.messages) {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const few = next.batch.slice(next.begun, next.begun + this.#parts.share.messages - this.#underWay);
      next.begun += few.length;
      if (next.begun === next.batch.length) this.#waiting.shift();
      this.#write(few).then(
        () => {
          next.written += few.length;
          if (next.written === next.batch.length) next.resolve();
        },
        (error: unknown) => {
          this.#waiting = this.#waiting.filter((one) => one !== next);
          next.reject(error);
        },
      );
    }
  }
}
