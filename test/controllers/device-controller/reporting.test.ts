import { expect, it } from "vitest";
import { deviceStatuses, devices, olderDevices } from "../../../controllers/runtime/kinds.ts";
import { ApiError } from "../../../kubernetes/index.ts";
import { device, model, reportOf, World } from "./world.ts";

async function world(dialect: "native" | "kubeedge" = "kubeedge"): Promise<World> {
  const one = new World();
  await one.hub.connect("edge-a", dialect);
  await one.start();
  await one.create(model(), device("sensor-1"));
  await one.settle(5_000);
  one.hub.take();
  one.objects.writes.length = 0;
  return one;
}

it("writes what a 1.15 edge reports into the Device, and confirms it then", async () => {
  const at = await world();
  await at.report("edge-a", { id: "first", ...reportOf("sensor-1", "25", { at: 1795169076777 }) });
  await at.settle();
  expect(await at.device("sensor-1")).toMatchObject({
    status: {
      twins: [
        {
          propertyName: "temperature",
          reported: { value: "25", metadata: { timestamp: "1795169076777", type: "int" } },
        },
      ],
    },
  });
  expect(at.hub.take()).toMatchObject([
    { operation: "response", resource: "twin", parentId: "first", content: "OK" },
  ]);
});

it("keeps what the user listed in the status, and what was observed of a wish", async () => {
  const at = await world();
  const listed = { observedDesired: { value: "20", metadata: { type: "int" } }, reported: { value: "" } };
  await at.change("sensor-1", { status: { twins: [{ propertyName: "pressure", ...listed }] } });
  await at.settle();
  await at.report("edge-a", reportOf("sensor-1", "3", { property: "pressure" }));
  expect(await at.device("sensor-1")).toMatchObject({
    status: {
      twins: [
        {
          propertyName: "pressure",
          observedDesired: listed.observedDesired,
          reported: { value: "3", metadata: { timestamp: "1000", type: "int" } },
        },
      ],
    },
  });
});

it("writes what a newer edge reports into a DeviceStatus that goes with the Device", async () => {
  const at = await world("native");
  await at.report("edge-a", reportOf("default/sensor-1", "25"));
  const expected = { value: "20", metadata: { timestamp: 5 } };
  await at.report("edge-a", reportOf("default/sensor-1", "26", { edge: 2, more: { expected } }));
  const { uid } = (await at.device("sensor-1")).metadata;
  const status = await at.status("sensor-1");
  expect(status.metadata.ownerReferences).toMatchObject([{ kind: "Device", name: "sensor-1", uid }]);
  expect(status.status).toEqual({
    twins: [
      {
        propertyName: "temperature",
        reported: { value: "26", metadata: { timestamp: "1000", type: "int" } },
        observedDesired: { value: "20", metadata: { timestamp: "5", type: "int" } },
      },
    ],
  });
  // One of ours needs no confirmation.
  expect(at.hub.take()).toEqual([]);
});

it("keeps the states of devices, with the time they were last online", async () => {
  const at = await world();
  const older = { name: "sensor-1", state: "online", last_online: "2026-11-20 10:04:45" };
  const content = JSON.stringify({ event_id: "e", timestamp: 1795169085845, device: older });
  await at.report("edge-a", { resource: "device/sensor-1/state/update", content });
  expect((await at.device("sensor-1")).status).toMatchObject({
    state: "online",
    lastOnlineTime: "2026-11-20T10:04:45Z",
  });
  const newer = { name: "sensor-1", state: "unhealthy" };
  await at.report("edge-a", {
    resource: "device/default/sensor-1/state/update",
    content: JSON.stringify({ device: newer }),
  });
  await at.settle();
  expect((await at.status("sensor-1")).status).toMatchObject({ state: "unhealthy" });
  expect(at.hub.take().filter(({ operation }) => operation === "response")).toHaveLength(2);
});

it("makes one write of a burst, with the newest value, and acks each report when it is written", async () => {
  const at = await world();
  const acked: number[] = [];
  for (let index = 0; index < 1_000; index++) {
    const report = reportOf("sensor-1", String(index), { edge: index + 1, at: 1_000 + index });
    void at.hub.report("edge-a", report).then(() => acked.push(index));
  }
  await new Promise(setImmediate);
  await at.settle(2_000);
  expect(acked).toHaveLength(1_000);
  const twins = [{ propertyName: "temperature", reported: { value: "999" } }];
  expect(await at.device("sensor-1")).toMatchObject({ status: { twins } });
  expect(at.objects.writes.length).toBeLessThan(5);
});

it("acks nothing while the status cannot be written, and loses nothing of it", async () => {
  const at = await world();
  const patch = at.objects.patch.bind(at.objects);
  at.objects.patch = () => Promise.reject(new ApiError("InternalError", "the disk is full"));
  const acked: string[] = [];
  void at.hub.report("edge-a", reportOf("sensor-1", "25")).then(() => acked.push("25"));
  await at.settle();
  void at.hub.report("edge-a", reportOf("sensor-1", "26", { edge: 2 })).then(() => acked.push("26"));
  await at.settle();
  expect(acked).toEqual([]);
  at.objects.patch = patch;
  await at.settle(60_000);
  expect(acked).toEqual(["25", "26"]);
  expect(await at.device("sensor-1")).toMatchObject({ status: { twins: [{ reported: { value: "26" } }] } });
});

it("leaves to users what they change at the same time", async () => {
  const at = await world();
  const patch = at.objects.patch.bind(at.objects);
  let others = 2;
  at.objects.patch = async (resource, ...rest) => {
    if (others-- > 0)
      await patch(devices, { namespace: "default", name: "sensor-1" }, "merge", { spec: { x: others } });
    return await patch(resource, ...rest);
  };
  await at.report("edge-a", reportOf("sensor-1", "25"));
  expect(await at.device("sensor-1")).toMatchObject({
    spec: { x: 0 },
    status: { twins: [{ reported: { value: "25" } }] },
  });
});

it("knows a report that comes again for an older one, but no clock that was set back and no new device", async () => {
  const at = await world();
  const value = async () =>
    ((await at.device("sensor-1")).status as { twins: { reported: { value: string } }[] }).twins[0]?.reported
      .value;
  const said = async (text: string, edge: number, time: number) => {
    await at.report("edge-a", reportOf("sensor-1", text, { edge, at: time }));
  };
  await said("1", 1, 1_000);
  await said("2", 2, 2_000);
  await said("1", 1, 1_000);
  expect(await value()).toBe("2");
  await said("3", 3, 500);
  expect(await value()).toBe("3");
  await said("4", 1, 600);
  expect(await value()).toBe("4");
});

it("takes reports that are nobody's off the node: unknown devices, properties and shapes", async () => {
  const at = await world();
  const said = [
    reportOf("nobody", "1"),
    reportOf("sensor-1", "1", { property: "smell" }),
    { resource: "device/sensor-1/twin/edge_updated", content: "no JSON" },
    { resource: "device/sensor-1/twin/edge_updated", content: { twin: 7 } },
    { resource: "device/sensor-1/state/update", content: '{"device":{}}' },
    { resource: "device/sensor-1/else", content: {} },
  ];
  for (const one of said) await at.report("edge-a", one);
  await at.settle();
  expect(at.objects.writes).toEqual([]);
  expect(at.hub.take().map(({ operation }) => operation)).toEqual(said.map(() => "response"));
  expect(at.log.lines.length).toBeGreaterThan(3);
});

it("does not let one node speak for the devices of another", async () => {
  const at = await world();
  await at.hub.connect("edge-b", "kubeedge");
  await at.report("edge-b", reportOf("sensor-1", "66"));
  await at.report("edge-b", reportOf("default/sensor-1", "66"));
  expect((await at.device("sensor-1")).status).toBeUndefined();
  await expect(at.status("sensor-1")).rejects.toMatchObject({ reason: "NotFound" });
});

it("makes a DeviceStatus anew that somebody has deleted", async () => {
  const at = await world("native");
  await at.report("edge-a", reportOf("default/sensor-1", "1"));
  await at.objects.delete(deviceStatuses, { namespace: "default", name: "sensor-1" });
  await at.settle();
  await at.report("edge-a", reportOf("default/sensor-1", "2", { edge: 2 }));
  expect((await at.status("sensor-1")).status).toMatchObject({ twins: [{ reported: { value: "2" } }] });
});

it("serves devices in the form of v1alpha2: its node, what it is to be, and what it reports", async () => {
  const at = await world();
  const expression = { key: "", operator: "In", values: ["edge-a"] };
  await at.create([
    olderDevices,
    {
      apiVersion: "devices.kubeedge.io/v1alpha2",
      kind: "Device",
      metadata: { name: "old-1", namespace: "default" },
      spec: {
        deviceModelRef: { name: "sensor-model" },
        nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [expression] }] },
        protocol: { modbus: { slaveID: 1 }, common: { com: { serialPort: "1" } } },
        propertyVisitors: [
          { propertyName: "temperature", collectCycle: 500, modbus: { register: "CoilRegister" } },
        ],
      },
      status: {
        twins: [{ propertyName: "temperature", desired: { value: "7", metadata: { type: "int" } } }],
      },
    },
  ]);
  await at.settle();
  const sent = at.hub.take().find(({ resource }) => resource === "default/device/old-1");
  expect(sent?.content).toMatchObject({
    apiVersion: "devices.kubeedge.io/v1beta1",
    spec: {
      nodeName: "edge-a",
      protocol: { protocolName: "modbus", configData: { slaveID: 1, com: { serialPort: "1" } } },
      properties: [
        {
          name: "temperature",
          desired: { value: "7" },
          collectCycle: 500,
          visitors: { protocolName: "modbus", configData: { register: "CoilRegister" } },
        },
      ],
    },
  });
  await at.report("edge-a", reportOf("old-1", "6", { more: { expected: { value: "7" } } }));
  expect(await at.objects.get(olderDevices, { namespace: "default", name: "old-1" })).toMatchObject({
    status: {
      twins: [
        {
          propertyName: "temperature",
          desired: { value: "7", metadata: { type: "int" } },
          reported: { value: "6", metadata: { timestamp: "1000", type: "int" } },
        },
      ],
    },
  });
});
