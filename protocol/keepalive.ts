export interface KeepaliveOptions {
  /** Send a ping after so long; Infinity: never send one. */
  readonly pingEveryMs: number;
  /** True: ping on schedule whatever is sent. False: only after so long without sending anything. */
  readonly pingAlways: boolean;
  /** The link is dead after so long a silence of the peer; Infinity: never. */
  readonly deadAfterMs: number;
}

/**
 * Between our own two halves: each side says something every 5 s, and is taken for dead after 10 s of silence.
 * Nobody waits for an answer, which on a thin link would stand in line behind a long message.
 */
export const nativeKeepalive: KeepaliveOptions = {
  pingEveryMs: 5_000,
  pingAlways: false,
  deadAfterMs: 10_000,
};

/** Decides when to ping and when to call a link dead. Pure; all times are monotonic milliseconds. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #heardAt: number;
  #sentAt: number;

  constructor(options: KeepaliveOptions, now: number) {
    this.#options = options;
    this.#heardAt = now;
    this.#sentAt = now;
  }

  /** Something that proves the peer alive has arrived. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** Something has been sent that shows the peer that this side is alive. */
  sent(now: number): void {
    if (!this.#options.pingAlways) this.#sentAt = now;
  }

  /** What to do now; a `"ping"` counts as sent. */
  poll(now: number): "ping" | "dead" | undefined {
    if (now >= this.#deadAt()) return "dead";
    if (now < this.#pingAt()) return undefined;
    this.#sentAt = now;
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
    return this.#sentAt + this.#options.pingEveryMs;
  }
}
