import { describe, expect, it } from "vitest";
import { configMaps, nodes, pods, secrets } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ResourceName } from "../../kubernetes/index.ts";
import { Cloud, type CloudOptions } from "./cloud.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { eventually } from "./patience.ts";
import { recordedObject, recordedPushes, saidBy } from "./recorded-pushes.ts";
import { type Line, lines, StockEdgecore } from "./stock-edgecore.ts";
import type { WireJson } from "./wire-json.ts";

/**
 * The recorded edge without edged, against a hub with all its controllers: what was done to objects then is done again by
 * the hub's API, and links and processes end as they did.
 */

const at = (name: string) => ({ namespace: "default", name });

const pushesTo = (edge: StockEdgecore): WireJson[] =>
  edge.received.filter(
    ({ header, route }) => route.group === "resource" && header.parent_msg_id === undefined,
  );

/** The recorded objects with these names, each as it was written first, under what the recording calls them. */
async function create(cloud: Cloud, capture: string, ...names: string[]): Promise<void> {
  const kinds: Readonly<Record<string, ResourceName>> = { pod: pods, configmap: configMaps, secret: secrets };
  for (const name of names) {
    const [kind = ""] = name.split("/");
    await cloud.objects.create(kinds[kind] as ResourceName, recordedObject(capture, `default/${name}`));
  }
}

/** What makes a ConfigMap what it was in a recorded message. */
const dataOf = (capture: string, name: string, nth = 0) => ({
  data: recordedObject(capture, `default/configmap/${name}`, nth).data,
});

async function withEdge(line: Line, options: CloudOptions = {}) {
  const cloud = await Cloud.start(options);
  const edge = new StockEdgecore(await cloud.join("edge-a"), line);
  await edge.connect();
  return { cloud, edge, objects: cloud.objects };
}

/** All that the hub has for the edge is there, and acked. */
const settled = (cloud: Cloud) =>
  eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toEqual([]);

const byResource = (a: WireJson, b: WireJson): number =>
  (a.route.resource ?? "") < (b.route.resource ?? "") ? -1 : 1;

describe.each(lines)("objects for an edge of %s", (_name, line) => {
  const capture = "c-crud";

  it("come to the edge as the recorded ones, step by step", async () => {
    const { cloud, edge, objects } = await withEdge(line);
    const recorded = recordedPushes(capture);
    let seen = 0;
    /** @param count How many recorded messages the step had; ours says the last of them. */
    const step = async (write: Promise<unknown>, count = 1): Promise<void> => {
      await write;
      const expected = saidBy(recorded.splice(0, count).at(-1) as WireJson);
      await eventually(() => pushesTo(edge).slice(seen).map(saidBy).at(-1)).toEqual(expected);
      seen = pushesTo(edge).length;
    };
    const object = (resource: string, nth = 0): KubeObject => recordedObject(capture, resource, nth);
    const again = (resource: string, nth: number): unknown => ({ data: object(resource, nth).data });

    await objects.create(configMaps, { ...object("default/configmap/cm1"), metadata: at("cm0") });
    await step(objects.create(pods, object("default/pod/p1")));
    await step(objects.create(configMaps, object("default/configmap/cm1")));
    await step(objects.patch(configMaps, at("cm1"), "merge", again("default/configmap/cm1", 1)));
    await step(objects.create(secrets, object("default/secret/s1")));
    await step(objects.patch(secrets, at("s1"), "strategic", again("default/secret/s1", 1)));
    const { labels } = object("default/pod/p1", 1).metadata;
    await step(objects.patch(pods, at("p1"), "strategic", { metadata: { labels } }));
    for (const nth of [2, 3])
      await objects.patch(configMaps, at("cm1"), "merge", again("default/configmap/cm1", nth));
    await step(objects.patch(configMaps, at("cm1"), "merge", again("default/configmap/cm1", 4)), 3);
    await step(objects.delete(configMaps, at("cm1")));
    await step(objects.delete(secrets, at("s1")));
    await step(objects.delete(pods, at("p1")));
    await step(objects.delete(pods, at("p1"), { gracePeriodSeconds: 0 }), 2);
    await step(objects.create(pods, object("default/pod/pn")));
    expect(recorded).toEqual([]);
    expect([...edge.meta.rows.keys()]).toEqual(["default/pod/pn"]);
    expect(edge.meta.pushed.some((one) => one.includes("cm0"))).toBe(false);
    await eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toEqual([]);
    expect(edge.faults).toEqual([]);
  });
});

describe.each(lines)("acks that an edge of %s holds back", (_name, line) => {
  const capture = "d-ack-withheld-resend";

  it("have the same message sent again under its id, and lose nothing of what was written meanwhile", async () => {
    const clock = new LeapingClock();
    const { cloud, edge, objects } = await withEdge(line, { clock, ofHub: true });
    await create(cloud, "c-crud", "pod/pn");
    await eventually(() => edge.meta.pushed).toEqual(["insert default/pod/pn"]);
    await settled(cloud);
    edge.hold();
    await create(cloud, capture, "configmap/cmn");
    const copies = () => pushesTo(edge).filter(({ route }) => route.resource === "default/configmap/cmn");
    await eventually(() => copies().length).toBe(1);
    for (const [pauseMs, count] of [
      [5_500, 2],
      [10_500, 3],
    ] as const) {
      await clock.leap(pauseMs);
      await eventually(() => copies().length).toBe(count);
    }
    const recorded = recordedPushes(capture).slice(0, 3);
    expect(copies().map(saidBy)).toEqual(recorded.map(saidBy));
    expect(new Set(copies().map(({ header }) => header.msg_id)).size).toBe(1);
    await objects.patch(configMaps, at("cmn"), "merge", { data: { k: "newer" } });
    edge.release();
    await eventually(() => edge.meta.rows.get("default/configmap/cmn")).toMatchObject({
      data: { k: "newer" },
    });
    await settled(cloud);
    await objects.delete(configMaps, at("cmn"));
    await objects.delete(pods, at("pn"), { gracePeriodSeconds: 0 });
    await eventually(() => [...edge.meta.rows]).toEqual([]);
    expect(edge.faults).toEqual([]);
  });
});

describe.each(lines)("an edge of %s that is away", (_name, line) => {
  const capture = "d-offline-connection-reset";
  const before = "d-ack-withheld-resend";

  it("gets what has become of everything, each once, and nothing else, when its link was cut", async () => {
    const { cloud, edge, objects } = await withEdge(line);
    await create(cloud, before, "pod/po", "configmap/cmo", "secret/so", "pod/pgone", "configmap/cmgone");
    await eventually(() => edge.meta.rows.size).toBe(5);
    await settled(cloud);
    edge.cut();
    await objects.patch(configMaps, at("cmo"), "merge", dataOf(capture, "cmo"));
    await create(cloud, capture, "pod/pnew", "configmap/cmnew");
    await objects.delete(configMaps, at("cmgone"));
    await objects.delete(pods, at("pgone"), { gracePeriodSeconds: 0 });
    await objects.delete(secrets, at("so"));
    const seen = edge.meta.pushed.length;
    await edge.connect();
    // KubeEdge, which compares versions, says update and sends what is left of deleted objects.
    await eventually(() => edge.meta.pushed.slice(seen).sort()).toEqual([
      "delete default/configmap/cmgone",
      "delete default/pod/pgone",
      "delete default/secret/so",
      "insert default/configmap/cmnew",
      "insert default/pod/pnew",
      "update default/configmap/cmo",
    ]);
    for (const message of recordedPushes(capture).slice(0, 3)) {
      const ours = pushesTo(edge).find(
        ({ route }, index) => index >= seen && route.resource === message.route.resource,
      );
      expect({ ...(saidBy(ours as WireJson) as object), operation: "" }).toEqual({
        ...(saidBy(message) as object),
        operation: "",
      });
    }
    await settled(cloud);
    expect(edge.faults).toEqual([]);
  });

  it("gets it under another link when the old one passed nothing, whatever late acks come first", async () => {
    const clock = new LeapingClock();
    const { cloud, edge, objects } = await withEdge(line, { clock, ofHub: true });
    const half = "d-offline-half-open";
    const pod = recordedObject("d-ack-withheld-resend", "default/pod/po");
    const text = JSON.stringify(pod).replaceAll('"cmo"', '"cmh"').replaceAll('"po"', '"ph"');
    await objects.create(pods, JSON.parse(text) as KubeObject);
    const cm = recordedObject(half, "default/configmap/cmh");
    await objects.create(configMaps, { ...cm, data: { k: "before" } });
    await eventually(() => edge.meta.rows.size).toBe(2);
    await settled(cloud);
    edge.freeze();
    await objects.patch(configMaps, at("cmh"), "merge", { data: cm.data });
    await eventually(() => cloud.hub.where({ node: "edge-a", state: "accepted" })).toMatchObject([
      { sends: 1 },
    ]);
    await clock.leap(31_000);
    edge.thaw();
    await edge.ended();
    await edge.connect();
    await eventually(() => edge.meta.rows.get("default/configmap/cmh")).toMatchObject({ data: cm.data });
    await settled(cloud);
    expect(edge.faults).toEqual([]);
  });

  it("gets what changed while its process was down, after it was stopped", async () => {
    const { cloud, edge, objects } = await withEdge(line);
    const restart = "d-edgecore-restart";
    await create(cloud, "d-offline-half-open", "pod/pr", "configmap/cmr");
    await eventually(() => edge.meta.rows.size).toBe(2);
    await settled(cloud);
    edge.stop();
    await objects.patch(configMaps, at("cmr"), "merge", dataOf(restart, "cmr"));
    const seen = pushesTo(edge).length;
    await edge.connect();
    const recorded = recordedPushes(restart).filter(
      ({ route }) => route.resource === "default/configmap/cmr",
    );
    await eventually(() => pushesTo(edge).slice(seen).map(saidBy)).toEqual(recorded.slice(0, 1).map(saidBy));
    await objects.delete(configMaps, at("cmr"));
    await eventually(() => pushesTo(edge).slice(seen).map(saidBy)).toEqual(recorded.map(saidBy));
    expect(edge.faults).toEqual([]);
  });

  it("gets what was written before and after a restart of the hub", async () => {
    const { cloud, edge, objects } = await withEdge(line);
    await create(cloud, before, "pod/po");
    await eventually(() => edge.meta.rows.size).toBe(1);
    await create(cloud, before, "configmap/cmo");
    await eventually(() => edge.meta.rows.size).toBe(2);
    await settled(cloud);
    edge.cut();
    await objects.patch(configMaps, at("cmo"), "merge", { data: { k: "before" } });
    await cloud.restart();
    await edge.connect();
    await eventually(() => edge.meta.rows.get("default/configmap/cmo")).toMatchObject({
      data: { k: "before" },
    });
    await create(cloud, before, "secret/so");
    await eventually(() => edge.meta.rows.has("default/secret/so")).toBe(true);
    await settled(cloud);
    const hold = await cloud.stop();
    await edge.ended();
    await hold();
    await edge.connect();
    await objects.patch(configMaps, at("cmo"), "merge", { data: { k: "after" } });
    await eventually(() => edge.meta.rows.get("default/configmap/cmo")).toMatchObject({
      data: { k: "after" },
    });
    await settled(cloud);
    expect(edge.meta.pushed).toEqual([
      "insert default/pod/po",
      "insert default/configmap/cmo",
      "update default/configmap/cmo",
      "update default/secret/so",
      "update default/configmap/cmo",
    ]);
    expect(edge.faults).toEqual([]);
  });
});

describe.each(lines)("a node of %s whose object is deleted", (_name, line) => {
  it("is cut off, told nothing when it is back, and gets what is made for it then", async () => {
    const { cloud, edge, objects } = await withEdge(line);
    const node = { apiVersion: "v1", kind: "Node", metadata: { name: "edge-a" } };
    await objects.create(nodes, node);
    await objects.delete(nodes, { name: "edge-a" });
    await edge.ended();
    await edge.connect();
    await eventually(() => edge.twin.unconfirmed.size).toBe(0);
    expect(edge.meta.pushed).toEqual([]);
    await objects.create(nodes, node);
    const capture = "h-node-delete";
    await create(cloud, capture, "pod/po", "configmap/cmo", "secret/so", "pod/pgone", "configmap/cmgone");
    // Which of what was made at once goes first is nobody's business.
    const sorted = (all: readonly WireJson[]) => [...all].sort(byResource).map(saidBy);
    await eventually(() => sorted(pushesTo(edge))).toEqual(sorted(recordedPushes(capture)));
    expect(edge.faults).toEqual([]);
  });
});
