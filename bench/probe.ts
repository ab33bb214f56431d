import { setTimeout as pause } from "node:timers/promises";
import type { HubClient } from "../sdk/index.ts";
import { configMap } from "./updates.ts";

/** Updates per second to all of them together, at fixed times, whether the last ones are acked or not. */
const perSecond = 400;

/** Publishes to the nodes in turn; each time from when it was due to the node's ack, ms. */
export class Probe {
  readonly #client: HubClient;
  readonly #nodes: readonly string[];
  #count = 0;

  constructor(client: HubClient, names: readonly string[]) {
    this.#client = client;
    this.#nodes = names;
  }

  /** Measures until `done` resolves, at least so long. */
  async during(ms: number, done: Promise<unknown> = Promise.resolve()): Promise<number[]> {
    const times: number[] = [];
    const pending: Promise<void>[] = [];
    let over = false;
    void done.then(() => {
      over = true;
    });
    const startedAt = performance.now();
    for (let sent = 0; !over || performance.now() - startedAt < ms; ) {
      const due = startedAt + (sent * 1_000) / perSecond;
      const early = due - performance.now();
      if (early > 0) await pause(early);
      sent++;
      pending.push(
        this.#update().then(() => {
          times.push(performance.now() - due);
        }),
      );
    }
    await Promise.all(pending);
    return times;
  }

  async #update(): Promise<void> {
    const count = this.#count++;
    const node = this.#nodes[count % this.#nodes.length] as string;
    await this.#client.publish(configMap(node, count % 1_000, count + 1), { until: "acked" });
  }
}
