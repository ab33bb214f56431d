import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { type Identity, loadIdentity } from "../../edgehub/identity.ts";
import {
  type Dialled,
  quicTransport,
  type Transport,
  webSocketTransport,
  webTransport,
} from "../../transport/index.ts";
import { until } from "../support/processes.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { startWorld } from "../support/world.ts";

const put = (node: string, version: string) => ({
  node,
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion: version,
  content: { kind: "ConfigMap" },
});

/** A KubeEdge cloud's word for it: the deletion of a node object ends the node's session. */
const endLink = (node: string) => ({
  node,
  resource: `default/node/${node}`,
  operation: "delete",
  group: "resource",
  source: "edgecontroller",
  resourceVersion: "1",
  content: {},
});

const metricOf = (metrics: string, name: string): number =>
  Number(
    metrics
      .split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  );

describe("many nodes at once", () => {
  it("are let in a few at a time; who is told to come again does so, and all are in sync in the end", async () => {
    const names = Array.from({ length: 12 }, (_, i) => `edge-${i}`);
    const world = await startWorld({ nodes: { admitAtOnce: 1, admitWaiting: 1, handshakesPerSecond: 40 } });
    const agents = await Promise.all(names.map((name) => world.agent(name)));
    await until("all are connected", () => agents.every((one) => one.connected), 30_000);
    await Promise.all(names.map((name) => world.hub.publish(put(name, "1"), { until: "acked" })));
    const hub = await world.stopHub();
    await hub.start();
    await until("all are back", () => agents.every((one) => one.connected), 30_000);
    await Promise.all(names.map((name) => world.hub.publish(put(name, "2"), { until: "acked" })));
    const metrics = await world.hub.metrics();
    expect(metricOf(metrics, "hub_nodes_catching_up")).toBe(0);
    expect(metricOf(metrics, "hub_nodes_waiting")).toBe(0);
  });
});

async function dial(transport: Transport, url: string, identity: Identity | undefined): Promise<Dialled> {
  if (identity === undefined) throw new Error("it has not joined");
  const { node, caPem, certPem, keyPem } = identity;
  const dialled = await transport.dial(
    `${url}/project/${node}/events`,
    {
      headers: { Node_id: node, ConnectionUse: "msg" },
      tls: { ca: caPem, cert: certPem, key: keyPem },
      offerNative: true,
      handshakeTimeoutMs: 20_000,
      maxMessageBytes: 1 << 20,
      probeEveryMs: 0,
    },
    new AbortController().signal,
  );
  onTestFinished(() => dialled.connection.destroy({ code: "E_CLOSED", text: "the test is over" }));
  return dialled;
}

describe("nodes that hang up together", () => {
  it("are told to controllers as gone and back, also one that is back before its turn to be ended", async () => {
    const world = await startWorld();
    const names = Array.from({ length: 24 }, (_, i) => `edge-${i}`);
    const url = `wss://127.0.0.1:${world.hub.ports.nodes}`;
    const comes = (name: string) => dial(webSocketTransport, url, loadIdentity(join(world.directory, name)));
    for (const name of names) {
      const agent = await world.agent(name);
      await until(`${name} has joined`, () => agent.connected, 20_000);
      await agent.close();
    }
    const links = await Promise.all(names.map(comes));
    const last = names.at(-1) as string;
    const told: string[] = [];
    const presence = world.hub.subscribe({ nodes: [last], groups: [], presence: true });
    onTestFinished(() => presence.close());
    void (async () => {
      for await (const { message, ack } of presence) {
        told.push(message.operation);
        ack();
      }
    })();
    for (const { connection } of links) connection.destroy({ code: "E_CLOSED", text: "gone" });
    await comes(last);
    await until("all others are gone", async () =>
      (await world.hub.nodes()).every(({ node, connected }) => connected === (node === last)),
    );
    expect(told).toEqual(["connected", "disconnected", "connected"]);
    const metrics = await world.hub.metrics();
    expect(metrics).not.toMatch(/hub_node_links_closed_total\{code="E_REPLACED"\} [1-9]/);
  });
});

describe("many nodes over several transports", () => {
  it("come in at one pace", async () => {
    const open = { enable: true, port: 0 };
    const world = await startWorld({ nodes: { handshakesPerSecond: 4, quic: open, webTransport: open } });
    const { nodes, quic, webTransport: overHttp2 } = world.hub.ports;
    const dials: ((name: string) => Promise<Dialled>)[] = [
      (name) => dial(webSocketTransport, `wss://127.0.0.1:${nodes}`, identityOf(name)),
      (name) => dial(quicTransport, `quic://127.0.0.1:${quic}`, identityOf(name)),
      (name) => dial(webTransport, `https://127.0.0.1:${overHttp2}`, identityOf(name)),
    ];
    const identityOf = (name: string): Identity | undefined => loadIdentity(join(world.directory, name));
    const names = Array.from({ length: 12 }, (_, i) => `edge-${i}`);
    for (const name of names) {
      const agent = await world.agent(name);
      await until(`${name} has joined`, () => agent.connected, 20_000);
      await agent.close();
    }
    // A burst of four, and eight at four a second. With limits of their own, all would come at once.
    const since = performance.now();
    await Promise.all(names.map((name, i) => dials[i % 3]?.(name)));
    expect(performance.now() - since).toBeGreaterThan(1_500);
    const shown = (await world.hub.nodes()).map(({ transport }) => transport);
    expect(shown.toSorted()).toEqual(["quic", "webtransport", "wss"].flatMap((one) => Array(4).fill(one)));
  });
});

describe("a node that waits for its turn", () => {
  it("is not let in when its certificate has been revoked meanwhile", async () => {
    const world = await startWorld({ nodes: { admitAtOnce: 1 } });
    const log = recordingLogger();
    for (const name of ["edge-1", "edge-2"]) {
      const agent = await world.agent(name);
      await until(`${name} has joined`, () => agent.connected);
      await agent.close();
    }
    await until("both have left", async () => (await world.hub.nodes()).every(({ connected }) => !connected));
    const identity = loadIdentity(join(world.directory, "edge-1"));
    if (identity === undefined) throw new Error("it has not joined");
    // It says no hello: it has not what waits for it before it is taken for a slow one.
    const silent = new WebSocket(`wss://127.0.0.1:${world.hub.ports.nodes}/project/edge-1/events`, {
      ca: identity.caPem,
      cert: identity.certPem,
      key: identity.keyPem,
      headers: { Node_id: "edge-1", ConnectionUse: "msg", "Hub-Dialects": "native.1" },
    });
    onTestFinished(() => silent.terminate());
    await once(silent, "open");
    await world.agent("edge-2", {}, { log });
    const metric = async (name: string) => metricOf(await world.hub.metrics(), name);
    await until("the other one waits", async () => (await metric("hub_nodes_waiting")) === 1);
    await world.hub.admin.revokeNode("edge-2");
    silent.close();
    await until("it is told so", () => log.lines.some(({ code }) => code === "E_REVOKED"));
    expect((await world.hub.nodes()).find(({ node }) => node === "edge-2")?.connected).toBe(false);
  });
});

describe("a node that flaps", () => {
  it("is detected, slowed down and shown, while others connect as ever", async () => {
    const world = await startWorld({ nodes: { reconnectBurst: 4, reconnectEveryMs: 60_000 } });
    const flapping = await world.agent("edge-flaps");
    const steady = await world.agent("edge-steady");
    await until("both are connected", () => flapping.connected && steady.connected);
    const viewOf = async (name: string) => (await world.hub.nodes()).find(({ node }) => node === name);
    for (let cuts = 1; cuts <= 3; cuts++) {
      expect((await viewOf("edge-flaps"))?.flapping).toBe(false);
      const since = (await viewOf("edge-flaps"))?.connectedAt ?? 0;
      await world.hub.publish(endLink("edge-flaps"));
      await until("it is back", async () => ((await viewOf("edge-flaps"))?.connectedAt ?? 0) > since);
    }
    await world.hub.publish(endLink("edge-flaps"));
    await until("it is slowed down", async () => (await viewOf("edge-flaps"))?.flapping === true);
    expect(flapping.connected).toBe(false);
    expect(await viewOf("edge-steady")).toMatchObject({ connected: true, flapping: false });
    const metrics = await world.hub.metrics();
    expect(metricOf(metrics, "hub_nodes_flapping")).toBe(1);
    expect(
      metricOf(metrics, 'hub_connections_refused_total{port="nodes",code="E_FLAPPING"}'),
    ).toBeGreaterThan(0);
    // What is published meanwhile waits.
    await world.hub.publish(put("edge-flaps", "1"));
  });
});
