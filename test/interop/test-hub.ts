import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type HubOptionsInput, type HubServerParts, type RunningHub, startHub } from "../../cloudhub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { joinAsStockEdge, type StockEdge } from "./stock-edge.ts";

/** A hub on free ports, with a directory of its own. */
export class TestHub {
  readonly hub: RunningHub;
  readonly #directory: string;

  private constructor(hub: RunningHub, directory: string) {
    this.hub = hub;
    this.#directory = directory;
  }

  static async start(options: HubOptionsInput = {}, parts: Partial<HubServerParts> = {}): Promise<TestHub> {
    const directory = mkdtempSync(join(tmpdir(), "hub-interop-"));
    const local = { host: "127.0.0.1", port: 0 };
    const hub = await startHub(
      {
        dataDir: join(directory, "hub"),
        advertise: ["127.0.0.1"],
        api: local,
        store: { synchronous: "normal" },
        ...options,
        nodes: { ...local, ...options.nodes },
        join: { ...local, ...options.join },
      },
      { log: silentLogger, ...parts },
    );
    return new TestHub(hub, directory);
  }

  /** A node with a certificate that this hub issued, with the requests of a stock edge. */
  async join(node: string): Promise<StockEdge> {
    const { ports, admin } = this.hub;
    const { token } = await admin.createJoinToken({ ttlMs: 600_000, node });
    return { node, port: ports.nodes, credentials: await joinAsStockEdge(ports.join, node, token) };
  }

  /** @param metric Name and labels as Prometheus writes them. @returns By how much it has grown since. */
  async growthOf(metric: string): Promise<() => Promise<number>> {
    const before = await this.#value(metric);
    return async () => (await this.#value(metric)) - before;
  }

  async #value(metric: string): Promise<number> {
    const lines = (await this.hub.metrics()).split("\n");
    return Number(lines.find((line) => line.startsWith(`${metric} `))?.split(" ").at(-1) ?? 0);
  }

  async close(): Promise<void> {
    await this.hub.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** A hub for one test. */
export async function hubForTest(...given: Parameters<typeof TestHub.start>): Promise<TestHub> {
  const started = await TestHub.start(...given);
  onTestFinished(() => started.close());
  return started;
}
