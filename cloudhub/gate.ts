import type { Clock } from "../platform/clock.ts";
import { HubError, type NodeId } from "../protocol/index.ts";
import { Flaps } from "./flaps.ts";
import type { HubOptions } from "./options.ts";
import { Slots } from "./slots.ts";

/** What the gauges show. */
export interface GateLoad {
  /** Nodes that are let in and have not all yet that waited for them. */
  readonly inside: number;
  readonly waiting: number;
  readonly flapping: number;
}

/** Whether a node that may come in may do so now. */
export class Gate {
  readonly #clock: Clock;
  readonly #flaps: Flaps;
  readonly #slots: Slots;

  constructor(clock: Clock, { nodes }: Pick<HubOptions, "nodes">) {
    this.#clock = clock;
    this.#flaps = new Flaps({ burst: nodes.reconnectBurst, perSecond: 1_000 / nodes.reconnectEveryMs });
    this.#slots = new Slots(clock, { atOnce: nodes.admitAtOnce, maxWaiting: nodes.admitWaiting });
  }

  /**
   * Waits until the node may come in.
   *
   * @returns To be called when it has all that waited for it, or has gone.
   * Rejects with `E_FLAPPING` or `E_BUSY`, both with the time after which it may try again.
   */
  async enter(node: NodeId): Promise<() => void> {
    const retryAfterMs = this.#flaps.connects(node, this.#clock.now());
    if (retryAfterMs > 0) {
      const text = `${node} connects again and again; what ends its connections?`;
      throw new HubError("E_FLAPPING", text, { retryAfterMs });
    }
    return await this.#slots.enter();
  }

  isFlapping(node: NodeId): boolean {
    return this.#flaps.isFlapping(node, this.#clock.now());
  }

  /** Who comes now waits for longer than it takes to shake hands. */
  get isCrowded(): boolean {
    return this.#slots.isCrowded;
  }

  get load(): GateLoad {
    return {
      inside: this.#slots.inside,
      waiting: this.#slots.waiting,
      flapping: this.#flaps.count(this.#clock.now()),
    };
  }
}
