import { createSocket } from "node:dgram";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { connectHub, contentOf, event, type HubClient } from "../../sdk/index.ts";
import { startUdpImpairer, type UdpImpairer } from "../../testbed/impairer/index.ts";
import { HubProcess, temporaryDirectory, until } from "../support/processes.ts";
import { Arrivals, KilledAgent } from "./killed-agent.ts";
import { Pace } from "./strikes.ts";

const host = "127.0.0.1";
const updates = 2_000;
const keys = 100;
const commands = 1_000;
const events = 3_000;
/** Each falls when its share of all work is half done. */
const strikes = ["agent", "silence", "hub", "silence", "agent", "silence", "hub", "agent"] as const;

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** A UDP port that nobody uses now. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, host, () => resolve()));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function publishUpdates(client: HubClient, pace: Pace): Promise<void> {
  for (let version = 1; version <= updates; version++) {
    await pace.work(version, updates);
    const name = `key-${version % keys}`;
    await client.publish({
      node: "edge-1",
      resource: `default/configmap/${name}`,
      operation: "update",
      resourceVersion: String(version),
      content: {
        kind: "ConfigMap",
        apiVersion: "v1",
        metadata: { name, namespace: "default" },
        data: { version },
      },
    });
  }
}

async function publishCommands(client: HubClient, pace: Pace): Promise<void> {
  for (let content = 1; content <= commands; content++) {
    await pace.work(content, commands);
    await client.publish({
      node: "edge-1",
      id: `command-${content}`,
      resource: "device/commands",
      operation: "publish",
      group: "user",
      source: "router_eventbus",
      delivery: event(),
      content,
    });
  }
}

it("loses nothing over QUIC while hub and agent are killed and the path falls silent", async () => {
  const directory = temporaryDirectory();
  open.push(() => directory.remove());
  const quicPort = await freePort();
  const flags = { "nodes.quic.enable": "true", "nodes.quic.port": quicPort };
  const hub = new HubProcess(join(directory.path, "hub"), flags);
  await hub.start();
  open.push(() => hub.stop());
  const relay: UdpImpairer = await startUdpImpairer({
    listen: { host, port: 0 },
    target: { host, port: quicPort },
    profile: { delayMs: 5, jitterMs: 3, lossPercent: 1 },
    seed: 1,
  });
  open.push(() => relay.close());
  const client = await connectHub(hub.admin, { random: () => Math.random() / 50 });
  open.push(() => client.close());
  const { token } = await client.admin.createJoinToken({ ttlMs: 600_000, uses: 1 });
  const agent = new KilledAgent([
    join(directory.path, "edge"),
    `wss://${host}:${hub.ports.nodes}`,
    `https://${host}:${hub.ports.join}`,
    token,
    JSON.stringify({ transport: "quic", quicPort: relay.port }),
  ]);
  await agent.start();
  open.push(() => agent.stop());
  await until("the node joins", async () => (await client.nodes()).some((node) => node.connected));

  const received = new Arrivals();
  void (async () => {
    for await (const { message, ack } of client.subscribe({ groups: ["user"] })) {
      received.add(contentOf(message) as number);
      ack();
    }
  })();
  const pace = new Pace(strikes.length);
  const trouble = async (): Promise<void> => {
    for (const strike of strikes) {
      await pace.strike(() => received.newest / events, 0.5);
      if (strike === "agent") await agent.killAndRestart();
      else if (strike === "hub") await hub.killAndRestart();
      else {
        relay.block();
        await pause(500);
        relay.unblock();
      }
      pace.struck();
    }
  };
  await Promise.all([
    publishUpdates(client, pace),
    publishCommands(client, pace),
    agent.sendEvents(events, pace),
    trouble(),
  ]);
  await until("all arrives", () => received.newest === events && agent.commands.newest === commands);
  const newest = new Map<string, number>();
  for (let version = 1; version <= updates; version++)
    newest.set(`default/configmap/key-${version % keys}`, version);
  await until("the node has the newest versions", async () => {
    const { resources } = await agent.report();
    return [...newest].every(([key, version]) => resources.get(key) === version);
  });

  expect(received.farthestRepeat(events)).toBeLessThan(1_024);
  expect(agent.commands.farthestRepeat(commands)).toBeLessThan(1_024);
  const wentBack = [...agent.versions].filter(([, seen]) =>
    seen.some((version, i) => i > 0 && version < (seen[i - 1] as number)),
  );
  expect(wentBack).toEqual([]);
  expect([hub.kills, agent.kills]).toEqual([2, 3]);
  expect(relay.stats().lost).toBeGreaterThan(0);
}, 180_000);
