import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connect, type MqttClient } from "mqtt";
import { expect, it, onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import { deviceModels, deviceStatuses, devices } from "../../controllers/runtime/kinds.ts";
import { startEdge } from "../../edgehub/index.ts";
import type { ObjectsApi } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub } from "../../sdk/index.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** A Device, from the API of the hub to a program at the node's MQTT broker and back. */

const apiVersion = "devices.kubeedge.io/v1beta1";
const topic = "$hw/events/device/default/lamp";
const place = { namespace: "default", name: "lamp" };

interface DeviceWorld extends World {
  readonly controllers: { stop(): Promise<void>; start(): void };
  readonly broker: string;
  setBrightness(value: string): Promise<void>;
}

async function startDevices(): Promise<DeviceWorld> {
  const world = await startWorld();
  const parts = () => ({ hub: world.hub, objects: world.hub.objects, clock: systemClock, log: silentLogger });
  let running: { close(): Promise<void> } | undefined;
  const controllers = {
    start() {
      running = startControllers(parts(), { enable: ["device"] });
    },
    async stop() {
      await running?.close();
      running = undefined;
    },
  };
  controllers.start();
  onTestFinished(() => controllers.stop());
  const property = { name: "brightness", type: "INT", accessMode: "ReadWrite", maximum: "100" };
  await world.hub.objects.create(deviceModels, {
    apiVersion,
    kind: "DeviceModel",
    metadata: { name: "lamp-model", namespace: "default" },
    spec: { protocol: "mqtt", properties: [property] },
  });
  const specOf = (value: string) => ({
    deviceModelRef: { name: "lamp-model" },
    nodeName: "edge-1",
    properties: [{ name: "brightness", desired: { value } }],
  });
  await world.hub.objects.create(devices, {
    apiVersion,
    kind: "Device",
    metadata: { ...place, labels: { description: "desk" } },
    spec: specOf("20"),
  });
  const setBrightness = async (value: string) =>
    void (await world.hub.objects.patch(devices, place, "merge", { spec: specOf(value) }));
  return { ...world, controllers, broker: `tcp://127.0.0.1:${await freePort()}`, setBrightness };
}

/** A program at the node: what it hears, by topic. */
async function program(broker: string): Promise<{ client: MqttClient; heard(end: string): unknown[] }> {
  const client = connect(broker.replace("tcp:", "mqtt:"));
  onTestFinished(() => client.endAsync(true));
  const all: { topic: string; document: unknown }[] = [];
  client.on("message", (where, payload) => all.push({ topic: where, document: JSON.parse(`${payload}`) }));
  await new Promise<void>((resolve) => client.once("connect", () => resolve()));
  await client.subscribeAsync("$hw/events/#");
  return {
    client,
    heard: (end) => all.filter((one) => one.topic.endsWith(end)).map(({ document }) => document),
  };
}

const report = (value: number) => JSON.stringify({ twin: { brightness: { actual: { value: `${value}` } } } });

it("brings a wish to a program at the node, and its reports into the DeviceStatus", async () => {
  const { hub, agent, broker, setBrightness } = await startDevices();
  await agent("edge-1", { eventBus: { enable: true, mqttMode: "internal", mqttServerInternal: broker } });
  const { client, heard } = await program(broker);
  await until("the device is known", async () => {
    await client.publishAsync(`${topic}/twin/get`, "{}", { qos: 1 });
    return JSON.stringify(heard("twin/get/result")).includes('"expected":{"value":"20"');
  });
  await setBrightness("30");
  await until("the new wish is there", () =>
    heard("twin/update/delta").some((one) => JSON.stringify(one).includes('"delta":{"brightness":"30"}')),
  );
  const reports = Array.from({ length: 300 }, (_, index) =>
    client.publishAsync(`${topic}/twin/update`, report(index), { qos: 1 }),
  );
  await Promise.all(reports);
  await client.publishAsync(`${topic}/state/update`, '{"state":"online"}', { qos: 1 });
  const status = () => hub.objects.get(deviceStatuses, place).catch(() => undefined);
  await until("its state is known", async () => JSON.stringify(await status()).includes('"state":"online"'));
  await until("the newest report is known", async () =>
    JSON.stringify(await status()).includes('"value":"299"'),
  );
  expect(await status()).toMatchObject({
    metadata: { ownerReferences: [{ kind: "Device", name: "lamp" }] },
    status: {
      state: "online",
      lastOnlineTime: expect.stringMatching(/Z$/),
      twins: [{ propertyName: "brightness", reported: { value: "299", metadata: { type: "int" } } }],
    },
  });
});

it("loses neither wishes nor reports while the controller, or the node, is away", async () => {
  const { hub, agent, broker, controllers, setBrightness, directory } = await startDevices();
  const eventBus = { enable: true, mqttMode: "internal", mqttServerInternal: broker } as const;
  const edge = await agent("edge-1", { eventBus });
  const first = await program(broker);
  const delta = (value: string) => () =>
    first.heard("twin/update/delta").some((one) => JSON.stringify(one).includes(`"brightness":"${value}"`));
  await setBrightness("25");
  await until("the wish is there", delta("25"));

  await controllers.stop();
  await setBrightness("40");
  await first.client.publishAsync(`${topic}/twin/update`, report(7), { qos: 1 });
  controllers.start();
  await until("the new wish is there", delta("40"));
  const status = async () => JSON.stringify(await hub.objects.get(deviceStatuses, place).catch(() => ""));
  await until("the report is there", async () => (await status()).includes('"value":"7"'));

  await first.client.endAsync();
  await edge.close();
  await until("the node is away", async () => (await hub.nodes())[0]?.connected === false);
  await controllers.stop();
  await hub.objects.delete(devices, place);
  controllers.start();
  await until("the deletion waits", async () =>
    (await hub.resources({ node: "edge-1", resource: "membership/*" })).every((one) => one.acceptedDeleted),
  );
  const server = `wss://127.0.0.1:${hub.ports.nodes}`;
  const again = await startEdge(
    { node: "edge-1", dataDir: join(directory, "edge-1"), eventBus, hub: { server } },
    { log: silentLogger },
  );
  onTestFinished(() => again.close());
  const devicesThere = again.store.database.prepare("SELECT count(*) FROM device").pluck();
  await until("the device is forgotten", () => devicesThere.get() === 0);
});

it("brings a node 1,000 devices, and has the status of each when each has reported", async () => {
  const { hub, agent, broker } = await startDevices();
  const edge = await agent("edge-1", {
    eventBus: { enable: true, mqttMode: "internal", mqttServerInternal: broker },
  });
  const { spec } = await hub.objects.get(devices, place);
  const ids = Array.from({ length: 999 }, (_, index) => `lamp-${index}`);
  const metadata = (name: string) => ({ name, namespace: "default" });
  await Promise.all(
    ids.map((name) =>
      hub.objects.create(devices, { apiVersion, kind: "Device", metadata: metadata(name), spec }),
    ),
  );
  const there = edge.store.database.prepare("SELECT count(*) FROM device").pluck();
  await until("all devices are there", () => there.get() === 1_000);
  const { client } = await program(broker);
  const base = topic.slice(0, topic.lastIndexOf("/"));
  await Promise.all(
    ["lamp", ...ids].map((name) => client.publishAsync(`${base}/${name}/twin/update`, report(7), { qos: 1 })),
  );
  await until("all have reported", async () => {
    const { items } = await hub.objects.list(deviceStatuses);
    return items.filter(({ status }) => JSON.stringify(status)?.includes('"value":"7"')).length === 1_000;
  });
});

/** What docs/device-controller.md says that a program needs. */
async function allowDevices(objects: ObjectsApi, user: string): Promise<void> {
  const rbac = (resource: string) => ({ group: "rbac.authorization.k8s.io", version: "v1", resource });
  const bound = "rbac.authorization.k8s.io";
  const read = ["get", "list", "watch"];
  await objects.create(rbac("clusterroles"), {
    apiVersion: `${bound}/v1`,
    kind: "ClusterRole",
    metadata: { name: "devices" },
    rules: [
      { apiGroups: ["devices.kubeedge.io"], resources: ["devices", "devicemodels"], verbs: read },
      { apiGroups: ["devices.kubeedge.io"], resources: ["devices"], verbs: ["patch"] },
      { apiGroups: ["devices.kubeedge.io"], resources: ["devicestatuses"], verbs: ["get", "create"] },
      { apiGroups: ["devices.kubeedge.io"], resources: ["devicestatuses/status"], verbs: ["patch"] },
      { apiGroups: [""], resources: ["nodes"], verbs: read },
      { apiGroups: [""], resources: ["events"], verbs: ["create", "patch"] },
    ],
  });
  await objects.create(rbac("clusterrolebindings"), {
    apiVersion: `${bound}/v1`,
    kind: "ClusterRoleBinding",
    metadata: { name: "devices" },
    roleRef: { apiGroup: bound, kind: "ClusterRole", name: "devices" },
    subjects: [{ apiGroup: bound, kind: "User", name: user }],
  });
}

it("runs in a program of its own, with no more rights than it needs", async () => {
  const { hub, agent, broker, controllers } = await startDevices();
  await controllers.stop();
  const rights = {
    nodes: ["*"],
    groups: ["resource", "twin"],
    verbs: ["publish", "subscribe", "read"],
  } as const;
  const token = await hub.admin.createController("devices", rights);
  await allowDevices(hub.objects, "devices");
  const { url, ca } = JSON.parse(readFileSync(hub.adminFile, "utf8")) as { url: string; ca: string };
  const client = await connectHub({ url, ca, token });
  onTestFinished(() => client.close());
  const parts = { hub: client, objects: client.objects, clock: systemClock, log: silentLogger };
  const elsewhere = startControllers(parts, { enable: ["device"] });
  onTestFinished(() => elsewhere.close());
  await agent("edge-1", { eventBus: { enable: true, mqttMode: "internal", mqttServerInternal: broker } });
  const { client: device, heard } = await program(broker);
  await until("the device is known", async () => {
    await device.publishAsync(`${topic}/twin/get`, "{}", { qos: 1 });
    return JSON.stringify(heard("twin/get/result")).includes('"expected":{"value":"20"');
  });
  await device.publishAsync(`${topic}/twin/update`, report(7), { qos: 1 });
  await until("it is in the status", async () => {
    const status = await hub.objects.get(deviceStatuses, place).catch(() => undefined);
    return JSON.stringify(status?.status ?? "").includes('"value":"7"');
  });
});
