import { expect, it } from "vitest";
import { deviceModels, devices, events } from "../../../controllers/runtime/kinds.ts";
import { HubError } from "../../../protocol/index.ts";
import type { Said } from "./fake-hub.ts";
import { device, model, World } from "./world.ts";

const words = (said: readonly Said[]) => said.map(({ operation, resource }) => `${operation} ${resource}`);

async function world(dialect: "native" | "kubeedge" | "away" = "kubeedge"): Promise<World> {
  const one = new World();
  one.hub.addNode("edge-a");
  await one.start();
  if (dialect !== "away") await one.hub.connect("edge-a", dialect);
  await one.settle(5_000);
  one.hub.take();
  return one;
}

it("brings a stock edge its device as cloudcore does: membership, model, device", async () => {
  const { hub, settle, create } = bound(await world());
  await create(model(), device("sensor-1"));
  await settle();
  const said = hub.take();
  expect(words(said)).toEqual([
    "update membership",
    "insert default/devicemodel/sensor-model",
    "insert default/device/sensor-1",
  ]);
  expect(said[0]?.content).toMatchObject({
    added_devices: [{ id: "sensor-1", name: "sensor-1" }],
    removed_devices: null,
  });
  expect(said[2]).toMatchObject({ version: expect.any(String), content: { kind: "Device" } });
});

it("tells a stock edge that asks all its devices, with a twin, so that it complains of none", async () => {
  const { hub, settle, create } = bound(await world());
  await create(model(), device("sensor-1"), device("sensor-2"), device("elsewhere", { node: "edge-b" }));
  await settle();
  hub.take();
  await hub.disconnect("edge-a");
  await hub.connect("edge-a", "kubeedge");
  await hub.report("edge-a", { resource: "membership/detail", operation: "get", content: "{}" });
  await settle(5_000);
  const said = hub.take();
  expect(words(said)).toEqual(["response twin", "update membership/detail"]);
  expect(said[0]).toMatchObject({ parentId: expect.stringContaining("report"), content: "OK" });
  expect(said[1]?.content).toMatchObject({
    devices: [
      { id: "sensor-1", twin: {} },
      { id: "sensor-2", twin: {} },
    ],
  });
});

it("leaves alone a stock edge that has never had devices of the API: another program may have told it some", async () => {
  const { hub, settle } = bound(await world());
  await hub.report("edge-a", { resource: "membership/detail", operation: "get", content: "{}" });
  await settle(5_000);
  expect(words(hub.take())).toEqual(["response twin"]);
});

it("tells a stock edge its devices, also if it does not ask", async () => {
  const { hub, settle, create } = bound(await world("away"));
  await create(model(), device("sensor-1"));
  await hub.connect("edge-a", "kubeedge");
  await settle(5_000);
  expect(words(hub.take())).toContain("update membership/detail");
});

it("names devices with their namespace where the edge's version does", async () => {
  const { hub, settle, create, objects } = bound(await world("away"));
  await objects.create(
    { group: "", version: "v1", resource: "nodes" },
    {
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: "edge-a" },
      status: { nodeInfo: { kubeletVersion: "v1.32.0-kubeedge-v1.23.0" } },
    },
  );
  await create(model(), device("sensor-1"));
  await hub.connect("edge-a", "kubeedge");
  await settle(5_000);
  const detail = hub.take().find(({ resource }) => resource === "membership/detail");
  expect(detail?.content).toMatchObject({ devices: [{ id: "default/sensor-1" }] });
});

it("brings a node of ours its device and what it is to be as state, for a time without a link too", async () => {
  const { hub, settle, create, change } = bound(await world("native"));
  await create(model(), device("sensor-1"));
  await settle();
  const [membership, ...rest] = hub.take();
  expect(words(rest)).toEqual(["insert default/devicemodel/sensor-model", "insert default/device/sensor-1"]);
  const [added] = (membership as { content: { added_devices: object[] } }).content.added_devices;
  expect(membership?.resource).toBe("membership/device/default/sensor-1");
  expect(added).toMatchObject({
    id: "default/sensor-1",
    twin: {
      temperature: {
        expected: { value: "20" },
        metadata: { type: "int" },
        expected_version: { cloud: Number(membership?.version), edge: 0 },
      },
    },
  });
  await hub.disconnect("edge-a");
  await change("sensor-1", { spec: { properties: [{ name: "temperature", desired: { value: "30" } }] } });
  await settle();
  expect(words(hub.take())).toEqual([
    "update membership/device/default/sensor-1",
    "update default/device/sensor-1",
  ]);
});

it("sends nothing again after a restart, and what has changed meanwhile", async () => {
  const at = await world("native");
  const { hub, settle, create, change, objects } = bound(at);
  await create(model(), device("sensor-1"), device("sensor-2"), device("sensor-3"));
  await settle();
  await hub.report("edge-a", {
    resource: "device/default/sensor-1/state/update",
    content: '{"device":{"state":"online"}}',
  });
  await at.stop();
  hub.take();
  await at.start();
  await settle(5_000);
  expect(hub.take()).toEqual([]);
  await at.stop();
  await change("sensor-2", { spec: { properties: [{ name: "temperature", desired: { value: "30" } }] } });
  await objects.delete(devices, { namespace: "default", name: "sensor-3" });
  await at.start();
  await settle(5_000);
  const said = hub.take();
  expect(words(said).sort()).toEqual([
    "delete default/device/sensor-3",
    "delete membership/device/default/sensor-3",
    "update default/device/sensor-2",
    "update membership/device/default/sensor-2",
  ]);
  const gone = said.find(({ resource }) => resource === "membership/device/default/sensor-3");
  expect(gone?.content).toMatchObject({ removed_devices: [{ id: "default/sensor-3" }] });
});

it("does not tell nodes what they have reported", async () => {
  const { hub, settle, create, change } = bound(await world());
  await create(model(), device("sensor-1"));
  await settle();
  hub.take();
  await change("sensor-1", {
    status: { twins: [{ propertyName: "temperature", reported: { value: "1" } }] },
  });
  await settle();
  expect(hub.take()).toEqual([]);
});

it("takes a device from one node and brings it to another, while the first one is away too", async () => {
  const { hub, settle, create, change } = bound(await world("native"));
  await create(model(), device("sensor-1"));
  await settle();
  hub.take();
  await hub.disconnect("edge-a");
  await hub.connect("edge-b", "native");
  await change("sensor-1", { spec: { nodeName: "edge-b" } });
  await settle();
  const said = hub.take();
  expect(said.filter(({ node }) => node === "edge-a").map((one) => one.operation)).toEqual([
    "delete",
    "delete",
    "delete",
  ]);
  expect(words(said.filter(({ node }) => node === "edge-b"))).toEqual([
    "update membership/device/default/sensor-1",
    "insert default/devicemodel/sensor-model",
    "insert default/device/sensor-1",
  ]);
});

it("removes from a stock edge what was deleted, in cloudcore's words", async () => {
  const { hub, settle, create, objects } = bound(await world());
  await create(model(), device("sensor-1"));
  await settle();
  hub.take();
  await objects.delete(devices, { namespace: "default", name: "sensor-1" });
  await settle();
  const said = hub.take();
  expect(words(said)).toEqual([
    "update membership",
    "delete default/devicemodel/sensor-model",
    "delete default/device/sensor-1",
  ]);
  expect(said[0]?.content).toMatchObject({
    added_devices: null,
    removed_devices: [{ id: "sensor-1", name: "sensor-1" }],
  });
});

it("replaces a device that was made anew under its name: what the old one was is not taken over", async () => {
  const { hub, settle, create, objects } = bound(await world("native"));
  await create(model(), device("sensor-1"));
  await settle();
  hub.take();
  await objects.delete(devices, { namespace: "default", name: "sensor-1" });
  await create(device("sensor-1"));
  await settle();
  expect(words(hub.take())).toEqual([
    "delete membership/device/default/sensor-1",
    "update membership/device/default/sensor-1",
    "delete default/device/sensor-1",
    "insert default/device/sensor-1",
  ]);
});

it("keeps a device back whose model is missing, says so, and sends it when the model is there", async () => {
  const { hub, settle, create, objects } = bound(await world("native"));
  await create(device("sensor-1"));
  await settle();
  expect(words(hub.take())).toEqual(["update membership/device/default/sensor-1"]);
  const [event] = (await objects.list(events)).items;
  expect(event).toMatchObject({
    reason: "ModelNotFound",
    type: "Warning",
    involvedObject: { name: "sensor-1" },
  });
  await create(model());
  await settle();
  expect(words(hub.take())).toEqual([
    "insert default/devicemodel/sensor-model",
    "insert default/device/sensor-1",
  ]);
});

it("says what does not fit its model, and wishes nothing of a twin that cannot be", async () => {
  const { hub, settle, create, objects } = bound(await world("native"));
  await create(model(), device("sensor-1", { desired: "warm" }), device("sensor-2", { desired: "400" }));
  await settle();
  const found = (await objects.list(events)).items.map(({ reason, message }) => `${reason}: ${message}`);
  expect(found.sort()).toEqual([
    'DoesNotFit: property "temperature" cannot be "400": more than 100',
    'DoesNotFit: property "temperature" cannot be "warm": it is an integer',
  ]);
  const membership = hub.take().find(({ resource }) => resource.startsWith("membership"));
  expect(membership?.content).toMatchObject({ added_devices: [{ id: "default/sensor-1", twin: {} }] });
});

it("sends a model again when it changes", async () => {
  const { hub, settle, create, objects } = bound(await world());
  await create(model(), device("sensor-1"));
  await settle();
  hub.take();
  const name = { namespace: "default", name: "sensor-model" };
  await objects.patch(deviceModels, name, "merge", { spec: { protocol: "opcua" } });
  await settle();
  expect(words(hub.take())).toEqual(["update default/devicemodel/sensor-model"]);
});

it("brings a node 1,000 devices, each once", async () => {
  const { hub, settle, create } = bound(await world("native"));
  await create(model());
  for (let index = 0; index < 1_000; index++) await create(device(`sensor-${index}`));
  await settle(5_000);
  const said = words(hub.take());
  expect(said).toHaveLength(2_001);
  expect(new Set(said).size).toBe(2_001);
});

it("takes back what a node of ours was to be told before it tells it as a stock edge, and goes back likewise", async () => {
  const { hub, settle, create } = bound(await world("native"));
  await create(model());
  for (let index = 0; index < 150; index++) await create(device(`sensor-${index}`));
  await settle(5_000);
  hub.take();
  await hub.disconnect("edge-a");
  await hub.connect("edge-a", "kubeedge");
  for (let second = 0; second < 30; second++) await settle(1_000);
  const said = hub.take();
  expect(said.slice(0, -1)).toHaveLength(150);
  for (const { operation, resource, content } of said.slice(0, -1)) {
    expect(`${operation} ${resource}`).toMatch(/^delete membership\/device\//);
    expect(content).toMatchObject({ added_devices: null, removed_devices: null });
  }
  expect(said.at(-1)).toMatchObject({ resource: "membership/detail" });
  const detail = said.at(-1) as Said;
  expect((detail.content as { devices: object[] }).devices).toHaveLength(150);
  await hub.disconnect("edge-a");
  await hub.connect("edge-a", "native");
  for (let second = 0; second < 30; second++) await settle(1_000);
  const again = words(hub.take());
  expect(again).toHaveLength(150);
  expect(again.every((one) => one.startsWith("update membership/device/"))).toBe(true);
});

it("waits for a node that the hub does not know yet, and for a hub that has no room", async () => {
  const { hub, settle, create, log } = bound(await world("native"));
  await create(model(), device("sensor-1", { node: "edge-new" }));
  await settle();
  expect(hub.take()).toEqual([]);
  await hub.connect("edge-new", "native");
  await settle();
  expect(hub.take()).toHaveLength(3);
  hub.failure = new HubError("E_BACKLOG_FULL", "full");
  await create(device("sensor-2"));
  await settle();
  hub.failure = undefined;
  await settle(60_000);
  expect(words(hub.take())).toContain("insert default/device/sensor-2");
  expect(log.lines.filter((line) => JSON.stringify(line).includes("could not do"))).toHaveLength(1);
});

it("wishes again what a node's programs have overruled before they knew the wish", async () => {
  const { hub, settle, create } = bound(await world("native"));
  await create(model(), device("sensor-1"));
  await settle();
  const version = Number(hub.take()[0]?.version);
  const overruled = (cloud: number) => ({
    resource: "device/default/sensor-1/twin/edge_updated",
    content: {
      twin: {
        temperature: {
          expected: { value: "15" },
          metadata: { type: "int" },
          expected_version: { cloud, edge: 3 },
        },
      },
    },
  });
  await hub.report("edge-a", overruled(0)).catch(() => undefined);
  await settle();
  const [again] = hub.take();
  expect(again?.content).toMatchObject({
    added_devices: [
      {
        twin: {
          temperature: { expected: { value: "20" }, expected_version: { cloud: version + 1, edge: 3 } },
        },
      },
    ],
  });
  // It had the wish when its programs chose something else: that is theirs to do.
  await hub.report("edge-a", overruled(version + 1)).catch(() => undefined);
  await settle();
  expect(hub.take()).toEqual([]);
});

it("gives a name that two devices of a stock edge have to the older one", async () => {
  const { hub, settle, create, objects } = bound(await world());
  await create(model(), device("lamp"));
  await settle(2_000);
  await create(device("lamp", { namespace: "other" }));
  await settle();
  const members = hub.take().filter(({ resource }) => resource === "membership");
  expect(members).toHaveLength(1);
  const reasons = (await objects.list(events)).items.map(({ reason }) => reason);
  expect(reasons).toContain("NameTaken");
});

function bound(world: World) {
  return {
    hub: world.hub,
    objects: world.objects,
    log: world.log,
    settle: world.settle.bind(world),
    create: world.create.bind(world),
    change: world.change.bind(world),
  };
}
