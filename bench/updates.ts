import { setTimeout as pause } from "node:timers/promises";
import type { HubClient, PublishDraft } from "../sdk/index.ts";

/** Enough resources that none is updated again before its last update is acked. */
const keys = 16_000;
/** So many updates may be on their way: more than any window, so that the link is always full. */
const maxOutstanding = 8_192;
const batch = 64;

/** A ConfigMap of about 200 bytes as JSON. */
export function configMap(node: string, key: number, version: number): PublishDraft {
  const name = `cm-${String(key).padStart(5, "0")}`;
  return {
    node,
    resource: `default/configmap/${name}`,
    operation: "update",
    resourceVersion: String(version),
    content: {
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: {
        name,
        namespace: "default",
        uid: `00000000-0000-4000-8000-${String(key).padStart(12, "0")}`,
      },
      data: { value: `v${version}`.padEnd(40, "x") },
    },
  };
}

/** Keeps updates on their way to one node and counts what the node has acked and the hub checkpointed. */
export class UpdateLoad {
  readonly #client: HubClient;
  readonly #node: string;
  #accepted = 0;
  #outstanding = 0;
  #running = true;
  #done: Promise<unknown> | undefined;

  constructor(client: HubClient, node: string) {
    this.#client = client;
    this.#node = node;
  }

  start(): void {
    this.#done = Promise.all([this.#publish(), this.#watch()]);
  }

  /** Updates acked and checkpointed so far. */
  async acked(): Promise<number> {
    await this.#look();
    return this.#accepted - this.#outstanding;
  }

  /** Updates acked per second, over so long. */
  async rate(ms: number): Promise<number> {
    const before = await this.acked();
    const startedAt = performance.now();
    await pause(ms);
    const after = await this.acked();
    return ((after - before) / (performance.now() - startedAt)) * 1000;
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #publish(): Promise<void> {
    let version = 0;
    while (this.#running) {
      if (this.#outstanding > maxOutstanding) {
        await pause(5);
        continue;
      }
      const drafts = Array.from({ length: batch }, () => configMap(this.#node, ++version % keys, version));
      const outcomes = await this.#client.publishBatch(drafts);
      const failed = outcomes.find((outcome) => !outcome.ok);
      if (failed && !failed.ok) throw failed.error;
      this.#accepted += batch;
      this.#outstanding += batch;
    }
  }

  async #watch(): Promise<void> {
    while (this.#running) {
      await this.#look();
      await pause(25);
    }
  }

  async #look(): Promise<void> {
    const acceptedBefore = this.#accepted;
    const view = (await this.#client.nodes()).find((one) => one.node === this.#node);
    // What was accepted while the answer was under way is not in it for certain: count it as outstanding.
    this.#outstanding = (view?.backlogMessages ?? 0) + (this.#accepted - acceptedBefore);
  }
}
