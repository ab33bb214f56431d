import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import type { FleetIdentities, FleetOrder } from "../../testbed/fleet/fleet-nodes.ts";
import { issueFleet } from "../fleet/identities.ts";
import { HubProgram, openDoor, Process } from "../programs.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

const nodes = 1_000;
/** Size of a message on the wire, the hub's and the echoed one's. */
const wireBytes = 320;
/** Handshakes, first reads of the queues and their garbage are over. */
const warmUpMs = 1_000;

/** Messages per second from and to the load generator, over so long; and the server's CPU per message, µs. */
async function rateOf(load: Process, server: Process, ms: number): Promise<{ rate: number; cpu: number }> {
  const before = await load.ask<{ count: number }>("count");
  const cpuBefore = server.cpuMs();
  const startedAt = performance.now();
  await pause(ms);
  const after = await load.ask<{ count: number }>("count");
  const count = after.count - before.count;
  return {
    rate: (count / (performance.now() - startedAt)) * 1000,
    cpu: ((server.cpuMs() - cpuBefore) * 1000) / count,
  };
}

async function connectFleet(order: FleetOrder): Promise<Process> {
  const load = new Process("testbed/fleet/worker.ts");
  await load.ask(order);
  load.send("start");
  return load;
}

async function echoRate(
  identities: FleetIdentities,
  hubDataDir: string,
  window: number,
  ms: number,
): Promise<{ rate: number; cpu: number }> {
  const read = (name: string): string => readFileSync(join(hubDataDir, "pki", name), "utf8");
  const server = new Process("bench/fleet/echo-server.ts");
  const { port } = await server.ask<{ port: number }>({
    ca: identities.ca,
    cert: read("server.crt"),
    key: read("server.key"),
  });
  const load = await connectFleet({ mode: "echo", port, identities, window, bytes: wireBytes });
  await pause(warmUpMs);
  const measured = await rateOf(load, server, ms);
  await load.end();
  await server.end();
  return measured;
}

/** Puts so many updates into the queue of every node. */
async function fill(
  client: HubClient,
  identities: FleetIdentities,
  perNode: number,
  version: number,
): Promise<void> {
  for (let key = 0; key < perNode; key += 2) {
    const drafts = [key, key + 1].flatMap((one) =>
      identities.nodes.map(({ node }) => configMap(node, one, version)),
    );
    await client.publishBatch(drafts);
  }
}

/**
 * A fleet of a thousand nodes on mutual TLS, each with a full queue: messages acked and checkpointed per second, as
 * a share of what plain `ws` echoes over the same kind of connections, measured in turn.
 */
export const fleet: Scenario = {
  name: "fleet",
  describes: "1,000 nodes: acked and checkpointed messages against the raw echo of ws",
  async run({ directory, rounds, roundMs }, say) {
    const figures: Figure[] = [];
    for (const { window, goal, perNode } of [
      { window: 1, goal: 0.8, perNode: 150 },
      { window: 8, goal: 0.7, perNode: 300 },
    ]) {
      const hub = new HubProgram(join(directory, `w${window}`, "hub"));
      await hub.start([], openDoor);
      const client = await connectHub(hub.admin);
      const identities = await issueFleet(hub.dataDir, nodes);
      for (const { node } of identities.nodes) await client.admin.addNode(node);
      const echo: number[] = [];
      const acked: number[] = [];
      const cpu: number[] = [];
      const resident: number[] = [];
      for (let round = 0; round < rounds; round++) {
        say(`window ${window}, round ${round + 1}: echo`);
        echo.push((await echoRate(identities, hub.dataDir, window, roundMs)).rate);
        say(`window ${window}, round ${round + 1}: filling the queues`);
        await fill(client, identities, perNode, round + 1);
        say(`window ${window}, round ${round + 1}: hub`);
        const load = await connectFleet({
          mode: "ack",
          port: hub.ports.nodes,
          identities,
          window,
          bytes: wireBytes,
        });
        await pause(warmUpMs);
        // Half of the queue at the echo's rate: it is never empty while it is measured.
        const ms = Math.min(roundMs, ((nodes * perNode) / (echo.at(-1) as number)) * 500);
        const measured = await rateOf(load, hub.process, ms);
        acked.push(measured.rate);
        cpu.push(measured.cpu);
        resident.push(hub.process.residentMiB());
        while ((await load.ask<{ count: number }>("count")).count < nodes * perNode) await pause(50);
        await load.end();
      }
      await client.close();
      await hub.end();
      const words = `1,000 mTLS nodes, ${window} in flight each`;
      figures.push(
        {
          name: `share of raw ws echo, ${words}`,
          unit: "ratio",
          rounds: acked.map((rate, i) => rate / (echo[i] as number)),
          goal,
        },
        {
          name: `acked and checkpointed messages/s, ${words}`,
          unit: "1/s",
          rounds: acked,
          ceiling: { name: "raw ws echo", rounds: echo },
        },
        { name: `hub CPU per message, all threads, ${words}`, unit: "us", rounds: cpu, lessIsBetter: true },
        { name: `hub memory, ${words}`, unit: "MiB", rounds: resident, lessIsBetter: true },
      );
    }
    return figures;
  },
};
