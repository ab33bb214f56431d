import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, expect, it } from "vitest";
import { type EdgeHub, startEdge } from "../../edgehub/index.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub, event, type HubClient } from "../../sdk/index.ts";
import { type Impairer, startImpairer } from "../../testbed/impairer/index.ts";
import { HubProcess, Program, temporaryDirectory, until } from "../support/processes.ts";

/** docs/delivery.md §3, line by line; what loops of kills show better is in kill.test.ts. */

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

interface World {
  readonly directory: string;
  readonly hub: HubProcess;
  readonly client: HubClient;
}

async function world(): Promise<World> {
  const directory = temporaryDirectory();
  open.push(() => directory.remove());
  const hub = new HubProcess(join(directory.path, "hub"));
  await hub.start();
  open.push(() => hub.stop());
  const client = await connectHub(hub.admin);
  open.push(() => client.close());
  return { directory: directory.path, hub, client };
}

const tokenOf = async ({ client }: World): Promise<string> =>
  (await client.admin.createJoinToken({ ttlMs: 600_000 })).token;

/** An agent in this process; what it applies, in order. */
async function agentOf(
  world: World,
  node: string,
  nodesPort = world.hub.ports.nodes,
): Promise<{ edge: EdgeHub; changes: string[] }> {
  const changes: string[] = [];
  const hub = {
    server: `wss://127.0.0.1:${nodesPort}`,
    join: `https://127.0.0.1:${world.hub.ports.join}`,
    token: await tokenOf(world),
    reconnectMinMs: 50,
    reconnectMaxMs: 200,
  };
  const edge = await startEdge(
    { node, dataDir: join(world.directory, node), hub, eventBus: { enable: false } },
    { log: silentLogger },
  );
  edge.store.onChange(({ key, applied, message }) =>
    changes.push(`${key} ${applied} ${message.resourceVersion}`),
  );
  open.push(() => edge.close());
  await until(`${node} is connected`, () => edge.status().dialect === "native");
  return { edge, changes };
}

const configMap = (name: string, version: string, operation = "update") => ({
  resource: `default/configmap/${name}`,
  operation,
  resourceVersion: version,
  content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name } },
});

it("D1: keeps a resolved publish across the hub's death, for a node that has never connected", async () => {
  const w = await world();
  await w.client.admin.addNode("edge-1");
  await w.client.publish({ node: "edge-1", ...configMap("limits", "7") });
  await w.hub.killAndRestart();
  const { edge } = await agentOf(w, "edge-1");
  await until("the object arrives", () => edge.store.meta.get("default/configmap/limits")?.version === "7");
});

it("D2: has it on the node's disk when until: acked resolves, though the agent is killed at that moment", async () => {
  const w = await world();
  const args = [
    join(w.directory, "edge-1"),
    `wss://127.0.0.1:${w.hub.ports.nodes}`,
    `https://127.0.0.1:${w.hub.ports.join}`,
    await tokenOf(w),
  ];
  const agent = new Program("test/system/agent-with-device.ts", args);
  open.push(() => agent.kill());
  await agent.logged("connected");
  await w.client.publish({ node: "edge-1", ...configMap("limits", "7") }, { until: "acked" });
  await agent.kill();
  const database = new Database(join(w.directory, "edge-1", "edge.db"), { readonly: true });
  open.push(() => database.close());
  expect(
    database.prepare("SELECT version FROM meta WHERE key = ?").pluck().get("default/configmap/limits"),
  ).toBe("7");
});

it("D5: refuses an older put after a deletion, also after the hub's death", async () => {
  const w = await world();
  const { edge } = await agentOf(w, "edge-1");
  await w.client.publish({ node: "edge-1", ...configMap("limits", "7") }, { until: "acked" });
  await w.client.publish({ node: "edge-1", ...configMap("limits", "10", "delete") }, { until: "acked" });
  await w.hub.killAndRestart();
  expect(await w.client.publish({ node: "edge-1", ...configMap("limits", "9") })).toMatchObject({
    stale: true,
    version: "10",
  });
  expect(await w.client.checkpoint("edge-1", "default/configmap/limits")).toMatchObject({
    version: "10",
    deleted: true,
  });
  expect(
    await w.client.publish({ node: "edge-1", ...configMap("limits", "11") }, { until: "acked" }),
  ).toMatchObject({ stale: false });
  expect(edge.store.meta.get("default/configmap/limits")?.version).toBe("11");
});

it("D6: delivers a waiting delete before the put that followed it, across the hub's death", async () => {
  const w = await world();
  const link = await relay(w);
  const { changes } = await agentOf(w, "edge-1", link.port);
  await w.client.publish({ node: "edge-1", ...configMap("limits", "1") }, { until: "acked" });
  link.cut(600_000);
  await w.client.publish({ node: "edge-1", ...configMap("limits", "2", "delete") });
  await w.client.publish({ node: "edge-1", ...configMap("limits", "3", "insert") });
  await w.client.publish({ node: "edge-1", ...configMap("limits", "4") });
  await w.hub.killAndRestart();
  await link.close();
  const healed = await relay(w, link.port);
  await until("both have arrived", () => changes.length === 3);
  expect(changes).toEqual([
    "default/configmap/limits stored 1",
    "default/configmap/limits deleted 2",
    "default/configmap/limits stored 4",
  ]);
  expect(healed.port).toBe(link.port);
});

it("D7: ends an event visibly that expired or that the node can never take, across the hub's death", async () => {
  const w = await world();
  await w.client.admin.addNode("edge-1");
  const command = {
    node: "edge-1",
    resource: "device/commands",
    operation: "publish",
    group: "user",
    content: 1,
  };
  await w.client.publish({ ...command, id: "too-late", delivery: event({ ttlMs: 1 }) });
  await w.client.publish({ ...command, id: "unwanted", delivery: event() });
  await w.hub.killAndRestart();
  await agentOf(w, "edge-1");
  const stateOf = async (id: string) => (await w.client.where({ node: "edge-1", id }))[0];
  await until(
    "both have ended",
    async () =>
      (await stateOf("too-late"))?.state === "expired" && (await stateOf("unwanted"))?.state === "refused",
  );
  expect(await stateOf("unwanted")).toMatchObject({
    code: "E_NO_MODULE",
    text: "this node has no module for group user",
  });
  await expect(
    w.client.publish({ ...command, id: "unwanted-2", delivery: event() }, { until: "acked" }),
  ).rejects.toMatchObject({ code: "E_REFUSED" });
});

it("D9: goes on with one node while another is frozen with a full window", async () => {
  const w = await world();
  const link = await relay(w);
  const frozen = await agentOf(w, "edge-1", link.port);
  await agentOf(w, "edge-2");
  link.freeze();
  const stuck = Array.from({ length: 300 }, (_, i) => ({
    node: "edge-1",
    ...configMap(`big-${i}`, "1"),
    content: { data: "x".repeat(10_000) },
  }));
  expect((await w.client.publishBatch(stuck)).every((outcome) => outcome.ok)).toBe(true);
  for (let version = 1; version <= 50; version++)
    await w.client.publish({ node: "edge-2", ...configMap("limits", String(version)) }, { until: "acked" });
  expect(frozen.changes).toEqual([]);
  link.thaw();
  await until("the frozen node catches up", () => frozen.edge.store.meta.count() === 300);
});

it("D10: keeps a refused message, sends it again when asked, and forgets it when a newer version comes", async () => {
  const w = await world();
  await agentOf(w, "edge-1");
  const wrong = {
    node: "edge-1",
    resource: "default/configmap/limits",
    operation: "update",
    resourceVersion: "1",
    content: null,
  };
  await expect(w.client.publish(wrong, { until: "acked" })).rejects.toMatchObject({ code: "E_REFUSED" });
  await w.hub.killAndRestart();
  const refused = () => w.client.where({ node: "edge-1", state: "refused" });
  const [first] = await refused();
  expect(first).toMatchObject({ resource: "default/configmap/limits", code: "E_BAD_MESSAGE" });
  expect(await w.client.admin.requeue("edge-1")).toBe(1);
  await until(
    "it is refused again",
    async () => ((await refused())[0]?.position ?? 0) > (first?.position ?? 0),
  );
  await w.client.publish({ node: "edge-1", ...configMap("limits", "2") }, { until: "acked" });
  expect(await refused()).toEqual([]);
});

it("D11: tells where a message is, before and after the hub's death", async () => {
  const w = await world();
  const { edge } = await agentOf(w, "edge-1");
  const { id } = await w.client.publish({ node: "edge-1", ...configMap("limits", "1") }, { until: "acked" });
  const done = { state: "persisted", sends: 1, persistedAt: expect.any(Number), endedAt: expect.any(Number) };
  expect(await w.client.where({ node: "edge-1", id })).toMatchObject([done]);
  await edge.close();
  const waiting = await w.client.publish({ node: "edge-1", ...configMap("limits", "2") });
  await w.client.publish({ node: "edge-1", ...configMap("limits", "3") });
  await w.hub.killAndRestart();
  expect(await w.client.where({ node: "edge-1", id })).toMatchObject([done]);
  expect(await w.client.where({ node: "edge-1", id: waiting.id })).toMatchObject([
    { state: "superseded", sends: 0 },
  ]);
  expect(
    await w.client.where({ node: "edge-1", resource: "default/configmap/limits", limit: 1 }),
  ).toMatchObject([{ state: "accepted", version: "3" }]);
});

it("U3: keeps upstream messages while no consumer takes them, across deaths of the hub", async () => {
  const w = await world();
  const { edge } = await agentOf(w, "edge-1");
  for (let i = 0; i < 5; i++)
    await edge.publish({
      source: "bus",
      group: "user",
      operation: "upload",
      resource: "sensors/t",
      content: i,
    });
  await w.hub.killAndRestart();
  await until("the agent is back", () => edge.status().dialect === "native");
  expect(edge.status().outbox.messages).toBe(5);
  const taken: unknown[] = [];
  for await (const { message, ack } of w.client.subscribe({ groups: ["user"] })) {
    taken.push(JSON.parse(new TextDecoder().decode(message.content)));
    ack();
    if (taken.length === 5) break;
  }
  expect(taken).toEqual([0, 1, 2, 3, 4]);
  await until("the outbox is empty", () => edge.status().outbox.messages === 0);
});

async function relay(w: World, port = 0): Promise<Impairer> {
  const link = await startImpairer({
    listen: { host: "127.0.0.1", port },
    target: { host: "127.0.0.1", port: w.hub.ports.nodes },
    profile: "lan",
    seed: 1,
  });
  open.push(() => link.close());
  return link;
}
