import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import {
  type HubOptionsInput,
  type HubServerParts,
  type RunningHub,
  startHub,
} from "../../cloudhub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { kubeEdgeCaFiles } from "./certificates.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { connect, joinAsStockEdge, type StockEdge } from "./stock-edge.ts";
import { ackOf } from "./wire-json.ts";

/** A stock edge and the link it has with a hub. */
export interface Connected {
  readonly hub: RunningHub;
  readonly node: string;
  readonly edge: StockEdge;
  readonly link: RawWebSocket;
}

/** A hub on free ports, with a directory of its own. */
export class TestHub {
  readonly hub: RunningHub;
  readonly #remove: () => void;
  #names = 0;

  private constructor(hub: RunningHub, remove: () => void) {
    this.hub = hub;
    this.#remove = remove;
  }

  /** @param more `kubeEdgeCa`: with the CA of the vectors, as if taken over from a KubeEdge cloud. */
  static async start(
    options: HubOptionsInput = {},
    parts: Partial<HubServerParts> = {},
    more: { kubeEdgeCa?: boolean } = {},
  ): Promise<TestHub> {
    const directory = mkdtempSync(join(tmpdir(), "hub-interop-"));
    const local = { host: "127.0.0.1", port: 0 };
    const remove = (): void => rmSync(directory, { recursive: true, force: true });
    const hub = await startHub(
      {
        dataDir: join(directory, "hub"),
        advertise: ["127.0.0.1"],
        api: local,
        store: { synchronous: "normal" },
        ...(more.kubeEdgeCa ? { ca: kubeEdgeCaFiles(directory) } : {}),
        ...options,
        nodes: { ...local, ...options.nodes },
        join: { ...local, ...options.join },
      },
      { log: silentLogger, ...parts },
    ).catch((error: unknown) => {
      remove();
      throw error;
    });
    return new TestHub(hub, remove);
  }

  /** A node that has joined with the requests of a stock edge. */
  async join(node = this.#freshName()): Promise<StockEdge> {
    const { ports, admin } = this.hub;
    const { token } = await admin.createJoinToken({ ttlMs: 600_000, node });
    return { node, port: ports.nodes, credentials: await joinAsStockEdge(ports.join, node, token) };
  }

  /** A node that has joined and opened its link. */
  async connected(node?: string): Promise<Connected> {
    const edge = await this.join(node);
    return { hub: this.hub, node: edge.node, edge, link: await connect(edge) };
  }

  /** @param metric Name and labels as Prometheus writes them, or how they begin. @returns By how much it has grown. */
  async growthOf(metric: string): Promise<() => Promise<number>> {
    const before = await this.#sumOf(metric);
    return async () => (await this.#sumOf(metric)) - before;
  }

  async #sumOf(metric: string): Promise<number> {
    const lines = (await this.hub.metrics()).split("\n").filter((line) => line.startsWith(metric));
    return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  }

  #freshName(): string {
    this.#names++;
    return `node-${this.#names}`;
  }

  async close(): Promise<void> {
    await this.hub.close();
    this.#remove();
  }
}

/** The edge's link is still there: it carries a new object down and the ack up. */
export async function expectUndisturbed({ hub, node, link }: Connected): Promise<void> {
  const resource = "default/configmap/undisturbed";
  const settled = hub.publish(
    { node, resource, operation: "update", resourceVersion: "next", content: { kind: "ConfigMap" } },
    { until: "acked" },
  );
  const pushed = await link.next();
  expect(pushed.route).toMatchObject({ resource });
  link.send(ackOf(pushed));
  await settled;
}

/** A hub for one test. */
export async function hubForTest(...given: Parameters<typeof TestHub.start>): Promise<TestHub> {
  const started = await TestHub.start(...given);
  onTestFinished(() => started.close());
  return started;
}
