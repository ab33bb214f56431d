import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { FleetIdentities } from "../../testbed/fleet/fleet-nodes.ts";
import { issueFleet } from "../fleet/identities.ts";
import { HubProgram, Process } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";

const nodes = 1_000;
const wireBytes = 320;
const warmUpMs = 1_000;

/**
 * Whether TLS and links in more processes can pay on this machine: the simplest server there is, once in one process and
 * once in two that share the port, under the same load. A hub whose links are split cannot gain more than that.
 */
export const cores: Scenario = {
  name: "cores",
  describes:
    "raw ws echo in two processes that share a port, against one: what splitting a hub's links can gain here",
  async run({ directory, rounds, roundMs }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const identities = await issueFleet(hub.dataDir, nodes);
    await hub.end();
    const figures: Figure[] = [];
    for (const window of [1, 8]) {
      const gains: number[] = [];
      for (let round = 0; round < Math.min(rounds, 3); round++) {
        const one = await rateOf(1, identities, { hubDataDir: hub.dataDir, window, ms: roundMs });
        const two = await rateOf(2, identities, { hubDataDir: hub.dataDir, window, ms: roundMs });
        gains.push(two / one);
        say(`window ${window}, round ${round + 1}: ${one.toFixed(0)} → ${two.toFixed(0)} messages/s`);
      }
      figures.push({
        name: `raw ws echo in two processes against one, 1,000 mTLS nodes, ${window} in flight each`,
        unit: "ratio",
        rounds: gains,
        goal: 1.6,
      });
    }
    return figures;
  },
};

async function rateOf(
  count: number,
  identities: FleetIdentities,
  { hubDataDir, window, ms }: { hubDataDir: string; window: number; ms: number },
): Promise<number> {
  const read = (name: string): string => readFileSync(join(hubDataDir, "pki", name), "utf8");
  const port = await freePort();
  const servers = Array.from({ length: count }, () => new Process("bench/fleet/echo-server.ts"));
  const tls = { ca: identities.ca, cert: read("server.crt"), key: read("server.key") };
  for (const server of servers) await server.ask({ ...tls, port });
  const load = new Process("testbed/fleet/worker.ts");
  await load.ask({ mode: "echo", port, identities, window, bytes: wireBytes });
  load.send("start");
  await pause(warmUpMs);
  const before = await load.ask<{ count: number }>("count");
  const startedAt = performance.now();
  await pause(ms);
  const after = await load.ask<{ count: number }>("count");
  const rate = ((after.count - before.count) * 1_000) / (performance.now() - startedAt);
  for (const program of [load, ...servers]) await program.end();
  return rate;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
