export interface KeepaliveOptions {
  /** Send a ping after so long; Infinity: never send one. */
  readonly pingEveryMs: number;
  /**
   * The same on a link whose peer answers fast: a ping goes only so late that three times the slowest answer of late
   * still fits before `deadAfterMs`. Default: `pingEveryMs`.
   */
  readonly longestPauseMs?: number;
  /** True: ping on schedule whatever is sent. False: only after so long without sending anything. */
  readonly pingAlways: boolean;
  /** Answer a ping if nothing has been sent for so long; default: never. */
  readonly answerAfterMs?: number;
  /** The link is dead after so long a silence of the peer; Infinity: never. */
  readonly deadAfterMs: number;
}

/** Between a controller and the hub: each side says something every 5 s, and is taken for dead after 10 s of silence. */
export const nativeKeepalive: KeepaliveOptions = {
  pingEveryMs: 5_000,
  pingAlways: false,
  deadAfterMs: 10_000,
};

/**
 * Between a hub and a node, where bytes count: the hub asks, the node answers at once, and with that both have shown that
 * they live and TCP has one ack to send instead of two. Only who has said nothing for a while answers, so no answer
 * stands in line behind a long message: that shows its sender alive by itself. See docs/decisions/0013-idle-links.md.
 */
export const hubKeepalive: KeepaliveOptions = {
  pingEveryMs: 5_000,
  longestPauseMs: 9_200,
  pingAlways: false,
  answerAfterMs: 2_500,
  deadAfterMs: 10_000,
};

/** The node's part of {@link hubKeepalive}; it speaks unasked where a hub does not ask so often. */
export const nodeKeepalive: KeepaliveOptions = {
  pingEveryMs: 9_600,
  pingAlways: false,
  answerAfterMs: 2_500,
  deadAfterMs: 10_000,
};

/** A slow answer is forgotten in steps: each faster one makes it so much of what it was. */
const forgetting = 0.8;
/** So many times the slowest answer may the next one take before the link is dead. */
const patience = 3;

/** Decides when to ping and when to call a link dead. Pure; all times are monotonic milliseconds. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #heardAt: number;
  #sentAt: number;
  #askedAt: number | undefined;
  /** How long answers take of late; on a new link, as long as they may. */
  #slowestMs: number;

  constructor(options: KeepaliveOptions, now: number) {
    this.#options = options;
    this.#heardAt = now;
    this.#sentAt = now;
    this.#slowestMs = (options.deadAfterMs - options.pingEveryMs) / patience;
  }

  /** Something that proves the peer alive has arrived. */
  heard(now: number): void {
    this.#heardAt = now;
    if (this.#askedAt === undefined) return;
    this.#slowestMs = Math.max(now - this.#askedAt, this.#slowestMs * forgetting);
    this.#askedAt = undefined;
  }

  /** Something has been sent that shows the peer that this side is alive. */
  sent(now: number): void {
    if (!this.#options.pingAlways) this.#sentAt = now;
  }

  /** The peer has pinged. @returns True: answer now; that counts as sent. */
  answers(now: number): boolean {
    const { answerAfterMs = Number.POSITIVE_INFINITY } = this.#options;
    if (now - this.#sentAt < answerAfterMs) return false;
    this.#sentAt = now;
    return true;
  }

  /** What to do now; a `"ping"` counts as sent. */
  poll(now: number): "ping" | "dead" | undefined {
    if (now >= this.#deadAt()) return "dead";
    if (now < this.#pingAt()) return undefined;
    this.#sentAt = now;
    this.#askedAt = now;
    return "ping";
  }

  /** Monotonic ms of the next moment at which {@link poll} may say something. */
  nextWakeAt(): number {
    return Math.min(this.#deadAt(), this.#pingAt());
  }

  #deadAt(): number {
    return this.#heardAt + this.#options.deadAfterMs;
  }

  #pingAt(): number {
    const { pingEveryMs, longestPauseMs, deadAfterMs } = this.#options;
    if (longestPauseMs === undefined) return this.#sentAt + pingEveryMs;
    const pauseMs = Math.min(deadAfterMs - patience * this.#slowestMs, longestPauseMs);
    return this.#sentAt + Math.max(pauseMs, pingEveryMs);
  }
}
