import { createSocket, type Socket } from "node:dgram";
import { expect, it, onTestFinished } from "vitest";
import type { EdgeHub, EdgeOptionsInput } from "../../edgehub/index.ts";
import { startUdpImpairer } from "../../testbed/impairer/index.ts";
import { until } from "../support/processes.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { startWorld, type World } from "../support/world.ts";

const host = "127.0.0.1";
const withQuic = { nodes: { quic: { enable: true, port: 0 } } };

const isUp = (agent: EdgeHub, transport: string): Promise<void> =>
  until(`the link is up over ${transport}`, () => agent.status().transport === transport);

/** Publishes a ConfigMap and waits until the node has acked it. */
async function deliver({ hub }: World, name: string): Promise<void> {
  const draft = {
    node: "edge-1",
    resource: `default/configmap/${name}`,
    operation: "update" as const,
    resourceVersion: "next",
    content: {
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: { name, namespace: "default" },
      data: { name },
    },
  };
  await hub.acked(await hub.publish(draft), { timeoutMs: 20_000 });
}

const quicPortOf = ({ hub }: World): number => hub.ports.quic ?? 0;

it("begins with a WebSocket, hears of QUIC there and uses it from the next connection on", async () => {
  const world = await startWorld(withQuic);
  const agent = await world.agent("edge-1");
  await isUp(agent, "wss");
  await agent.close();
  const again = await world.agent("edge-1");
  await isUp(again, "quic");
  await deliver(world, "over-quic");
  expect(again.store.meta.count()).toBeGreaterThan(0);
  expect(await world.hub.nodes()).toMatchObject([{ node: "edge-1", transport: "quic" }]);
  const metrics = await world.hub.metrics();
  expect(metrics).toContain('hub_node_links_opened_total{transport="wss"} 1');
  expect(metrics).toContain('hub_node_links_opened_total{transport="quic"} 1');
});

it("carries messages up and down over QUIC, large ones too", async () => {
  const world = await startWorld(withQuic);
  const agent = await world.agent("edge-1", { hub: { transport: "quic", quicPort: quicPortOf(world) } });
  await isUp(agent, "quic");
  const received = (async () => {
    for await (const { message, ack } of world.hub.subscribe({ groups: ["user"] })) {
      ack();
      return message.content.length;
    }
    return 0;
  })();
  const content = { text: "x".repeat(3 << 20) };
  await agent.publish({ group: "user", operation: "upload", resource: "device/data", content });
  expect(await received).toBeGreaterThan(3 << 20);
  await deliver(world, "down");
});

it("comes back over QUIC after the hub was away", async () => {
  const world = await startWorld(withQuic);
  const agent = await world.agent("edge-1", { hub: { transport: "quic", quicPort: quicPortOf(world) } });
  await isUp(agent, "quic");
  const { start } = await world.stopHub();
  await until("the link is down", () => agent.status().transport === undefined);
  await start();
  await isUp(agent, "quic");
  await deliver(world, "after");
});

/** Datagrams vanish here; counts them. */
async function blackHole(): Promise<{ port: number; count(): number }> {
  const hole = createSocket("udp4");
  let count = 0;
  hole.on("message", () => count++);
  await new Promise<void>((resolve) => hole.bind(0, host, () => resolve()));
  onTestFinished(() => void hole.close());
  return { port: hole.address().port, count: () => count };
}

it("takes a WebSocket where UDP is blocked, and remembers that across a restart", async () => {
  const world = await startWorld(withQuic);
  const hole = await blackHole();
  const options: EdgeOptionsInput = { hub: { quicPort: hole.port } };
  const log = recordingLogger();
  const agent = await world.agent("edge-1", options, { log });
  await isUp(agent, "wss");
  expect(hole.count()).toBeGreaterThan(0);
  expect(log.lines.filter(({ event }) => event.includes("does not carry QUIC"))).toHaveLength(1);
  await agent.close();
  const before = hole.count();
  const again = await world.agent("edge-1", options);
  await isUp(again, "wss");
  await deliver(world, "by-websocket");
  expect(hole.count()).toBe(before);
});

/** Lets handshakes of QUIC through, and nothing that a hub says after them. */
async function handshakesOnly(target: number): Promise<number> {
  const here = createSocket("udp4");
  const there = new Map<number, Socket>();
  here.on("message", (datagram, { port }) => {
    let out = there.get(port);
    if (out === undefined) {
      out = createSocket("udp4");
      there.set(port, out);
      // RFC 9000 §17: only packets of a handshake have the long header, whose first bit is set.
      out.on("message", (answer) => {
        if ((answer[0] as number) >= 0x80) here.send(answer, port, host);
      });
    }
    out.send(datagram, target, host);
  });
  await new Promise<void>((resolve) => here.bind(0, host, () => resolve()));
  onTestFinished(() => {
    for (const socket of [here, ...there.values()]) socket.close();
  });
  return here.address().port;
}

it("takes a WebSocket where QUIC shakes hands and no answer of the hub follows", async () => {
  const world = await startWorld(withQuic);
  const quicPort = await handshakesOnly(quicPortOf(world));
  const log = recordingLogger();
  const agent = await world.agent("edge-1", { hub: { quicPort } }, { log });
  await until("the link is up over wss", () => agent.status().transport === "wss", 40_000);
  await deliver(world, "by-websocket");
  expect(log.lines.filter(({ event }) => event.includes("does not carry QUIC"))).toHaveLength(1);
}, 60_000);

it("waits for QUIC where it is told to", async () => {
  const world = await startWorld(withQuic);
  const relay = await startUdpImpairer({
    listen: { host, port: 0 },
    target: { host, port: quicPortOf(world) },
    profile: {},
    seed: 1,
  });
  onTestFinished(() => relay.close());
  relay.block();
  const hub = { transport: "quic" as const, quicPort: relay.port, handshakeTimeoutMs: 300 };
  const log = recordingLogger();
  const agent = await world.agent("edge-1", { hub }, { log });
  await until("a dial has failed", () => log.lines.some(({ event }) => event === "no connection to the hub"));
  expect(agent.status().transport).toBeUndefined();
  relay.unblock();
  await isUp(agent, "quic");
});

it("is not tried with wss configured", async () => {
  const world = await startWorld(withQuic);
  const hole = await blackHole();
  const agent = await world.agent("edge-1", { hub: { transport: "wss", quicPort: hole.port } });
  await isUp(agent, "wss");
  expect(hole.count()).toBe(0);
});

it("ends with the node's certificate: a revoked one is refused with its reason", async () => {
  const world = await startWorld(withQuic);
  const hub = { transport: "quic" as const, quicPort: quicPortOf(world) };
  const log = recordingLogger();
  const agent = await world.agent("edge-1", { hub }, { log });
  await isUp(agent, "quic");
  await world.hub.admin.revokeNode("edge-1");
  await until("it is told so", () => log.lines.some((line) => line.code === "E_REVOKED"));
  const refused = (): Promise<boolean> =>
    world.hub
      .metrics()
      .then((text) => text.includes('hub_connections_refused_total{port="quic",code="E_REVOKED"}'));
  agent.hurry();
  await until("it is refused", refused);
});
