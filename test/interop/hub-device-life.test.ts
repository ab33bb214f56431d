import { describe, expect, it } from "vitest";
import { deviceModels, deviceStatuses, devices, nodes } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ObjectsApi } from "../../kubernetes/index.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { Cloud, type CloudOptions } from "./cloud.ts";
import { eventually } from "./patience.ts";
import { recordedPushes } from "./recorded-pushes.ts";
import { type Line, line115, lines, StockEdgecore } from "./stock-edgecore.ts";

/** Devices of the recorded kind on both lines of edgecore, through cuts and restarts of either side. */

const place = { namespace: "default", name: "sensor-1" };

/** The recorded object as the user wrote it. */
function applied(resource: string): KubeObject {
  const found = recordedPushes("f-device").find(({ route }) => route.resource === resource);
  const { annotations } = (found as { content: KubeObject }).content.metadata;
  return JSON.parse(annotations?.["kubectl.kubernetes.io/last-applied-configuration"] ?? "") as KubeObject;
}

const model = (): KubeObject => applied("default/devicemodel/sensor-model");

function sensor(name = place.name, node = "edge-a"): KubeObject {
  const { spec, ...object } = applied("default/device/sensor-1");
  return { ...object, metadata: { ...object.metadata, name }, spec: { ...(spec as object), nodeName: node } };
}

const wish = (objects: ObjectsApi, value: string) =>
  objects.patch(devices, place, "json", [{ op: "replace", path: "/spec/properties/0/desired/value", value }]);

const idOf = (line: Line, name = place.name): string =>
  line.deviceIds === "name" ? name : `default/${name}`;

/** What was reported of the device, where this line's clouds have it. */
async function reported(objects: ObjectsApi, line: Line): Promise<Record<string, unknown>> {
  const kind = line.deviceIds === "name" ? devices : deviceStatuses;
  const { status } = await objects.get(kind, place).catch(() => ({ status: undefined }));
  const { twins = [], state } = (status ?? {}) as {
    twins?: { reported?: { value?: string } }[];
    state?: string;
  };
  return { value: twins[0]?.reported?.value, state };
}

async function start(line: Line, options: CloudOptions = {}) {
  const cloud = await Cloud.start(options);
  const edge = new StockEdgecore(await cloud.join("edge-a"), line);
  // A node says its version when it registers.
  const kubeletVersion = line.deviceIds === "name" ? "v1.26.15-kubeedge-v1.15.4" : "v1.29.5-kubeedge-v1.18.0";
  await cloud.objects.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name: "edge-a" } });
  const status = { nodeInfo: { kubeletVersion } };
  await cloud.objects.patch(nodes, { name: "edge-a" }, "merge", { status }, { subresource: "status" });
  await connected(edge);
  return { cloud, edge, objects: cloud.objects };
}

async function connected(edge: StockEdgecore): Promise<void> {
  await edge.connect();
  await eventually(() => edge.twin.unconfirmed.size).toBe(0);
}

/** The Device as the edge has it. */
const stored = (edge: StockEdgecore, name = place.name): unknown =>
  edge.meta.rows.get(`default/device/${name}`);

const wishes = (value: string) => ({ spec: { properties: [{ name: "temperature", desired: { value } }] } });

describe.each(lines)("devices of an edgecore of %s", (_name, line) => {
  it("come, are wished something, report, and go", async () => {
    const { cloud, edge, objects } = await start(line);
    await objects.create(deviceModels, model());
    await objects.create(devices, sensor());
    await eventually(() => edge.meta.rows.size).toBe(2);
    await eventually(() => edge.twin.ids).toEqual([idOf(line)]);
    edge.twin.report(idOf(line), "temperature", "25");
    edge.twin.reportState(idOf(line), "online");
    await eventually(() => reported(objects, line)).toEqual({ value: "25", state: "online" });
    await eventually(() => edge.twin.unconfirmed.size).toBe(0);
    await wish(objects, "30");
    await eventually(() => stored(edge)).toMatchObject(wishes("30"));
    expect(await reported(objects, line)).toEqual({ value: "25", state: "online" });
    await objects.delete(devices, place);
    await objects.delete(deviceModels, { namespace: "default", name: "sensor-model" });
    await eventually(() => [edge.meta.rows.size, edge.twin.ids]).toEqual([0, []]);
    await eventually(() => objects.list(deviceStatuses).then(({ items }) => items)).toEqual([]);
    await eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toEqual([]);
    expect(edge.faults).toEqual([]);
  });

  it("are as they are to be after cuts and restarts of either side, and nothing is repeated", async () => {
    const { cloud, edge, objects } = await start(line);
    await objects.create(deviceModels, model());
    for (const name of ["sensor-1", "sensor-2"]) await objects.create(devices, sensor(name));
    await eventually(() => [edge.meta.rows.size, edge.twin.ids.length]).toEqual([3, 2]);
    await eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toEqual([]);
    edge.cut();
    await objects.delete(devices, { namespace: "default", name: "sensor-2" });
    await wish(objects, "30");
    await connected(edge);
    await eventually(() => edge.twin.ids).toEqual([idOf(line)]);
    await eventually(() => stored(edge)).toMatchObject(wishes("30"));
    // What is not acked comes again.
    await eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toEqual([]);
    edge.stop();
    await cloud.restart();
    await objects.create(devices, sensor("sensor-3"));
    await connected(edge);
    await eventually(() => edge.twin.ids).toEqual([idOf(line), idOf(line, "sensor-3")]);
    await eventually(() => stored(edge, "sensor-3")).toBeDefined();
    expect(edge.meta.pushed.slice(3).sort()).toEqual([
      "delete default/device/sensor-2",
      "insert default/device/sensor-3",
      "update default/device/sensor-1",
    ]);
    expect(edge.faults).toEqual([]);
  });

  it("keep what they reported, though the hub was away when they did and the edge says it twice", async () => {
    const { cloud, edge, objects } = await start(line);
    await objects.create(deviceModels, model());
    await objects.create(devices, sensor());
    await eventually(() => edge.twin.ids).toEqual([idOf(line)]);
    edge.twin.report(idOf(line), "temperature", "24");
    await eventually(() => reported(objects, line)).toMatchObject({ value: "24" });
    const begin = await cloud.stop();
    await edge.ended();
    edge.twin.report(idOf(line), "temperature", "25");
    await begin();
    await edge.connect();
    edge.twin.repeat();
    edge.twin.repeat();
    await eventually(() => reported(objects, line)).toMatchObject({ value: "25" });
    await eventually(() => edge.twin.unconfirmed.size).toBe(0);
    expect(edge.faults).toEqual([]);
  });

  it("that nobody knows are confirmed, so that the edge says it no more, and shown to people", async () => {
    const log = recordingLogger();
    const { edge } = await start(line, { log });
    edge.twin.report(idOf(line, "stranger"), "temperature", "25");
    await eventually(() => edge.twin.unconfirmed.size).toBe(0);
    expect(log.lines.map(({ event }) => event)).toContain("a node reports what is none of its devices");
    expect(edge.faults).toEqual([]);
  });
});

it("tells a node that was one of our agents its devices in the words of a stock edge, and takes back the others", async () => {
  const log = recordingLogger();
  const { cloud, objects } = await start(line115, { log });
  const agent = await cloud.agent("edge-b");
  const ofAgent = "membership/device/default/sensor-1";
  await objects.create(deviceModels, model());
  await objects.create(devices, sensor("sensor-1", "edge-b"));
  await eventually(async () => (await cloud.hub.checkpoint("edge-b", ofAgent))?.deleted).toBe(false);
  await agent.close();
  await wish(objects, "30");
  const edge = new StockEdgecore(await cloud.join("edge-b"), line115);
  await edge.connect();
  await eventually(() => edge.twin.ids).toEqual(["sensor-1"]);
  await eventually(() => cloud.hub.resources({ node: "edge-b", resource: ofAgent })).toMatchObject([
    { acceptedDeleted: true },
  ]);
  for (const value of ["31", "32"]) {
    await wish(objects, value);
    await eventually(() => stored(edge)).toMatchObject(wishes(value));
  }
  await cloud.restart();
  await edge.ended();
  await connected(edge);
  await eventually(() => edge.twin.ids).toEqual(["sensor-1"]);
  const waited = edge.received.filter(
    ({ route }) => route.resource === ofAgent && route.operation !== "delete",
  );
  // One change had waited for the agent, and was under way when the edge came.
  expect(waited.length).toBeLessThanOrEqual(1);
  expect(edge.faults.filter((fault) => !fault.includes(ofAgent))).toEqual([]);
  expect(log.lines.filter(({ event }) => event !== "a node's readiness has changed")).toEqual([]);
});
