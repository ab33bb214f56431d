import { type Impairer, startImpairer } from "../../testbed/impairer/index.ts";

/** What the link is like while it works: slow enough that one can watch. */
const profile = { delayMs: 40, down: { rateBitsPerSecond: 160_000, queueBytes: 8_192 } };
const holdEveryMs = 200;

/** The network between hub and agent, which the demo can cut and heal. */
export class WeakLink {
  readonly #impairer: Impairer;
  #outage: NodeJS.Timeout | undefined;

  private constructor(impairer: Impairer) {
    this.#impairer = impairer;
  }

  /** @param port Where the hub listens for nodes. */
  static async start(port: number): Promise<WeakLink> {
    const host = "127.0.0.1";
    const listen = { host, port: 0 };
    return new WeakLink(await startImpairer({ listen, target: { host, port }, profile, seed: 1 }));
  }

  /** Where the agent connects. */
  get port(): number {
    return this.#impairer.port;
  }

  get isCut(): boolean {
    return this.#outage !== undefined;
  }

  /** Bytes that were on their way when connections were reset. */
  get lostBytes(): number {
    const { up, down } = this.#impairer.stats();
    return up.droppedBytes + down.droppedBytes;
  }

  /** Resets every connection; new ones are reset too, until {@link heal}. */
  cut(): void {
    const hold = (): void => this.#impairer.cut(2 * holdEveryMs);
    hold();
    this.#outage ??= setInterval(hold, holdEveryMs);
  }

  heal(): void {
    clearInterval(this.#outage);
    this.#outage = undefined;
  }

  async close(): Promise<void> {
    this.heal();
    await this.#impairer.close();
  }
}
