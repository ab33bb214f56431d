import type { Clock } from "../../platform/clock.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { asHubError } from "../../protocol/index.ts";
import type { LocalBus } from "../local-bus.ts";
import type { Telling } from "./changes.ts";

const logPeriodMs = 60_000;
/** A broker that is so far behind loses what comes next. */
const maxWaiting = 10_000;
/** The same, as characters of documents. */
const maxWaitingLength = 16 << 20;

/**
 * Tells the programs of this node, in order per device. What EventBus does not take is lost, as it is to a program that
 * does not listen: asking for the twin or the membership brings the present state.
 */
export class Announcer {
  readonly #bus: LocalBus;
  readonly #log: Logger;
  readonly #once: OncePer;
  readonly #lanes = new KeyedLanes();
  #waiting = 0;
  #waitingLength = 0;

  constructor(parts: { bus: LocalBus; log: Logger; clock: Clock }) {
    this.#bus = parts.bus;
    this.#log = parts.log;
    this.#once = new OncePer(parts.clock, logPeriodMs);
  }

  /** Never fails. */
  tell(told: readonly Telling[]): void {
    for (const telling of told) {
      const text = JSON.stringify(telling.document);
      if (this.#waiting >= maxWaiting || this.#waitingLength + text.length > maxWaitingLength) {
        this.#lost("the broker is too far behind");
        continue;
      }
      this.#waiting++;
      this.#waitingLength += text.length;
      void this.#lanes.run(telling.device, () => this.#publish(telling.topic, text));
    }
  }

  /** Resolves when all has been told. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  async #publish(topic: string, text: string): Promise<void> {
    try {
      await this.#bus.publish(topic, text);
    } catch (error) {
      this.#lost(asHubError(error).message);
    }
    this.#waiting--;
    this.#waitingLength -= text.length;
  }

  #lost(why: string): void {
    const heldBack = this.#once.pass("lost");
    if (heldBack !== undefined) this.#log.warn("a document of a device is lost", { why, heldBack });
  }
}
