import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connectHub } from "../../sdk/index.ts";
import { type BenchReport, benchHub } from "../../testbed/fleet/bench-run.ts";
import { FleetProcesses } from "../../testbed/fleet/fleet-processes.ts";
import { joinNodes } from "../../testbed/fleet/join-nodes.ts";
import { benchLabel, removeFleet } from "../../testbed/fleet/ownership.ts";
import { adminOf, startTestHub, type TestHub } from "../cli/support.ts";

/** `hubctl bench` against a hub with a node of somebody's: simulated nodes in processes of their own. */
let hub: TestHub;

beforeAll(async () => {
  hub = await startTestHub();
  await hub.hub.admin.addNode("press-1");
});
afterAll(() => hub.close());

const names = async (): Promise<string[]> => (await hub.hub.nodes()).map(({ node }) => node as string);
const bench = async (...more: string[]): Promise<BenchReport> =>
  (await hub.json(["bench", "--duration", "2s", ...more])) as BenchReport;

describe("a load on a hub", () => {
  it.each(["native", "kubeedge", "mixed"])("is published, acked and measured: %s", async (dialect) => {
    const report = await bench("--nodes", "20", "--rate", "100", "--dialect", dialect);
    expect(report).toMatchObject({
      nodes: 20,
      connected: 20,
      connectFailures: 0,
      refused: 0,
      interrupted: false,
    });
    expect(report.published).toBeGreaterThan(150);
    expect(report.arrived).toBeGreaterThanOrEqual(report.published);
    expect(report.ackedMs?.p50).toBeGreaterThan(0);
    expect(report.ackedMs?.p99).toBeGreaterThanOrEqual(report.ackedMs?.p50 ?? Number.NaN);
    expect(await names()).toEqual(["press-1"]);
  });

  it("has nodes that leave and come back, and nodes that ack late", async () => {
    const report = await bench(
      "--nodes",
      "10",
      "--rate",
      "20",
      "--churn",
      "300",
      "--slow",
      "50",
      "--slow-by",
      "300ms",
    );
    expect(report.connects).toBeGreaterThan(15);
    expect(report.ackedMs?.max).toBeGreaterThan(300);
  });

  it("may be a fleet that does nothing", async () => {
    expect(await bench("--nodes", "5", "--rate", "0")).toMatchObject({
      connected: 5,
      published: 0,
      ackedMs: null,
    });
  });
});

it("refuses names that a node of the hub begins with, and leaves that node alone", async () => {
  const { code, err } = await hub.hubctl(["bench", "--prefix", "press"]);
  expect(code).toBe(2);
  expect(err).toMatch(/1 nodes? whose names? begins? with press-, such as press-1/);
  expect(await names()).toEqual(["press-1"]);
});

it("leaves no node behind when it is interrupted, and reports what it has seen", async () => {
  const interrupt = new AbortController();
  const joined = setInterval(async () => {
    const connected = (await hub.hub.nodes()).filter((one) => one.connected).length;
    if (connected === 5) interrupt.abort();
  }, 100);
  const { code, out, err } = await hub.hubctl(["bench", "--nodes", "5", "--duration", "5m"], {
    signal: interrupt.signal,
  });
  clearInterval(joined);
  expect({ code, err }).toMatchObject({ code: 130 });
  expect(out).toMatch(/[45] of 5 connected/);
  expect(await names()).toEqual(["press-1"]);
});

it("reports what it has seen also if it is interrupted while its nodes connect", async () => {
  const interrupt = new AbortController();
  const client = await connectHub(adminOf(hub));
  onTestFinished(() => client.close());
  const report = await benchHub({
    hub: client,
    server: `wss://127.0.0.1:${hub.hub.ports.nodes}`,
    join: `https://127.0.0.1:${hub.hub.ports.join}`,
    prefix: "hasty",
    nodes: 5,
    dialect: "native",
    pattern: { perSecond: 100, burst: 1, share: 1 },
    bytes: 100,
    window: 8,
    churnPerMinute: 0,
    slowEvery: 0,
    slowAckMs: 0,
    durationMs: 300_000,
    processes: 1,
    signal: interrupt.signal,
    progress: ({ phase }) => {
      if (phase === "connecting") interrupt.abort();
    },
  });
  expect(report).toMatchObject({ nodes: 5, interrupted: true, published: 0, publishedPerSecond: 0 });
  expect(await names()).toEqual(["press-1"]);
});

it("counts while its nodes connect, and tells the one answer from the other", async () => {
  const client = await connectHub(adminOf(hub));
  const fleet = new FleetProcesses(1);
  onTestFinished(async () => {
    await fleet.end();
    await removeFleet(client, "counted", () => undefined);
    await client.close();
  });
  const join = `https://127.0.0.1:${hub.hub.ports.join}`;
  const names = Array.from({ length: 5 }, (_, i) => `counted-${i}`);
  const labels = { [benchLabel]: "counted" };
  const { token } = await client.admin.createJoinToken({ ttlMs: 60_000, uses: names.length, labels });
  const signal = AbortSignal.timeout(30_000);
  const identities = await joinNodes({ join, token, names, signal, joined: () => undefined });
  const port = hub.hub.ports.nodes;
  const connecting = fleet.connect([{ mode: "ack", port, identities, window: 8, bytes: 0, reconnect: true }]);
  await fleet.counts();
  await connecting;
  expect((await fleet.counts()).connected).toBe(names.length);
});

it("ends when the hub has gone, and says what may be left there", async () => {
  const other = await startTestHub();
  const connected = setInterval(async () => {
    const nodes = await other.hub.nodes().catch(() => []);
    if (nodes.filter((one) => one.connected).length < 3) return;
    clearInterval(connected);
    await other.hub.close();
  }, 100);
  const { code, err } = await other.hubctl(["bench", "--nodes", "3", "--duration", "4s"]);
  expect(code).toBe(4);
  expect(err).toMatch(/does not answer within 15 s.*hubctl nodes remove --force bench-/s);
  await other.close();
}, 90_000);
