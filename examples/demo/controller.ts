import { draftOf, type Manifest } from "../../cli/index.ts";
import { connectHub, type HubClient, type LedgerEntry } from "../../sdk/index.ts";
import { countStages, newestOf } from "./board.ts";
import type { Expected } from "./verify.ts";
import { pause, until } from "./waiting.ts";

const pollEveryMs = 60;

/** The demo's controller: publishes through the SDK to one node, and watches the hub's ledger. */
export class Controller {
  readonly hub: HubClient;
  /** What was accepted last of each resource: what must be at the edge in the end. */
  readonly expected = new Map<string, Expected>();
  /** Messages accepted so far. */
  published = 0;
  /** The ledger, newest first, and the newest message of each resource. */
  entries: readonly LedgerEntry[] = [];
  newest: ReadonlyMap<string, LedgerEntry> = new Map();
  readonly #node: string;
  readonly #signal: AbortSignal;
  readonly #stopped = new AbortController();

  private constructor(hub: HubClient, node: string, signal: AbortSignal) {
    this.hub = hub;
    this.#node = node;
    this.#signal = signal;
    void this.#watch();
  }

  /** @param admin What the hub's admin.json says. */
  static async connect(
    admin: { url: string; token: string; ca: string },
    node: string,
    signal: AbortSignal,
  ): Promise<Controller> {
    return new Controller(await connectHub(admin), node, signal);
  }

  /** Resolves when the hub has it on its disk; while there is no hub, it waits for one. */
  async publish(manifest: Manifest): Promise<void> {
    const content = Buffer.from(JSON.stringify(manifest.object));
    const draft = draftOf(manifest, this.#node, { operation: "update", resourceVersion: "next", content });
    const { version } = await this.hub.publish(draft, { signal: this.#signal });
    if (version === undefined) throw new Error(`the hub gave ${manifest.resource} no version`);
    this.published++;
    this.expected.set(manifest.resource, { version, object: manifest.object });
  }

  async publishAtOnce(manifests: readonly Manifest[]): Promise<void> {
    await Promise.all(manifests.map((manifest) => this.publish(manifest)));
  }

  /** Each when the one before is accepted. */
  async publishInTurn(manifests: readonly Manifest[]): Promise<void> {
    for (const manifest of manifests) await this.publish(manifest);
  }

  /** Of how many resources the node has the newest message. */
  countPersisted(): number {
    return [...this.newest.values()].filter((one) => one.state === "persisted").length;
  }

  async untilPersisted(count: number, what: string): Promise<void> {
    const limits = { what, timeoutMs: 20_000, signal: this.#signal };
    await until(() => (this.countPersisted() >= count ? true : undefined), limits);
  }

  async untilCheckpointed(): Promise<void> {
    const limits = { what: "the last checkpoint", timeoutMs: 10_000, signal: this.#signal };
    const all = [...this.expected.keys()];
    await until(() => (countStages(all, this.newest).checkpointed === all.length ? true : undefined), limits);
  }

  /** Messages that wait in the hub's database. */
  async countWaiting(): Promise<number> {
    return (await this.hub.nodes()).find((one) => one.node === this.#node)?.backlogMessages ?? 0;
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.hub.close();
  }

  /** Reads the ledger again and again. While there is no hub, the question waits for it. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      try {
        this.entries = await this.hub.where({ node: this.#node, limit: 1_000 });
        this.newest = newestOf(this.entries);
        await pause(pollEveryMs, signal);
      } catch {
        // Before the node has joined, the hub does not know it; after the end, there is no connection.
        if (!signal.aborted) await pause(pollEveryMs, signal).catch(() => undefined);
      }
    }
  }
}
