import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { type Impairer, startImpairer } from "../../bench/impairer/index.ts";
import { connectHub, contentOf, event, type HubClient } from "../../sdk/index.ts";
import { HubProcess, Program, temporaryDirectory, until } from "../support/processes.ts";
import { randomOf, seeds } from "../support/seeds.ts";

const updates = 20_000;
const keys = 500;
const events = 20_000;
const commands = 5_000;
const seed = seeds(1)[0] as number;

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** An agent that is killed and started again, and the device beside it. */
class KilledAgent {
  readonly #args: readonly string[];
  #program: Program | undefined;
  kills = 0;
  /** Per key, every version in the order in which the agent told of it. */
  readonly versions = new Map<string, number[]>();
  /** Commands the node has been given, in order. */
  readonly commands: number[] = [];
  /** Events the agent has on its disk. */
  accepted = 0;
  #sent = 0;
  #wake: (() => void) | undefined;
  #report: ((report: { resources: [string, string][]; outbox: number }) => void) | undefined;

  constructor(args: readonly string[]) {
    this.#args = args;
  }

  async start(): Promise<void> {
    const program = new Program("test/system/agent-with-device.ts", this.#args);
    this.#program = program;
    await new Promise<void>((resolve, reject) => {
      program.onMessage((message) => {
        if ((message as { ready?: true }).ready) resolve();
        else this.#told(message as Record<string, never>);
      });
      void program.ended.then(() => reject(new Error(program.stderr.join("\n"))));
    });
    // What the agent had not confirmed when it died, the device sends again.
    this.#sent = this.accepted;
    this.#wake?.();
  }

  async killAndRestart(): Promise<void> {
    this.kills++;
    await this.#program?.kill();
    await this.start();
  }

  /** Sends all events, a hundred ahead of what is confirmed. */
  async sendEvents(pace: Pace): Promise<void> {
    while (this.accepted < events) {
      await pace.work(this.accepted, events);
      while (this.#sent < Math.min(this.accepted + 100, events)) this.#program?.send({ event: ++this.#sent });
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async report(): Promise<{ resources: Map<string, number>; outbox: number }> {
    const report = await new Promise<{ resources: [string, string][]; outbox: number }>((resolve) => {
      this.#report = resolve;
      this.#program?.send({ report: true });
    });
    return {
      resources: new Map(report.resources.map(([key, version]) => [key, Number(version)])),
      outbox: report.outbox,
    };
  }

  stop(): Promise<unknown> {
    return this.#program?.kill() ?? Promise.resolve();
  }

  #told(message: {
    down?: number;
    key?: string;
    version?: string;
    accepted?: number;
    resources?: [string, string][];
    outbox?: number;
  }): void {
    if (message.down !== undefined) this.commands.push(message.down);
    if (message.resources) this.#report?.({ resources: message.resources, outbox: message.outbox ?? 0 });
    if (message.accepted !== undefined) {
      this.accepted = Math.max(this.accepted, message.accepted);
      this.#wake?.();
    }
    if (message.key === undefined) return;
    const seen = this.versions.get(message.key) ?? [];
    seen.push(Number(message.version));
    this.versions.set(message.key, seen);
  }
}

const resourceOf = (key: number): string => `default/configmap/key-${key}`;

/**
 * Keeps work and trouble in step: each strike falls into its own share of the work, at a random point of it,
 * and the work goes on meanwhile, but not beyond the next share.
 */
class Pace {
  readonly #strikes: number;
  #struck = 0;
  #progress = 0;
  #wake: (() => void)[] = [];

  constructor(strikes: number) {
    this.#strikes = strikes;
  }

  /** Waits until work `done` of `total` may be done. */
  async work(done: number, total: number): Promise<void> {
    this.#progress = Math.max(this.#progress, done / total);
    this.#wakeAll();
    while (done / total > (this.#struck + 2) / this.#strikes) await this.#change();
  }

  /** Waits until the work has come to this point of the next share. */
  async strike(point: number): Promise<void> {
    while (this.#progress < (this.#struck + point) / this.#strikes) await this.#change();
  }

  struck(): void {
    this.#struck++;
    this.#wakeAll();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

type Strike = "hub" | "agent" | "cut" | "freeze";

function strikesOf(random: () => number): Strike[] {
  const counts = { hub: 8, agent: 8, cut: 6, freeze: 6 } as const;
  const all = Object.entries(counts).flatMap(([strike, count]) =>
    Array.from({ length: count }, () => strike as Strike),
  );
  return all
    .map((strike) => ({ strike, order: random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ strike }) => strike);
}

/** Publishes all updates, 64 at a time per round. @returns Per resource the last version the hub has acknowledged. */
async function publishUpdates(
  client: HubClient,
  pace: Pace,
  random: () => number,
): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>();
  let version = 0;
  const publisher = async (): Promise<void> => {
    while (version < updates) {
      const mine = ++version;
      await pace.work(mine, updates);
      const resource = resourceOf(mine <= keys ? mine : Math.ceil(random() * keys));
      const operation = "update";
      const content = {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: { name: resource },
        data: { version: mine },
      };
      await client.publish({ node: "edge-1", resource, operation, resourceVersion: String(mine), content });
      acknowledged.set(resource, Math.max(acknowledged.get(resource) ?? 0, mine));
    }
  };
  await Promise.all(Array.from({ length: 64 }, publisher));
  return acknowledged;
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

/** Every number from 1 came, the first time in order. @returns How far back a repeat reached. */
function farthestRepeat(received: readonly number[], count: number): number {
  let newest = 0;
  let farthest = 0;
  for (const number of received) {
    if (number <= newest) farthest = Math.max(farthest, newest - number);
    else expect(number).toBe(++newest);
  }
  expect(newest).toBe(count);
  return farthest;
}

/** Takes every event from the node. */
function collectEvents(client: HubClient, received: number[]): void {
  void (async () => {
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      received.push(contentOf(message) as number);
      ack();
    }
  })();
}

/** Does the harm, and undoes what of it does not undo itself. */
async function strikeAt(
  { hub, agent, link }: { hub: HubProcess; agent: KilledAgent; link: Impairer },
  strike: Strike,
  random: () => number,
): Promise<void> {
  switch (strike) {
    case "hub":
      return await hub.killAndRestart();
    case "agent":
      return await agent.killAndRestart();
    case "cut":
      return link.cut(random() * 300);
    case "freeze": {
      const dice = random();
      link.freeze(dice < 0.35 ? "up" : dice < 0.7 ? "down" : undefined);
      await pause(random() * 400);
      return link.thaw();
    }
    default:
      return strike satisfies never;
  }
}

it(`loses nothing that was acknowledged while hub, agent and links are killed over and over (seed ${seed})`, async () => {
  const random = randomOf(seed);
  const directory = temporaryDirectory();
  open.push(() => directory.remove());
  const hub = new HubProcess(join(directory.path, "hub"));
  await hub.start();
  open.push(() => hub.stop());
  const link: Impairer = await startImpairer({
    listen: { host: "127.0.0.1", port: 0 },
    target: { host: "127.0.0.1", port: hub.ports.nodes },
    profile: { delayMs: 5, jitterMs: 3 },
    seed,
  });
  open.push(() => link.close());
  const client = await connectHub(hub.admin);
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

  const received: number[] = [];
  collectEvents(client, received);
  const strikes = strikesOf(random);
  const pace = new Pace(strikes.length);
  const trouble = async (): Promise<void> => {
    for (const strike of strikes) {
      await pace.strike(random());
      await strikeAt({ hub, agent, link }, strike, random);
      pace.struck();
    }
  };
  const [acknowledged] = await Promise.all([
    publishUpdates(client, pace, random),
    publishCommands(client, pace),
    agent.sendEvents(pace),
    trouble(),
  ]);
  await until("all events arrive", () => received.includes(events) && agent.commands.includes(commands));
  await until("the node has the newest versions", async () => {
    const { resources } = await agent.report();
    return [...acknowledged].every(([resource, version]) => (resources.get(resource) ?? 0) >= version);
  });

  // Nothing acknowledged is lost, and nothing else came of it.
  const { resources, outbox } = await agent.report();
  expect(resources.size).toBe(keys);
  expect([...acknowledged].filter(([resource, version]) => resources.get(resource) !== version)).toEqual([]);
  // Per key, no version goes back.
  const wentBack = [...agent.versions].filter(([, seen]) =>
    seen.some((version, i) => i > 0 && version < (seen[i - 1] as number)),
  );
  expect(wentBack).toEqual([]);
  // The hub knows what the node has.
  await until("the checkpoints are written", async () =>
    (await client.resources({ node: "edge-1" })).every((one) => one.state === "current"),
  );
  for (const { resource, checkpoint } of await client.resources({ node: "edge-1" }))
    expect(Number(checkpoint?.version)).toBe(acknowledged.get(resource));
  // Every event arrived; the first time in order; repeats only of what was unacknowledged when a link broke.
  expect(farthestRepeat(received, events)).toBeLessThan(256 + 100);
  expect(farthestRepeat(agent.commands, commands)).toBeLessThan(1_024);
  expect(outbox).toBeLessThan(256);
  expect([hub.kills, agent.kills]).toEqual([8, 8]);
}, 120_000);
