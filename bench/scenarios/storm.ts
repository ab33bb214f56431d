import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import type { FleetCount, FleetIdentities } from "../../testbed/fleet/fleet-nodes.ts";
import { issueFleet } from "../fleet/identities.ts";
import { Probe } from "../probe.ts";
import { HubProgram, Process } from "../programs.ts";
import { type Figure, quantile, type Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

const nodes = 5_000;
/** Those that stay connected while the others come back. */
const steady = 200;
const lookEveryMs = 200;
/** Messages that are published together. */
const batch = 50;
/** What cannot be done in so long fails the run. */
const patienceMs = 180_000;

interface Storm {
  /** From the hub's start, or the loss of the connections, until each node has its update. */
  readonly syncMs: number;
  /** Highest seen, and before. */
  readonly peakMiB: number;
  readonly beforeMiB: number;
}

/** How the network fails them. */
const fallouts = ["lose", "cut"] as const;
type Fallout = (typeof fallouts)[number];
const said: Record<Fallout, string> = { lose: "lost by the network", cut: "reset at once" };

/**
 * 5,000 nodes lose their connections at once, come back as they can, and each gets an update that was published meanwhile.
 * Because the hub is killed and started again; because a network fails them, while 200 others stay connected: once one that
 * tells the hub of nothing, as networks do, and once one that resets every connection in the same moment, as a proxy does.
 */
export const storm: Scenario = {
  name: "storm",
  describes:
    "5,000 nodes come back at once: until all have their update, memory, p99 of those that stay; three minutes",
  heavy: true,
  async run({ directory, rounds, roundMs }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const fleet = await issueFleet(hub.dataDir, nodes, "storm");
    const calm = await issueFleet(hub.dataDir, steady, "steady");
    say("making the nodes known");
    const all = [...fleet.nodes, ...calm.nodes];
    for (let at = 0; at < all.length; at += 500)
      await Promise.all(all.slice(at, at + 500).map(({ node }) => client.admin.addNode(node)));
    const load = await connect(hub, fleet, true);
    load.standAside();
    await untilConnected(load, nodes);
    await update(client, fleet, 1);
    const restarts: Storm[] = [];
    const cuts: Record<Fallout, Storm[]> = { lose: [], cut: [] };
    const ratios: Record<Fallout, number[]> = { lose: [], cut: [] };
    const few = Math.min(rounds, 3);
    for (let round = 0; round < few; round++) {
      restarts.push(await restarted(hub, client, load, fleet, 2 * round + 2));
      say(`hub restarted: in sync after ${(restarts.at(-1) as Storm).syncMs.toFixed(0)} ms`);
    }
    const others = await connect(hub, calm, true);
    // A controller of its own: what waits behind 5,000 updates in their publisher's link is not what a storm does.
    const publisher = await connectHub(hub.admin);
    const probe = new Probe(
      publisher,
      calm.nodes.map(({ node }) => node),
    );
    await probe.during(roundMs);
    let version = 2 * few + 3;
    for (let round = 0; round < few; round++) {
      for (const fallout of fallouts) {
        const quiet = quantile(await probe.during(2 * roundMs), 0.99);
        const storming = fails(fallout, { hub, client, load, fleet, version: version++ });
        const times = await probe.during(0, storming);
        const during = quantile(times, 0.99);
        const { syncMs } = await storming;
        cuts[fallout].push(await storming);
        ratios[fallout].push(during / quiet);
        say(
          `${said[fallout]}: in sync after ${syncMs.toFixed(0)} ms; p99 of the others ${quiet.toFixed(1)} → ${during.toFixed(1)} ms (p50 ${quantile(times, 0.5).toFixed(1)}, p90 ${quantile(times, 0.9).toFixed(1)} ms)`,
        );
      }
    }
    await others.end();
    await load.end();
    await publisher.close();
    await client.close();
    await hub.end();
    return figuresOf(restarts, cuts, ratios);
  },
};

async function restarted(
  hub: HubProgram,
  client: HubClient,
  load: Process,
  fleet: FleetIdentities,
  version: number,
): Promise<Storm> {
  const beforeMiB = hub.process.residentMiB();
  await hub.end("SIGKILL");
  const { count } = await load.ask<FleetCount>("count");
  const startedAt = performance.now();
  await hub.start();
  return await inSync(hub, load, { startedAt, beforeMiB, count, work: update(client, fleet, version) });
}

async function fails(
  fallout: Fallout,
  parts: { hub: HubProgram; client: HubClient; load: Process; fleet: FleetIdentities; version: number },
): Promise<Storm> {
  const { hub, client, load, fleet, version } = parts;
  const beforeMiB = hub.process.residentMiB();
  const { count } = await load.ask<FleetCount>("count");
  const startedAt = performance.now();
  load.send(fallout === "cut" ? { cut: nodes } : { lose: nodes });
  return await inSync(hub, load, { startedAt, beforeMiB, count, work: update(client, fleet, version) });
}

/** Watches until each node has one message more than there were before, and all are connected. */
async function inSync(
  hub: HubProgram,
  load: Process,
  parts: { startedAt: number; beforeMiB: number; count: number; work: Promise<void> },
): Promise<Storm> {
  const { startedAt, beforeMiB, count, work } = parts;
  let peakMiB = beforeMiB;
  for (;;) {
    await pause(lookEveryMs);
    peakMiB = Math.max(peakMiB, hub.process.residentMiB());
    const seen = await load.ask<FleetCount>("count");
    const tookMs = performance.now() - startedAt;
    if (tookMs > patienceMs)
      throw new Error(`${seen.connected} of ${nodes} nodes are connected: ${seen.failure}`);
    if (seen.count - count < nodes || seen.connected < nodes) continue;
    await work;
    return { syncMs: tookMs, peakMiB, beforeMiB };
  }
}

async function connect(hub: HubProgram, identities: FleetIdentities, reconnect: boolean): Promise<Process> {
  const load = new Process("testbed/fleet/worker.ts");
  await load.ask({ mode: "ack", port: hub.ports.nodes, identities, window: 64, bytes: 0, reconnect });
  load.send("start");
  return load;
}

async function untilConnected(load: Process, count: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const { connected, failure } = await load.ask<FleetCount>("count");
    if (connected === count) return;
    if (performance.now() > deadline)
      throw new Error(`${connected} of ${count} nodes are connected: ${failure}`);
    await pause(lookEveryMs);
  }
}

/** One update for every node; in small batches, as controllers do: a large one would be felt by those that stay. */
async function update(client: HubClient, fleet: FleetIdentities, version: number): Promise<void> {
  for (let at = 0; at < fleet.nodes.length; at += batch) {
    const drafts = fleet.nodes.slice(at, at + batch).map(({ node }) => configMap(node, 0, version));
    const failed = (await client.publishBatch(drafts)).find((outcome) => !outcome.ok);
    if (failed && !failed.ok) throw failed.error;
  }
}

function figuresOf(
  restarts: readonly Storm[],
  cuts: Readonly<Record<Fallout, readonly Storm[]>>,
  ratios: Readonly<Record<Fallout, readonly number[]>>,
): Figure[] {
  const lessIsBetter = true;
  const of = (storms: readonly Storm[], value: (one: Storm) => number): number[] => storms.map(value);
  const all = [...restarts, ...cuts.lose, ...cuts.cut];
  const perFallout = fallouts.flatMap((fallout): Figure[] => [
    {
      name: `5,000 nodes ${said[fallout]} → all have their next update`,
      unit: "ms",
      rounds: of(cuts[fallout], ({ syncMs }) => syncMs),
      goal: 60_000,
      lessIsBetter,
    },
    {
      name: `ack p99 of 200 nodes that stay, 5,000 ${said[fallout]}, against quiet`,
      unit: "ratio",
      rounds: ratios[fallout],
      goal: 2,
      lessIsBetter,
    },
  ]);
  return [
    {
      name: "hub killed and restarted under 5,000 nodes → all have their next update",
      unit: "ms",
      rounds: of(restarts, ({ syncMs }) => syncMs),
      goal: 60_000,
      lessIsBetter,
    },
    ...perFallout,
    {
      name: "hub memory while 5,000 nodes come back, highest",
      unit: "MiB",
      rounds: of(all, ({ peakMiB }) => peakMiB),
      lessIsBetter,
    },
    {
      name: "hub memory with 5,000 nodes connected, before",
      unit: "MiB",
      rounds: of(all, ({ beforeMiB }) => beforeMiB),
      lessIsBetter,
    },
  ];
}
