import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { HubStore } from "../../cloudhub/store/hub-store.ts";
import type { NodeId, StoredMessage } from "../../protocol/index.ts";
import { acked, openStore, put, waitingIn } from "../support/hub-store.ts";
import { temporaryDirectory } from "../support/processes.ts";
import { randomOf, seeds } from "../support/seeds.ts";

const nodes = ["edge-1", "edge-2", "edge-3"] as NodeId[];

/** A hub store on a file, and what each node has acked, by resource. */
class Life {
  readonly acked = new Map<string, string>();
  readonly #random: () => number;
  readonly #file: string;
  #store: HubStore | undefined;
  #version = 0;

  constructor(seed: number, directory: string) {
    this.#random = randomOf(seed);
    this.#file = join(directory, "hub.db");
  }

  get store(): HubStore {
    return this.#store as HubStore;
  }

  /** As after a death: what is not in the file is gone. */
  async reopen(): Promise<void> {
    const create = this.#store === undefined;
    await this.#store?.close();
    this.#store = await openStore({ file: this.#file, create });
    if (create) for (const node of nodes) await this.#store.saveNode(node, {});
  }

  async step(): Promise<void> {
    const dice = this.#random();
    const node = this.#pick(nodes);
    if (dice < 0.5) await this.#put(node);
    else if (dice < 0.9) await this.#settle(node);
    else if (dice < 0.93) await this.reopen();
    else await this.#compare(node);
  }

  async compareAll(): Promise<void> {
    for (const node of nodes) await this.#compare(node);
  }

  async #put(node: NodeId): Promise<void> {
    const name = `limits-${Math.floor(this.#random() * 50)}`;
    const deletes = this.#random() < 0.1 && this.acked.has(`${node} default/configmap/${name}`);
    const draft = deletes ? { operation: "delete" } : {};
    await this.store.outbox(node).put(put(String(++this.#version), name, draft));
  }

  async #settle(node: NodeId): Promise<void> {
    const outbox = this.store.outbox(node);
    const some = (await waitingIn(outbox)).filter(() => this.#random() < 0.5);
    await outbox.settle(some.map((item: StoredMessage) => acked(item)));
    for (const { key, version } of some) {
      const before = this.acked.get(`${node} ${key}`) ?? "0";
      this.acked.set(`${node} ${key}`, String(Math.max(Number(before), Number(version))));
    }
  }

  async #compare(node: NodeId): Promise<void> {
    const expected = [...this.acked].filter(([at]) => at.startsWith(`${node} `));
    for (const [at, version] of expected) {
      const resource = at.slice(node.length + 1);
      expect((await this.store.checkpoint(node, resource))?.version).toBe(version);
    }
  }

  #pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }
}

it.each(seeds(10))(
  "a checkpoint is what was acked last, whoever asks and whenever the hub died, seed %i",
  async (seed) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const life = new Life(seed, path);
    await life.reopen();
    onTestFinished(() => life.store.close());
    for (let i = 0; i < 200; i++) await life.step();
    await life.reopen();
    await life.compareAll();
    expect(life.acked.size).toBeGreaterThan(30);
  },
);
