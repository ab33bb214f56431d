import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { deviceModels, devices, olderDevices } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { Cloud } from "./cloud.ts";
import { eventually } from "./patience.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { connect } from "./stock-edge.ts";
import { ackOf, type WireJson } from "./wire-json.ts";

/** A cloud and the edge that was recorded with a DeviceModel, a Device and a device on MQTT. */

const capture = messagesOf(readCapture("f-device"));
const place = { namespace: "default", name: "sensor-1" };

async function cloudWithEdge() {
  const cloud = await Cloud.start();
  const edge = await cloud.join("edge-a");
  return { hub: cloud.hub, objects: cloud.objects, node: edge.node, edge, link: await connect(edge) };
}

/** The recorded objects as the user wrote them. */
function applied(resource: string): KubeObject {
  const { content } = recorded("insert", resource).message;
  const { annotations } = (content as KubeObject).metadata;
  return JSON.parse(annotations?.["kubectl.kubernetes.io/last-applied-configuration"] ?? "") as KubeObject;
}

function recorded(operation: string, resource: string, nth = 0): RecordedMessage {
  const found = capture.filter(
    ({ message: { route } }) => route.operation === operation && route.resource === resource,
  );
  return found[nth] as RecordedMessage;
}

/** Without what no two runs have in common: ids, times, versions, and who wrote which field. */
function comparable({ route, header, content }: WireJson): unknown {
  const object = content as KubeObject & { event_id?: string; timestamp?: number };
  if (typeof object === "object" && object.metadata !== undefined) {
    const { name, namespace } = object.metadata;
    const { status: _reported, ...rest } = object;
    return {
      route,
      versioned: header.resourceversion !== undefined,
      content: { ...rest, metadata: { name, namespace } },
    };
  }
  const { event_id: _id, timestamp: _at, ...rest } = typeof object === "object" ? object : {};
  return { route, parent: header.parent_msg_id, content: typeof content === "object" ? rest : content };
}

/** What the hub sends, each acked as the recorded edge acked it. */
async function takeAll(link: RawWebSocket, count: number): Promise<WireJson[]> {
  const taken: WireJson[] = [];
  while (taken.length < count) {
    const message = await link.next();
    taken.push(message);
    if (message.route.group === "resource") link.send(ackOf(message));
  }
  return taken;
}

const byResource = (a: WireJson, b: WireJson) =>
  (a.route.resource ?? "") < (b.route.resource ?? "") ? -1 : 1;

/** The edge asks for its devices when its link comes up. @returns What it is told beside the confirmation. */
async function greet(link: RawWebSocket, told: number): Promise<WireJson[]> {
  const [asked] = messagesOf(readCapture("a-join-edged-disabled"), "edge").filter(
    ({ message }) => message.route.resource === "membership/detail",
  );
  link.send(asked?.message as WireJson);
  const [confirmed, ...others] = await takeAll(link, 1 + told);
  expect(confirmed).toMatchObject({
    header: { parent_msg_id: asked?.message.header.msg_id },
    route: { source: "devicecontroller", group: "twin", operation: "response" },
  });
  return others;
}

it("does with the recorded edge what cloudcore did, and answers its state too", async () => {
  const { hub, objects, node, link } = await cloudWithEdge();
  await greet(link, 0);
  await objects.create(deviceModels, applied("default/devicemodel/sensor-model"));
  await objects.create(devices, applied("default/device/sensor-1"));
  const inserted = [
    recorded("update", "membership"),
    recorded("insert", "default/devicemodel/sensor-model"),
    recorded("insert", "default/device/sensor-1"),
  ];
  expect((await takeAll(link, 3)).sort(byResource).map(comparable)).toEqual(
    inserted
      .map(({ message }) => message)
      .sort(byResource)
      .map(comparable),
  );

  for (const nth of [0, 1]) {
    const report = recorded("update", "device/sensor-1/twin/edge_updated", nth);
    link.send(report.text);
    const [confirmation] = await takeAll(link, 1);
    const answer = capture.find(
      ({ message }) => message.header.parent_msg_id === report.message.header.msg_id,
    );
    expect(comparable(confirmation as WireJson)).toEqual(comparable(answer?.message as WireJson));
  }
  const file = new URL("../fixtures/captures/f-device-after-twin-update.json", import.meta.url);
  const observed = JSON.parse(readFileSync(file, "utf8")) as KubeObject;
  expect((await objects.get(devices, place)).status).toEqual(observed.status);

  const state = recorded("update", "device/sensor-1/state/update");
  link.send(state.text);
  const [confirmed] = await takeAll(link, 1);
  expect(confirmed?.header.parent_msg_id).toBe(state.message.header.msg_id);

  const patch = [{ op: "replace", path: "/spec/properties/0/desired/value", value: "30" }];
  await objects.patch(devices, place, "json", patch);
  const [changed] = await takeAll(link, 1);
  const withWish = recorded("update", "default/device/sensor-1", 2);
  expect(comparable(changed as WireJson)).toEqual(comparable(withWish.message));

  await objects.delete(devices, place);
  const removed = [
    recorded("update", "membership", 1),
    recorded("delete", "default/devicemodel/sensor-model"),
    recorded("delete", "default/device/sensor-1"),
  ];
  expect((await takeAll(link, 3)).sort(byResource).map(comparable)).toEqual(
    removed
      .map(({ message }) => message)
      .sort(byResource)
      .map(comparable),
  );
  await eventually(async () => (await hub.checkpoint(node, "default/device/sensor-1"))?.deleted).toBe(true);
  expect(await link.sentSoFar()).toEqual([]);
});

it("tells an edge that was away what has gone and come meanwhile, and repeats nothing that it has", async () => {
  const { hub, objects, node, edge, link } = await cloudWithEdge();
  await greet(link, 0);
  await objects.create(deviceModels, applied("default/devicemodel/sensor-model"));
  for (const name of ["sensor-1", "sensor-2"]) {
    const object = applied("default/device/sensor-1");
    await objects.create(devices, { ...object, metadata: { ...object.metadata, name } });
  }
  await takeAll(link, 5);
  await eventually(async () => (await hub.checkpoint(node, "default/device/sensor-2"))?.deleted).toBe(false);
  link.reset();
  await eventually(async () => (await hub.nodes()).find((one) => one.node === node)?.connected).toBe(false);
  await objects.delete(devices, place);
  const again = await connect(edge);
  const gone = await again.next();
  again.send(ackOf(gone));
  expect(gone.route).toMatchObject({ operation: "delete", resource: "default/device/sensor-1" });
  const [detail] = await greet(again, 1);
  expect(detail?.content).toMatchObject({ devices: [{ id: "sensor-2", name: "sensor-2", twin: {} }] });
  expect(await again.sentSoFar()).toEqual([]);
});

it("keeps a Device that was written as v1alpha2 as it was written, with what the edge reports of it", async () => {
  const { objects, link } = await cloudWithEdge();
  await greet(link, 0);
  await objects.create(deviceModels, applied("default/devicemodel/sensor-model"));
  const expression = { key: "", operator: "In", values: ["edge-a"] };
  const desired = { value: "20", metadata: { type: "int" } };
  const spec = {
    deviceModelRef: { name: "sensor-model" },
    nodeSelector: { nodeSelectorTerms: [{ matchExpressions: [expression] }] },
    propertyVisitors: [{ propertyName: "temperature", modbus: { register: "HoldingRegister", offset: 2 } }],
  };
  await objects.create(olderDevices, {
    apiVersion: "devices.kubeedge.io/v1alpha2",
    kind: "Device",
    metadata: place,
    spec,
    status: { twins: [{ propertyName: "temperature", desired }] },
  });
  const sent = (await takeAll(link, 3)).find(({ route }) => route.resource === "default/device/sensor-1");
  expect(sent?.content).toMatchObject({
    apiVersion: "devices.kubeedge.io/v1beta1",
    spec: {
      nodeName: "edge-a",
      properties: [{ name: "temperature", desired, visitors: { protocolName: "modbus" } }],
    },
  });
  link.send(recorded("update", "device/sensor-1/twin/edge_updated").text);
  await takeAll(link, 1);
  const device = await objects.get(olderDevices, place);
  expect(device).toMatchObject({
    spec,
    status: { twins: [{ propertyName: "temperature", desired, reported: { value: "25" } }] },
  });
});
