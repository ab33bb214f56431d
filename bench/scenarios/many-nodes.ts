import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import type { FleetIdentities } from "../../testbed/fleet/fleet-nodes.ts";
import { issueFleet } from "../fleet/identities.ts";
import { hubMetric } from "../fleet/metrics.ts";
import { HubProgram, openDoor, Process } from "../programs.ts";
import { type Figure, median, type Scenario } from "../scenario.ts";
import { configMap } from "../updates.ts";

const sizes = [10, 100, 1_000, 10_000] as const;
/** Messages a second to all nodes together, whatever their number; published in pieces. */
const perSecond = 2_000;
const pieceMs = 10;
/** Handshakes are over and what they left behind is not used any more. */
const settleMs = 4_000;
/** Every node says something twice in that time. */
const idleMs = 10_000;
/** So long, and so often at most, it is looked whether the hub has come to rest. */
const lookMs = 5_000;
const mostLooks = 6;
/** Of the hub's timer that looks at the lag; it is part of what is reported. */
const lagResolutionMs = 10;

interface Measured {
  /** Growth of the hub for each node that connects, KiB. */
  readonly residentKib: number;
  /** With nothing to send, CPU ms a second. */
  readonly idleCpu: number;
  readonly cpuPerMessage: number[];
  readonly lagMs: number[];
}

/**
 * What a node costs while it does nothing, and what a message costs, for fleets of growing size. The same number of messages
 * goes to all of them together, so that it is the number of nodes that makes the difference.
 */
export const manyNodes: Scenario = {
  name: "many-nodes",
  describes:
    "10 to 10,000 nodes: memory of an idle one against raw ws, CPU per message, lag; about four minutes",
  heavy: true,
  async run({ directory, rounds, roundMs }, say) {
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    say("making 10,000 nodes known");
    const fleet = await issueFleet(hub.dataDir, Math.max(...sizes));
    await makeKnown(hub, fleet);
    await hub.end("SIGTERM");
    const raw = await rawKib(fleet, hub.dataDir);
    say(`raw ws: ${raw.toFixed(0)} KiB a connection`);
    const all = new Map<number, Measured>();
    for (const size of sizes) {
      const measured = await measure(
        hub,
        { ...fleet, nodes: fleet.nodes.slice(0, size) },
        { rounds, roundMs },
      );
      all.set(size, measured);
      say(
        `${size} nodes: ${measured.residentKib.toFixed(0)} KiB a node, ${median(measured.cpuPerMessage).toFixed(0)} µs a message, idle ${measured.idleCpu.toFixed(1)} ms/s`,
      );
    }
    return figuresOf(all, raw);
  },
};

async function measure(
  hub: HubProgram,
  fleet: FleetIdentities,
  { rounds, roundMs }: { rounds: number; roundMs: number },
): Promise<Measured> {
  await hub.start([], openDoor);
  const client = await connectHub(hub.admin);
  const load = new Process("testbed/fleet/worker.ts");
  await pause(settleMs);
  const before = hub.process.residentMiB();
  await load.ask({
    mode: "ack",
    port: hub.ports.nodes,
    identities: fleet,
    window: 64,
    bytes: 0,
    atOnce: 100,
  });
  load.send("start");
  await pause(settleMs);
  const residentKib = ((hub.process.residentMiB() - before) * 1_024) / fleet.nodes.length;
  await untilIdle(hub);
  const cpuBefore = hub.process.cpuMs();
  await pause(idleMs);
  const idleCpu = (hub.process.cpuMs() - cpuBefore) / (idleMs / 1_000);
  const publisher = new EvenLoad(client, fleet);
  const cpuPerMessage: number[] = [];
  const lagMs: number[] = [];
  await publisher.during(roundMs);
  for (let round = 0; round < rounds; round++) {
    await hubMetric(hub, "nodejs_eventloop_lag_p99_seconds");
    const [startedAt, cpu] = [performance.now(), hub.process.cpuMs()];
    const { count } = await load.ask<{ count: number }>("count");
    await publisher.during(roundMs);
    const arrived = (await load.ask<{ count: number }>("count")).count - count;
    const idle = (idleCpu * (performance.now() - startedAt)) / 1_000;
    cpuPerMessage.push(((hub.process.cpuMs() - cpu - idle) * 1_000) / arrived);
    const lag = (await hubMetric(hub, "nodejs_eventloop_lag_p99_seconds")) * 1_000;
    lagMs.push(Math.max(0, lag - lagResolutionMs));
  }
  await load.end();
  await client.close();
  await hub.end("SIGTERM");
  return { residentKib, idleCpu, cpuPerMessage, lagMs };
}

/** What the controllers do for nodes that have just come is over: the hub's CPU falls no more. */
async function untilIdle(hub: HubProgram): Promise<void> {
  const sample = async (): Promise<number> => {
    const before = hub.process.cpuMs();
    await pause(lookMs);
    return hub.process.cpuMs() - before;
  };
  let last = await sample();
  for (let looks = 0; looks < mostLooks; looks++) {
    const next = await sample();
    if (next > last * 0.8) return;
    last = next;
  }
}

/** What a connection with mutual TLS costs a server that has `ws` and nothing else, KiB. */
async function rawKib(fleet: FleetIdentities, hubDataDir: string): Promise<number> {
  const read = (name: string): string => readFileSync(join(hubDataDir, "pki", name), "utf8");
  const server = new Process("bench/fleet/echo-server.ts");
  const { port } = await server.ask<{ port: number }>({
    ca: fleet.ca,
    cert: read("server.crt"),
    key: read("server.key"),
  });
  const load = new Process("testbed/fleet/worker.ts");
  await pause(settleMs);
  const before = server.residentMiB();
  await load.ask({ mode: "echo", port, identities: fleet, window: 1, bytes: 0, atOnce: 100 });
  await pause(settleMs);
  const kib = ((server.residentMiB() - before) * 1_024) / fleet.nodes.length;
  await load.end();
  await server.end();
  return kib;
}

async function makeKnown(hub: HubProgram, fleet: FleetIdentities): Promise<void> {
  const client = await connectHub(hub.admin);
  for (let at = 0; at < fleet.nodes.length; at += 500)
    await Promise.all(fleet.nodes.slice(at, at + 500).map(({ node }) => client.admin.addNode(node)));
  await client.close();
}

/** Updates to the nodes in turn, at a rate that does not depend on how fast they are acked. */
class EvenLoad {
  readonly #client: HubClient;
  readonly #fleet: FleetIdentities;
  #count = 0;

  constructor(client: HubClient, fleet: FleetIdentities) {
    this.#client = client;
    this.#fleet = fleet;
  }

  async during(ms: number): Promise<void> {
    const startedAt = performance.now();
    const published: Promise<unknown>[] = [];
    for (let sent = 0; performance.now() - startedAt < ms; ) {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1_000);
      if (due > sent) published.push(this.#publish(due - sent));
      sent = due;
      await pause(pieceMs);
    }
    await Promise.all(published);
  }

  async #publish(count: number): Promise<void> {
    const { nodes } = this.#fleet;
    const drafts = Array.from({ length: count }, () => {
      const number = this.#count++;
      const { node } = nodes[number % nodes.length] as (typeof nodes)[number];
      return configMap(node, number % 16_000, number + 1);
    });
    const failed = (await this.#client.publishBatch(drafts)).find((outcome) => !outcome.ok);
    if (failed && !failed.ok) throw failed.error;
  }
}

function figuresOf(all: ReadonlyMap<number, Measured>, raw: number): Figure[] {
  const lessIsBetter = true;
  const of = (size: number): Measured => all.get(size) as Measured;
  const [few, many] = [of(10), of(10_000)];
  return [
    {
      name: "memory per idle mTLS node at 10,000, against raw ws",
      unit: "ratio",
      rounds: [many.residentKib / raw],
      goal: 1.2,
      lessIsBetter,
    },
    {
      name: "memory per idle mTLS node at 10,000",
      unit: "KiB",
      rounds: [many.residentKib],
      ceiling: { name: "raw ws + mTLS", rounds: [raw] },
      lessIsBetter,
    },
    {
      name: "hub CPU per message at 10,000 nodes, against 10",
      unit: "ratio",
      rounds: many.cpuPerMessage.map((cpu) => cpu / median(few.cpuPerMessage)),
      goal: 1.5,
      lessIsBetter,
    },
    ...sizes.flatMap((size): Figure[] => [
      {
        name: `hub CPU per message at 2,000/s, ${size.toLocaleString("en-US")} nodes`,
        unit: "us",
        rounds: of(size).cpuPerMessage,
        lessIsBetter,
      },
      {
        name: `event-loop lag p99 at 2,000/s, ${size.toLocaleString("en-US")} nodes`,
        unit: "ms",
        rounds: of(size).lagMs,
        lessIsBetter,
      },
    ]),
    {
      name: "hub CPU with 10,000 idle nodes, ms per second",
      unit: "ms",
      rounds: [many.idleCpu],
      lessIsBetter,
    },
  ];
}
