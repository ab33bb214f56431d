import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import type { FleetIdentities } from "../../testbed/fleet/fleet-nodes.ts";
import type { RawNodeMode } from "../../testbed/fleet/raw-node.ts";
import { issueFleet } from "../fleet/identities.ts";
import { Probe } from "../probe.ts";
import { HubProgram, Process } from "../programs.ts";
import { type Figure, quantile, type Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

const nodes = 200;
/** What a node that joins is to get; and how many of them join one after the other. */
const objects = 5_000;
const joiners = 3;
/** A phase is so many times as long as a round of other scenarios: of few acks the slowest hundredth is chance. */
const phase = 4;
/** What waits for the node that acks nothing: its queue is full. */
const backlog = 10_000;
const goal = 1.2;
/** The database has moved what was put into the queues to its place. */
const settleMs = 3_000;

/** The window that our own agent grants. */
const window = 1_024;

/** Connects nodes from a process, which has been started before: that is no work of the hub's. */
async function connectNodes(
  load: Process,
  hub: HubProgram,
  { mode, identities }: { mode: RawNodeMode; identities: FleetIdentities },
): Promise<void> {
  await load.ask({ mode, port: hub.ports.nodes, identities, window, bytes: 300 });
  load.send("start");
}

/** Puts objects into the queue of a node that is away. */
async function fill(client: HubClient, node: string, count: number, version: number): Promise<void> {
  for (let key = 0; key < count; key += 1_000) {
    const drafts = Array.from({ length: Math.min(1_000, count - key) }, (_, i) =>
      configMap(node, key + i, version),
    );
    const failed = (await client.publishBatch(drafts)).find((outcome) => !outcome.ok);
    if (failed && !failed.ok) throw failed.error;
  }
}

type Disturbance = "joining" | "silent" | "flooding";

/** A node is connected for so long. */
async function disturb(
  load: Process,
  hub: HubProgram,
  { forMs, ...order }: { mode: RawNodeMode; identities: FleetIdentities; forMs: number },
): Promise<void> {
  await connectNodes(load, hub, order);
  await pause(forMs);
}

/** Some nodes join, one after the other; resolves when each has acked all that waited for it. */
async function joinAll(load: Process, hub: HubProgram, identities: FleetIdentities): Promise<void> {
  for (const one of identities.nodes) {
    await connectNodes(load, hub, { mode: "ack", identities: { ...identities, nodes: [one] } });
    while ((await load.ask<{ count: number }>("count")).count < objects) await pause(10);
    await load.ask("close");
  }
}

/**
 * What one node can do to the others: how long the slowest acks of 200 nodes take while one joins with many objects, one
 * acks nothing, or one floods the hub, as a ratio to the same without it, measured right before and right behind.
 */
export const isolation: Scenario = {
  name: "isolation",
  describes: "ack p99 of 200 nodes while one joins with 5,000 objects, acks nothing, or floods upward",
  async run({ directory, rounds, roundMs }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start([], { "limits.backlogMessages": backlog });
    const client = await connectHub(hub.admin);
    const fleet = await issueFleet(hub.dataDir, nodes);
    const joining = await issueFleet(hub.dataDir, joiners * rounds, "joining");
    const silent = await issueFleet(hub.dataDir, 1, "silent");
    const flooding = await issueFleet(hub.dataDir, 1, "flooding");
    for (const { node } of [fleet, joining, silent, flooding].flatMap((one) => one.nodes))
      await client.admin.addNode(node);
    const load = new Process("testbed/fleet/worker.ts");
    const other = new Process("testbed/fleet/worker.ts");
    other.standAside();
    await connectNodes(load, hub, { mode: "ack", identities: fleet });
    const probe = new Probe(
      client,
      fleet.nodes.map((one) => one.node),
    );
    say("filling the queues");
    for (const { node } of joining.nodes) await fill(client, node, objects, 1);
    await fill(client, "silent-0", backlog, 1);
    say("warming up");
    await probe.during(phase * roundMs);
    await pause(settleMs);
    const quiet: number[] = [];
    const ratios: Record<Disturbance, number[]> = { joining: [], silent: [], flooding: [] };
    const measure = async (round: number, what: Disturbance | "quiet", times: Promise<number[]>) => {
      const found = await times;
      const p99 = quantile(found, 0.99);
      const p50 = quantile(found, 0.5);
      say(`round ${round + 1}, ${what}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
      return p99;
    };
    for (let round = 0; round < rounds; round++) {
      const nowJoining = { ...joining, nodes: joining.nodes.slice(round * joiners, (round + 1) * joiners) };
      const calm = (): Promise<number> => measure(round, "quiet", probe.during(phase * roundMs));
      let before = await calm();
      quiet.push(before);
      const disturbances: Record<Disturbance, () => Promise<unknown>> = {
        joining: () => joinAll(other, hub, nowJoining),
        silent: () => disturb(other, hub, { mode: "silent", identities: silent, forMs: phase * roundMs }),
        flooding: () => disturb(other, hub, { mode: "flood", identities: flooding, forMs: phase * roundMs }),
      };
      for (const [what, begin] of Object.entries(disturbances) as [Disturbance, () => Promise<unknown>][]) {
        const p99 = await measure(round, what, probe.during(0, begin()));
        await other.ask("close");
        await pause(settleMs);
        const after = await calm();
        ratios[what].push((2 * p99) / (before + after));
        before = after;
      }
    }
    await other.end();
    await load.end();
    await client.close();
    await hub.end();
    const ratio = (what: Disturbance, words: string): Figure => ({
      name: `ack p99 of 200 nodes while one ${words}, against quiet`,
      unit: "ratio",
      rounds: ratios[what],
      goal,
      lessIsBetter: true,
    });
    return [
      { name: "ack p99 of 200 nodes, quiet", unit: "ms", rounds: quiet, lessIsBetter: true },
      ratio("joining", "joins with 5,000 objects"),
      ratio("silent", "acks nothing, with a full queue"),
      ratio("flooding", "floods upward"),
    ];
  },
};
