import { createSocket } from "node:dgram";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import type { EdgeOptionsInput } from "../../edgehub/index.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";
import { edgehub } from "./inspect-run.ts";

const host = "127.0.0.1";
const open = { enable: true, port: 0 };

/** A hub with all transports, and a node that has joined it; its agent runs. */
async function joined(hub: EdgeOptionsInput["hub"] = {}) {
  const world = await startWorld({ nodes: { quic: open, webTransport: open } });
  const agent = await world.agent("edge-1", { hub });
  await until("it is connected", () => agent.connected);
  return { world, agent };
}

/** Runs `edgehub check` with more of the agent's configuration. */
async function check(world: World, hub: Readonly<Record<string, string | number>> = {}, nodes?: string) {
  const { code, out } = await edgehub([
    ...["check", "-o", "json", "--data-dir", join(world.directory, "edge-1")],
    ...["--hub.server", nodes ?? `wss://${host}:${world.hub.ports.nodes}`],
    ...["--hub.join", `https://${host}:${world.hub.ports.join}`, "--eventBus.enable", "false"],
    ...Object.entries(hub).flatMap(([name, value]) => [`--hub.${name}`, String(value)]),
  ]);
  const findings = JSON.parse(out) as { check: string; state: string; found: string; advice?: string }[];
  return {
    of: (name: string) => findings.find((one) => one.check === name),
    failed: findings.filter(({ state }) => state === "failed").map((one) => one.check),
    code,
  };
}

/** A UDP port at which packets arrive, and nobody answers: as behind a firewall. */
async function blockedUdpPort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, host);
  await once(socket, "listening");
  onTestFinished(() => void socket.close());
  return socket.address().port;
}

describe("edgehub check and QUIC", () => {
  it("sees that UDP gets through to the port that the hub names, and disturbs nobody", async () => {
    const { world, agent } = await joined();
    const { of, code } = await check(world);
    expect(of("quic")).toEqual({
      check: "quic",
      state: "ok",
      found: expect.stringMatching(new RegExp(`^${host}:${world.hub.ports.quic}/udp shakes hands in `)),
    });
    expect(of("webtransport")).toBeUndefined();
    expect([code, agent.connected]).toEqual([0, true]);
    const metrics = await world.hub.metrics();
    expect(metrics).not.toContain('hub_node_links_opened_total{transport="quic"}');
    expect(metrics).not.toContain("hub_connections_refused_total{");
    expect(metrics).not.toContain("hub_node_links_closed_total{");
  });

  it("sees that UDP is blocked, and says that the agent does without", async () => {
    const { world } = await joined();
    const quicPort = await blockedUdpPort();
    const { of, code } = await check(world, { quicPort });
    expect([code, of("quic")]).toMatchObject([
      0,
      {
        state: "warning",
        found: expect.stringMatching(/gets no answer: UDP is blocked .* agent uses WebSocket instead/),
        advice: expect.stringMatching(/nodes\.quic.*set hub\.transport: wss/),
      },
    ]);
  });

  it("fails if the agent uses nothing else", async () => {
    const { world } = await joined();
    const quicPort = await blockedUdpPort();
    expect(await check(world, { quicPort, transport: "quic" })).toMatchObject({ code: 1, failed: ["quic"] });
  });

  it("tells another hub from the one that was joined", async () => {
    const { world } = await joined();
    const quicPort = (await startWorld({ nodes: { quic: open } })).hub.ports.quic as number;
    const { of } = await check(world, { quicPort });
    expect(of("quic")).toMatchObject({
      state: "warning",
      found: expect.stringMatching(/certificate|CERT|TLS/i),
    });
    expect((await check(world, { quicPort, transport: "quic" })).failed).toEqual(["quic"]);
  });

  it("says when the agent tries a way again that it has found blocked", async () => {
    const quicPort = await blockedUdpPort();
    const { world, agent } = await joined({ quicPort });
    expect(agent.status().transport).toBe("wss");
    const { of } = await check(world, { quicPort: world.hub.ports.quic ?? 0 });
    expect(of("quic")).toMatchObject({
      state: "ok",
      found: expect.stringMatching(/has found it blocked before.* tries QUIC again after \d{4}-/),
    });
  });

  it("looks at it also where only UDP gets to the hub, at the port of an earlier answer", async () => {
    const { world } = await joined();
    const { of, failed } = await check(world, {}, `wss://${host}:1`);
    expect(failed).toEqual(["hub"]);
    expect(of("quic")?.state).toBe("ok");
    const only = await check(world, { transport: "quic" }, `wss://${host}:1`);
    expect([only.failed, only.of("hub")]).toMatchObject([
      [],
      { state: "warning", found: expect.stringMatching(/the link goes over quic and does without/) },
    ]);
  });

  it.each([{ transport: "wss" }, { dialect: "kubeedge" }])("has no say with %o", async (hub) => {
    const { world } = await joined();
    expect((await check(world, hub)).of("quic")).toBeUndefined();
  });
});

describe("edgehub check and WebTransport", () => {
  const overWebTransport = ({ hub }: World) => ({
    transport: "webtransport",
    webTransportPort: hub.ports.webTransport ?? 0,
  });

  it("sees that it gets through, where the port for WebSockets does not", async () => {
    const { world } = await joined();
    const { of, code } = await check(world, overWebTransport(world), `wss://${host}:1`);
    expect(code).toBe(0);
    expect(of("webtransport")).toMatchObject({
      state: "ok",
      found: expect.stringMatching(/takes WebTransport/),
    });
    expect(of("hub")).toMatchObject({
      state: "warning",
      found: expect.stringMatching(/nothing listens .* the link goes over webtransport and does without/),
    });
    expect(of("quic")).toBeUndefined();
    const metrics = await world.hub.metrics();
    expect(metrics).not.toContain('hub_connections_refused_total{port="webtransport"');
  });

  it.each([
    [
      "nothing listens",
      () => freePort(),
      /nothing listens at /,
      /hub\.webTransportPort.*nodes\.webTransport/,
    ],
    [
      "another port of the hub",
      (world: World) => Promise.resolve(world.hub.ports.nodes),
      /is there, and takes no WebTransport/,
      /10006/,
    ],
    [
      "another hub",
      async () => (await startWorld({ nodes: { webTransport: open } })).hub.ports.webTransport ?? 0,
      /another CA/,
      /webTransportPort/,
    ],
  ])("fails where there is %s", async (_name, portOf, found, advice) => {
    const { world } = await joined();
    const result = await check(world, { ...overWebTransport(world), webTransportPort: await portOf(world) });
    expect([result.code, result.failed]).toEqual([1, ["webtransport"]]);
    expect(result.of("webtransport")).toMatchObject({
      found: expect.stringMatching(found),
      advice: expect.stringMatching(advice),
    });
  });
});
