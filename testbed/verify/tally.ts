import { Histogram } from "../histogram.ts";

/** `each`: every number must arrive. `newest`: of each lane, the last one sent must; those before it may be skipped. */
export type Completeness = "each" | "newest";

/** What became of what was sent. */
export interface TallyResult {
  readonly sent: number;
  /** Different ones. */
  readonly arrived: number;
  readonly lost: number;
  /** Of state: a newer one came in their place. */
  readonly superseded: number;
  readonly duplicated: number;
  /** Arrived, for the first time, after a later one of the same lane. */
  readonly outOfOrder: number;
  /** Arrived and never sent: a fault of whoever carried it. */
  readonly strange: number;
}

interface Lane {
  newestSent: number;
  newestArrived: number;
  /** When each one that is on its way was sent. */
  readonly underWay: Map<number, number>;
  readonly arrived: Set<number>;
}

/** Compares what arrives with what was sent: numbers that grow, in lanes that keep their order. Pure. */
export class Tally {
  /** From the sending to the first arrival, ms. */
  readonly latency = new Histogram();
  readonly #complete: Completeness;
  readonly #lanes = new Map<string, Lane>();
  #sent = 0;
  #arrived = 0;
  #duplicated = 0;
  #outOfOrder = 0;
  #strange = 0;

  constructor(complete: Completeness) {
    this.#complete = complete;
  }

  /** @param number Greater than those before it in its lane. */
  sent(lane: string, number: number, now: number): void {
    let found = this.#lanes.get(lane);
    if (found === undefined) {
      found = { newestSent: 0, newestArrived: 0, underWay: new Map(), arrived: new Set() };
      this.#lanes.set(lane, found);
    }
    found.newestSent = number;
    found.underWay.set(number, now);
    this.#sent++;
  }

  arrived(lane: string, number: number, now: number): void {
    const found = this.#lanes.get(lane);
    if (found?.arrived.has(number)) {
      this.#duplicated++;
      return;
    }
    const sentAt = found?.underWay.get(number);
    if (found === undefined || sentAt === undefined) {
      this.#strange++;
      return;
    }
    found.underWay.delete(number);
    found.arrived.add(number);
    this.#arrived++;
    this.latency.record(now - sentAt);
    if (number < found.newestArrived) this.#outOfOrder++;
    else found.newestArrived = number;
  }

  /** True: nothing is missing. */
  get isComplete(): boolean {
    return this.#missing() === 0;
  }

  result(): TallyResult {
    const lost = this.#missing();
    return {
      sent: this.#sent,
      arrived: this.#arrived,
      lost,
      superseded: this.#sent - this.#arrived - lost,
      duplicated: this.#duplicated,
      outOfOrder: this.#outOfOrder,
      strange: this.#strange,
    };
  }

  #missing(): number {
    let missing = 0;
    for (const { newestSent, newestArrived, underWay } of this.#lanes.values())
      missing += this.#complete === "each" ? underWay.size : newestArrived < newestSent ? 1 : 0;
    return missing;
  }
}
