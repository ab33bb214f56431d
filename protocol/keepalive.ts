export interface KeepaliveOptions {
  /** Send a ping after so long; Infinity: never send one. */
  readonly pingEveryMs: number;
  /** True: ping on schedule whatever is heard. False: only after so long a silence. */
  readonly pingAlways: boolean;
  /** The link is dead after so long a silence; Infinity: never. */
  readonly deadAfterMs: number;
}

/** Between our own two halves: a link is dead after 10 s of silence, probed after 5 s. */
export const nativeKeepalive: KeepaliveOptions = {
  pingEveryMs: 5_000,
  pingAlways: false,
  deadAfterMs: 10_000,
};

/** Decides when to ping and when to call a link dead. Pure; all times are monotonic milliseconds. */
export class Keepalive {
  readonly #options: KeepaliveOptions;
  #heardAt: number;
  #pingedAt: number;

  constructor(options: KeepaliveOptions, now: number) {
    this.#options = options;
    this.#heardAt = now;
    this.#pingedAt = now;
  }

  /** Something that proves the peer alive has arrived. */
  heard(now: number): void {
    this.#heardAt = now;
  }

  /** What to do now; a `"ping"` counts as sent. */
  poll(now: number): "ping" | "dead" | undefined {
    if (now >= this.#deadAt()) return "dead";
    if (now < this.#pingAt()) return undefined;
    this.#pingedAt = now;
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
    const { pingEveryMs, pingAlways } = this.#options;
    return (pingAlways ? this.#pingedAt : Math.max(this.#pingedAt, this.#heardAt)) + pingEveryMs;
  }
}
