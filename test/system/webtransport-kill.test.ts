import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { connectHub, contentOf, type HubClient } from "../../sdk/index.ts";
import { startImpairer } from "../../testbed/impairer/index.ts";
import { freePort } from "../support/free-port.ts";
import { HubProcess, temporaryDirectory, until } from "../support/processes.ts";
import { randomOf, seeds } from "../support/seeds.ts";
import { Arrivals, KilledAgent } from "./killed-agent.ts";
import { Pace } from "./strikes.ts";

const updates = 3_000;
const keys = 200;
const events = 3_000;
const strikes = ["hub", "agent", "cut", "agent", "hub", "cut"] as const;
const seed = seeds(1)[0] as number;

/** Publishes all updates. @returns Per resource the newest version that the hub has acknowledged. */
async function publishUpdates(client: HubClient, pace: Pace): Promise<Map<string, number>> {
  const newest = new Map<string, number>();
  let version = 0;
  const publisher = async (): Promise<void> => {
    while (version < updates) {
      const mine = ++version;
      await pace.work(mine, updates);
      const resource = `default/configmap/key-${mine % keys}`;
      const content = { kind: "ConfigMap", apiVersion: "v1", metadata: { name: resource }, data: { mine } };
      await client.publish({
        node: "edge-1",
        resource,
        operation: "update",
        resourceVersion: String(mine),
        content,
      });
      newest.set(resource, Math.max(newest.get(resource) ?? 0, mine));
    }
  };
  await Promise.all(Array.from({ length: 16 }, publisher));
  return newest;
}

function collectEvents(client: HubClient, received: Arrivals): void {
  void (async () => {
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      received.add(contentOf(message) as number);
      ack();
    }
  })();
}

it(`loses nothing over WebTransport while hub, agent and link are killed in turn (seed ${seed})`, async () => {
  const random = randomOf(seed);
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const port = await freePort();
  const hub = new HubProcess(join(directory.path, "hub"), {
    "nodes.webTransport.enable": "true",
    "nodes.webTransport.port": port,
  });
  await hub.start();
  onTestFinished(() => void hub.stop());
  const host = "127.0.0.1";
  const link = await startImpairer({
    listen: { host, port: 0 },
    target: { host, port },
    profile: { delayMs: 5, jitterMs: 3 },
    seed,
  });
  onTestFinished(() => link.close());
  const client = await connectHub(hub.admin, { random: () => Math.random() / 50 });
  onTestFinished(() => client.close());
  const { token } = await client.admin.createJoinToken({ ttlMs: 600_000, uses: 1 });
  const agent = new KilledAgent([
    join(directory.path, "edge"),
    `wss://${host}:${hub.ports.nodes}`,
    `https://${host}:${hub.ports.join}`,
    token,
    JSON.stringify({ transport: "webtransport", webTransportPort: link.port }),
  ]);
  await agent.start();
  onTestFinished(() => void agent.stop());
  await until("the node joins", async () => (await client.nodes()).some((node) => node.connected));

  const received = new Arrivals();
  collectEvents(client, received);
  const pace = new Pace(strikes.length);
  const trouble = async (): Promise<void> => {
    for (const strike of strikes) {
      await pace.strike(() => Math.min(agent.newestVersion / updates, agent.accepted / events), random());
      if (strike === "hub") await hub.killAndRestart();
      else if (strike === "agent") await agent.killAndRestart();
      else link.cut(random() * 300);
      pace.struck();
    }
  };
  const [newest] = await Promise.all([
    publishUpdates(client, pace),
    agent.sendEvents(events, pace),
    trouble(),
  ]);
  await until("all events arrive", () => received.newest === events, 120_000);
  await until("the node has the newest versions", async () => {
    const { resources } = await agent.report();
    return [...newest].every(([resource, version]) => resources.get(resource) === version);
  });
  expect({ hub: hub.kills, agent: agent.kills }).toEqual({ hub: 2, agent: 2 });
  received.farthestRepeat(events);
  const wentBack = [...agent.versions].filter(([, seen]) =>
    seen.some((version, i) => i > 0 && version < (seen[i - 1] as number)),
  );
  expect(wentBack).toEqual([]);
}, 300_000);
