import { type NodeId, type Pace, Pacer } from "../protocol/index.ts";

interface Visits {
  readonly pacer: Pacer;
  /** It has been told to wait, and has not come as seldom as it may since. */
  flapping: boolean;
}

/** The table is tidied whenever it has doubled beyond this. */
const leastTidied = 64;

/**
 * Which nodes connect again and again: so often at once is a bad day, more is a fault, and each try costs the hub a
 * handshake. Pure; monotonic milliseconds. Holds only nodes that came lately.
 */
export class Flaps {
  readonly #pace: Pace;
  readonly #visits = new Map<NodeId, Visits>();
  #tidyAt = leastTidied;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Nodes remembered. */
  get size(): number {
    return this.#visits.size;
  }

  /** A node wants to connect. @returns 0: it may; else so many ms before it may. */
  connects(node: NodeId, now: number): number {
    const visits = this.#of(node, now);
    if (visits.pacer.take(now)) return 0;
    visits.flapping = true;
    return visits.pacer.wakeAt() - now;
  }

  /** It connects too often, or did so until lately. */
  isFlapping(node: NodeId, now: number): boolean {
    const visits = this.#visits.get(node);
    return visits?.flapping === true && !this.#isOver(visits, now);
  }

  /** How many do. */
  count(now: number): number {
    let count = 0;
    for (const visits of this.#visits.values()) if (visits.flapping && !this.#isOver(visits, now)) count++;
    return count;
  }

  #of(node: NodeId, now: number): Visits {
    const known = this.#visits.get(node);
    if (known !== undefined && !this.#isOver(known, now)) return known;
    if (this.#visits.size >= this.#tidyAt) this.#tidy(now);
    const visits = { pacer: new Pacer(this.#pace, now), flapping: false };
    this.#visits.set(node, visits);
    return visits;
  }

  #tidy(now: number): void {
    for (const [node, visits] of this.#visits) if (this.#isOver(visits, now)) this.#visits.delete(node);
    this.#tidyAt = Math.max(2 * this.#visits.size, leastTidied);
  }

  /** It may come as often again as one that never came. */
  #isOver({ pacer }: Visits, now: number): boolean {
    return pacer.isFull(now);
  }
}
