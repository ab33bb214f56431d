import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, expect, it } from "vitest";
import { connectHub, contentOf, event, type HubClient, type Published } from "../../sdk/index.ts";
import { type Impairer, startImpairer } from "../../testbed/impairer/index.ts";
import { HubProcess, temporaryDirectory, until } from "../support/processes.ts";
import { randomOf, seeds } from "../support/seeds.ts";
import { Arrivals, KilledAgent } from "./killed-agent.ts";
import { exposedTo, Pace, strikeAt, strikesOf, type Work } from "./strikes.ts";

const updates = 20_000;
const keys = 500;
/** Every so many updates, one goes to a resource that is never written again: no later version makes up for its loss. */
const onceEvery = 5;
const events = 20_000;
const commands = 5_000;
const seed = seeds(1)[0] as number;

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** The resource of an update: each of the keys once, then any of them, or one of its own. */
function resourceOf(update: number, random: () => number): string {
  if (update > keys && update % onceEvery === 0) return `default/configmap/once-${update}`;
  return `default/configmap/key-${update <= keys ? update : Math.ceil(random() * keys)}`;
}

/** What the hub has acknowledged of the updates. */
class Acknowledged {
  /** Per resource the last version. */
  readonly versions = new Map<string, number>();
  /** Messages that were stored, not stale. */
  readonly ids: string[] = [];
  newest = 0;

  add({ id, resource, stale }: Published, version: number): void {
    if (!stale) this.ids.push(id);
    this.versions.set(resource, Math.max(this.versions.get(resource) ?? 0, version));
    this.newest = Math.max(this.newest, version);
  }
}

/** Publishes all updates: 64 publishers, each in a tempo of its own, so that the hub is always writing some of them. */
async function publishUpdates(
  client: HubClient,
  acknowledged: Acknowledged,
  { pace, random }: { pace: Pace; random: () => number },
): Promise<void> {
  let version = 0;
  const publisher = async (): Promise<void> => {
    while (version < updates) {
      const mine = ++version;
      await pace.work(mine, updates);
      const resource = resourceOf(mine, random);
      const operation = "update";
      const content = {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: { name: resource },
        data: { version: mine },
      };
      const draft = { node: "edge-1", resource, operation, resourceVersion: String(mine), content };
      acknowledged.add(await client.publish(draft), mine);
      await pause(20 * random());
    }
  };
  await Promise.all(Array.from({ length: 64 }, publisher));
}

/** Sends commands, each of which counts, ten at a time: events downward. */
async function publishCommands(client: HubClient, pace: Pace): Promise<void> {
  for (let sent = 0; sent < commands; sent += 10) {
    await pace.work(sent, commands);
    const batch = Array.from({ length: 10 }, (_, i) => sent + i + 1);
    const drafts = batch.map((content) => ({
      node: "edge-1",
      id: `command-${content}`,
      resource: "device/commands",
      operation: "publish",
      group: "user",
      source: "router_eventbus",
      delivery: event(),
      content,
    }));
    for (const outcome of await client.publishBatch(drafts)) if (!outcome.ok) throw outcome.error;
  }
}

/** The messages that the hub's ledger tells of: those that arrived, and those that others replaced. */
function ledgerOf(hub: HubProcess): Set<unknown> {
  const database = new Database(join(hub.dataDir, "hub.db"), { readonly: true });
  const ids = new Set(database.prepare("SELECT id FROM message").pluck().all());
  database.close();
  return ids;
}

/** Takes every event from the node. */
function collectEvents(client: HubClient, received: Arrivals): void {
  void (async () => {
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      received.add(contentOf(message) as number);
      ack();
    }
  })();
}

/** A port that leads to one of the hub's, over a link that can be cut and frozen. */
async function impaired(port: number): Promise<Impairer> {
  const host = "127.0.0.1";
  const profile = { delayMs: 5, jitterMs: 3 };
  const link = await startImpairer({ listen: { host, port: 0 }, target: { host, port }, profile, seed });
  open.push(() => link.close());
  return link;
}

it(`loses nothing that was acknowledged while hub, agent and links are killed over and over (seed ${seed})`, async () => {
  const random = randomOf(seed);
  const directory = temporaryDirectory();
  open.push(() => directory.remove());
  const hub = new HubProcess(join(directory.path, "hub"), { "store.ledgerMessages": 1_000_000 });
  await hub.start();
  open.push(() => hub.stop());
  const link = await impaired(hub.ports.nodes);
  const controllerLink = await impaired(hub.ports.api);
  // Its pauses stay short: a controller that is cut every second would sit out most of the test.
  const client = await connectHub(
    { ...hub.admin, url: `https://127.0.0.1:${controllerLink.port}` },
    { random: () => Math.random() / 50 },
  );
  open.push(() => client.close());
  const { token } = await client.admin.createJoinToken({ ttlMs: 600_000, uses: 1 });
  const agent = new KilledAgent([
    join(directory.path, "edge"),
    `wss://127.0.0.1:${link.port}`,
    `https://127.0.0.1:${hub.ports.join}`,
    token,
  ]);
  await agent.start();
  open.push(() => agent.stop());
  await until("the node joins", async () => (await client.nodes()).some((node) => node.connected));

  const received = new Arrivals();
  collectEvents(client, received);
  const acknowledged = new Acknowledged();
  const strikes = strikesOf(random);
  const pace = new Pace(strikes.length);
  const progress: Record<Work, () => number> = {
    published: () => acknowledged.newest / updates,
    applied: () => agent.newestVersion / updates,
    commands: () => agent.commands.newest / commands,
    accepted: () => agent.accepted / events,
    received: () => received.newest / events,
  };
  const trouble = async (): Promise<void> => {
    for (const [i, strike] of strikes.entries()) {
      const exposed = exposedTo[strike];
      const turn = strikes.slice(0, i).filter((one) => one === strike).length;
      await pace.strike(progress[exposed[turn % exposed.length] as Work], random());
      await strikeAt({ hub, agent, link, controllerLink }, strike, random);
      pace.struck();
    }
  };
  await Promise.all([
    publishUpdates(client, acknowledged, { pace, random }),
    publishCommands(client, pace),
    agent.sendEvents(events, pace),
    trouble(),
  ]);
  await until("all events arrive", () => received.newest === events && agent.commands.newest === commands);
  await until("the node has the newest versions", async () => {
    const { resources } = await agent.report();
    return [...acknowledged.versions].every(
      ([resource, version]) => (resources.get(resource) ?? 0) >= version,
    );
  });

  // Nothing acknowledged is lost, and nothing else came of it.
  const { resources, outbox } = await agent.report();
  expect(resources.size).toBe(acknowledged.versions.size);
  expect(
    [...acknowledged.versions].filter(([resource, version]) => resources.get(resource) !== version),
  ).toEqual([]);
  const ledger = ledgerOf(hub);
  expect(acknowledged.ids.filter((id) => !ledger.has(id))).toEqual([]);
  // Per key, no version goes back.
  const wentBack = [...agent.versions].filter(([, seen]) =>
    seen.some((version, i) => i > 0 && version < (seen[i - 1] as number)),
  );
  expect(wentBack).toEqual([]);
  // The hub knows what the node has.
  const all = { node: "edge-1", limit: 10_000 };
  await until("the checkpoints are written", async () =>
    (await client.resources(all)).every((one) => one.state === "current"),
  );
  const checkpoints = (await client.resources(all)).map(({ resource, checkpoint }): [string, number] => [
    resource,
    Number(checkpoint?.version),
  ]);
  expect(new Map(checkpoints)).toEqual(acknowledged.versions);
  // Every event arrived; the first time in order; repeats only of what was unacknowledged when a link broke.
  expect(received.farthestRepeat(events)).toBeLessThan(256 + 100);
  expect(agent.commands.farthestRepeat(commands)).toBeLessThan(1_024);
  expect(outbox).toBeLessThan(256);
  expect([hub.kills, agent.kills]).toEqual([8, 8]);
}, 120_000);
