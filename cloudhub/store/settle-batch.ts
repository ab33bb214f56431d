import type { Writer } from "../../platform/writer.ts";
import type { SendRecord, StoredMessage } from "../../protocol/index.ts";
import { type StoreOp, settleWidth } from "./sqlite-ops.ts";

/** Room for so many at first; it grows with the load and stays. */
const firstRoom = 256;

/**
 * Acked messages of all nodes, gathered over a turn of the event loop into one operation of plain numbers: at
 * full load the acks of a thousand nodes cross to the writer's thread together.
 */
export class SettleBatch {
  readonly #writer: Writer<StoreOp>;
  readonly #wallTime: () => number;
  #rows = new Float64Array(firstRoom * settleWidth);
  #used = 0;
  #done: Promise<void> | undefined;

  constructor(writer: Writer<StoreOp>, wallTime: () => number) {
    this.#writer = writer;
    this.#wallTime = wallTime;
  }

  /** @returns Resolves when the checkpoints are durable. */
  add(records: readonly SendRecord<StoredMessage>[]): Promise<void> {
    const now = this.#wallTime();
    for (const record of records) this.#push(record, now);
    this.#done ??= this.#writer.callLater<void>(() => this.#take());
    return this.#done;
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
    this.#done = undefined;
    return { op: "settle", rows };
  }
}
