import type { Clock } from "../../platform/clock.ts";
import type { Writer } from "../../platform/writer.ts";
import type { SendRecord, StoredMessage } from "../../protocol/index.ts";
import { type StoreOp, settleWidth } from "./sqlite-ops.ts";
import type { TurnShare } from "./turn-share.ts";

/** Room for so many at first; it grows with the load and stays. */
const firstRoom = 256;

export interface SettleBatchParts {
  readonly share: TurnShare;
  readonly clock: Pick<Clock, "now" | "wallTime">;
}

/** Who hands records over and counts what is under way. */
export interface Settling {
  /** So many of them have been written, or could not be. */
  landed(records: number): void;
}

/** What waits for one transaction: a promise in all, not one for each node. */
interface Gathered {
  readonly done: Promise<void>;
  readonly from: Settling[];
  readonly counts: number[];
}

/**
 * Acked messages of all nodes, gathered over a turn of the event loop into one operation of plain numbers: at
 * full load the acks of a thousand nodes cross to the writer's thread together.
 */
export class SettleBatch {
  readonly #writer: Writer<StoreOp>;
  readonly #parts: SettleBatchParts;
  #rows = new Float64Array(firstRoom * settleWidth);
  #used = 0;
  #gathered: Gathered | undefined;

  constructor(writer: Writer<StoreOp>, parts: SettleBatchParts) {
    this.#writer = writer;
    this.#parts = parts;
  }

  /** @returns Resolves when the checkpoints are durable. */
  add(records: readonly SendRecord<StoredMessage>[], from: Settling): Promise<void> {
    const now = this.#parts.clock.wallTime();
    for (const record of records) this.#push(record, now);
    this.#gathered ??= this.#gather();
    this.#gathered.from.push(from);
    this.#gathered.counts.push(records.length);
    return this.#gathered.done;
  }

  #gather(): Gathered {
    const { share, clock } = this.#parts;
    const from: Settling[] = [];
    const counts: number[] = [];
    const startedAt = clock.now();
    const landed = (): void => {
      share.took(clock.now() - startedAt);
      for (let i = 0; i < from.length; i++) from[i]?.landed(counts[i] as number);
    };
    return { done: this.#writer.callLater<void>(() => this.#take()).finally(landed), from, counts };
  }

  #push(record: SendRecord<StoredMessage>, now: number): void {
    if (this.#used === this.#rows.length) this.#grow();
    const rows = this.#rows;
    let at = this.#used;
    rows[at++] = record.item.position;
    rows[at++] = record.sends;
    rows[at++] = record.firstSentAt;
    rows[at++] = record.lastSentAt;
    rows[at++] = now;
    this.#used = at;
  }

  #grow(): void {
    const larger = new Float64Array(this.#rows.length * 2);
    larger.set(this.#rows);
    this.#rows = larger;
  }

  #take(): StoreOp {
    const rows = this.#rows.slice(0, this.#used);
    this.#used = 0;
    this.#gathered = undefined;
    return { op: "settle", rows };
  }
}
