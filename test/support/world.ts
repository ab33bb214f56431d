import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type HubOptionsInput,
  type HubServerParts,
  type RunningHub,
  startHub,
} from "../../cloudhub/index.ts";
import { type EdgeHub, type EdgeOptionsInput, type EdgeParts, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory } from "./processes.ts";

/** A hub in this process on free loopback ports, and agents of it; all end with the test. */
export interface World {
  readonly directory: string;
  /** The hub that runs now. */
  readonly hub: RunningHub;
  /** Ends the hub; another one takes over its data and its ports when `start` is called. */
  stopHub(): Promise<{ start(ports?: { api?: number }): Promise<void> }>;
  agent(node: string, options?: EdgeOptionsInput, parts?: Partial<EdgeParts>): Promise<EdgeHub>;
}

/** Options of a hub on free loopback ports. */
export function hubOptions(dataDir: string, options: HubOptionsInput = {}): HubOptionsInput {
  const host = "127.0.0.1";
  return {
    dataDir,
    advertise: [host],
    ...options,
    nodes: { host, port: 0, ...options.nodes },
    join: { host, port: 0, ...options.join },
    api: { host, port: 0, ...options.api },
  };
}

export async function startWorld(
  options: HubOptionsInput = {},
  hubParts: Partial<HubServerParts> = {},
): Promise<World> {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const start = (more: HubOptionsInput): Promise<RunningHub> =>
    startHub(hubOptions(join(path, "hub"), more), { log: silentLogger, ...hubParts });
  let hub = await start(options);
  onTestFinished(() => hub.close());
  return {
    directory: path,
    get hub() {
      return hub;
    },
    async stopHub() {
      const { nodes, quic, webTransport, join: joinPort, api } = hub.ports;
      await hub.close();
      return {
        async start(ports = {}) {
          hub = await start({
            ...options,
            nodes: {
              ...options.nodes,
              port: nodes,
              ...(quic ? { quic: { enable: true, port: quic } } : {}),
              ...(webTransport ? { webTransport: { enable: true, port: webTransport } } : {}),
            },
            join: { ...options.join, port: joinPort },
            api: { ...options.api, port: ports.api ?? api },
          });
        },
      };
    },
    async agent(node, edgeOptions = {}, parts = {}) {
      const { token } = await hub.admin.createJoinToken({ ttlMs: 600_000 });
      const edge = await startEdge(
        {
          node,
          dataDir: join(path, node),
          // Its port is the same for all agents.
          eventBus: { enable: false },
          ...edgeOptions,
          hub: {
            server: `wss://127.0.0.1:${hub.ports.nodes}`,
            join: `https://127.0.0.1:${hub.ports.join}`,
            token,
            reconnectMinMs: 20,
            reconnectMaxMs: 200,
            ...edgeOptions.hub,
          },
        },
        { log: silentLogger, ...parts },
      );
      onTestFinished(() => edge.close());
      return edge;
    },
  };
}
