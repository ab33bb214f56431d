export interface InflowOptions {
  /** Bytes handled before others have their turn. */
  readonly perTurnBytes: number;
  /** Bytes a second that are taken for long. */
  readonly bytesPerSecond: number;
  /** What may come at once beyond that. */
  readonly burstBytes: number;
  /** Others are being served: then a peer has a quarter of that. Default: never. */
  isCrowded?(): boolean;
}

/** A peer that owes more is listened to once in so long all the same: it must not seem dead. */
const longestRestMs = 1_000;
/** What a message costs beside its bytes, in bytes: to be read, judged and answered. */
const messageCost = 300;
const crowdedShare = 0.25;

/**
 * How much one peer may bring before others have their turn: a bit at a time, and in the long run so much a second. What
 * it does not take waits on the peer's side. Pure; `now` is monotonic ms.
 *
 * Invariant: `#level <= burstBytes`; it is negative while what was taken is not paid for.
 */
export class Inflow {
  readonly #options: InflowOptions;
  #level: number;
  #at = 0;
  #turn = 0;

  constructor(options: InflowOptions) {
    this.#options = options;
    this.#level = options.burstBytes;
  }

  /**
   * A message has come.
   *
   * @returns How many ms nothing more is to be read, 0: until the next turn; `undefined`: read on.
   */
  add(bytes: number, now: number): number | undefined {
    const { perTurnBytes, burstBytes } = this.#options;
    const cost = bytes + messageCost;
    this.#turn += cost;
    if (this.#turn < perTurnBytes) return undefined;
    const bytesPerSecond = this.#options.bytesPerSecond * (this.#options.isCrowded?.() ? crowdedShare : 1);
    const earned = ((now - this.#at) * bytesPerSecond) / 1_000;
    this.#level = Math.min(this.#level + earned, burstBytes) - this.#turn;
    this.#at = now;
    this.#turn = 0;
    if (this.#level >= 0) return 0;
    return Math.min(Math.ceil((-this.#level * 1_000) / bytesPerSecond), longestRestMs);
  }
}
