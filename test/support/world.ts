import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type HubOptionsInput, type RunningHub, startHub } from "../../cloudhub/index.ts";
import { type EdgeHub, type EdgeOptionsInput, type EdgeParts, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { temporaryDirectory } from "./processes.ts";

/** A hub in this process on free loopback ports, and agents of it; all end with the test. */
export interface World {
  readonly directory: string;
  readonly hub: RunningHub;
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

export async function startWorld(options: HubOptionsInput = {}): Promise<World> {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const hub = await startHub(hubOptions(join(path, "hub"), options), { log: silentLogger });
  onTestFinished(() => hub.close());
  return {
    directory: path,
    hub,
    async agent(node, edgeOptions = {}, parts = {}) {
      const { token } = await hub.admin.createJoinToken({ ttlMs: 600_000 });
      const edge = await startEdge(
        {
          node,
          dataDir: join(path, node),
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
