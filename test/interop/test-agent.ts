import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type EdgeHub, type EdgeOptionsInput, type EdgeParts, startEdge } from "../../edgehub/index.ts";
import type { Fields, Logger } from "../../platform/logger.ts";
import { LeapingClock } from "./leaping-clock.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { StockCloud, type StockCloudOptions } from "./stock-cloud.ts";

/** An agent of ours, a stock cloud, and time that a test pushes forward. */
export interface TestAgent {
  readonly edge: EdgeHub;
  readonly cloud: StockCloud;
  readonly clock: LeapingClock;
  /** What it has logged: event and fields. */
  readonly logged: readonly (Fields & { readonly event: string })[];
}

export interface TestAgentOptions {
  readonly cloud?: StockCloudOptions;
  readonly edge?: EdgeOptionsInput;
  readonly parts?: Partial<EdgeParts>;
}

/** Starts an agent that joins a stock cloud; it dials in its own time. */
export async function agentForTest({
  cloud: cloudOptions,
  edge,
  parts,
}: TestAgentOptions = {}): Promise<TestAgent> {
  const cloud = await StockCloud.start(cloudOptions);
  const clock = new LeapingClock();
  const logged: (Fields & { readonly event: string })[] = [];
  const directory = mkdtempSync(join(tmpdir(), "edge-interop-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const { hub, ...others } = edge ?? {};
  const agent = await startEdge(
    {
      node: "edge-a",
      dataDir: directory,
      store: { synchronous: "normal" },
      eventBus: { enable: false },
      // It has something to say at each connect.
      deviceTwin: { enable: false },
      ...others,
      hub: {
        server: `wss://127.0.0.1:${cloud.ports.nodes}`,
        join: `https://127.0.0.1:${cloud.ports.join}`,
        token: cloud.token,
        reconnectMinMs: 10,
        reconnectMaxMs: 20,
        ...hub,
      },
    },
    { clock, log: recordingLogger(logged), addresses: () => [], ...parts },
  );
  onTestFinished(() => agent.close());
  return { edge: agent, cloud, clock, logged };
}

/** As {@link agentForTest}, connected, its first heartbeat read. */
export async function connectedAgent(
  options: TestAgentOptions = {},
): Promise<TestAgent & { link: RawWebSocket }> {
  const agent = await agentForTest(options);
  const link = await agent.cloud.nextLink();
  await link.next();
  return { ...agent, link };
}

export function recordingLogger(lines: (Fields & { readonly event: string })[]): Logger {
  const add = (event: string, fields: Fields = {}): void => void lines.push({ event, ...fields });
  const logger: Logger = { debug: add, info: add, warn: add, error: add, with: () => logger };
  return logger;
}
