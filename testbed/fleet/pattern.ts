/** How messages are published to a fleet. */
export interface Pattern {
  /** Messages a second to all nodes together; 0: none. */
  readonly perSecond: number;
  /** So many leave at once. */
  readonly burst: number;
  /** Share of the nodes that get any, above 0 to 1. */
  readonly share: number;
}

/** When how many messages are due, and for whom. Pure. */
export class Schedule {
  readonly #pattern: Pattern;
  readonly #targets: number;
  #sent = 0;

  /** @param nodes How many there are; the first of them get what there is. */
  constructor(pattern: Pattern, nodes: number) {
    this.#pattern = pattern;
    this.#targets = Math.max(1, Math.round(nodes * pattern.share));
  }

  /** @param elapsedMs Since the beginning. @returns Indices of nodes to publish to now, whole bursts only. */
  due(elapsedMs: number): number[] {
    const { perSecond, burst } = this.#pattern;
    const bursts = Math.floor((elapsedMs * perSecond) / 1_000 / burst);
    const count = Math.max(0, bursts * burst - this.#sent);
    const nodes = Array.from({ length: count }, (_, i) => (this.#sent + i) % this.#targets);
    this.#sent += count;
    return nodes;
  }
}
