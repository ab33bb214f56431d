import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { LeapingClock } from "./leaping-clock.ts";
import { eventually } from "./patience.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { Consumer, draftOf, expectAsRecorded, isForControllers, replay, viewOfRecorded } from "./replay.ts";
import { connect } from "./stock-edge.ts";
import { hubForTest, TestHub } from "./test-hub.ts";
import { ackOf, keepalive, newHeader, type WireJson } from "./wire-json.ts";

/** The recorded edge, played against our hub while acks are held back and links break. */

let world: TestHub;
beforeAll(async () => {
  world = await TestHub.start();
});
afterAll(() => world.close());

describe("an ack that does not come", () => {
  const conversation = messagesOf(readCapture("d-ack-withheld-resend"));
  const [pushed] = messagesOf(conversation, "cloud") as [RecordedMessage];
  const parentOf = ({ message }: RecordedMessage) => message.header.parent_msg_id;
  const [firstAck, secondAck, thirdAck] = messagesOf(conversation, "edge").filter(
    (one) => parentOf(one) === pushed.message.header.msg_id,
  ) as [RecordedMessage, RecordedMessage, RecordedMessage];

  it("has the hub send the same bytes again after 5 s, and after twice as long each time", async () => {
    const clock = new LeapingClock();
    const { hub, node, link } = await (await hubForTest({}, { clock })).connected();
    const settled = hub.publish(draftOf(node, pushed), { until: "acked" });
    const first = await link.nextText();
    expectAsRecorded(first, pushed);
    for (const pauseMs of [5_000, 10_000]) {
      await clock.leap(pauseMs - 1_500);
      expect(await beat(link)).toEqual([]);
      await clock.leap(2_000);
      expect(await link.nextText()).toBe(first);
    }
    link.sendBytes(firstAck.bytes);
    await settled;
    expect(await hub.where({ node })).toMatchObject([{ state: "persisted", sends: 3 }]);
    expect(await hub.checkpoint(node, "default/configmap/cmn")).toMatchObject({ version: "176" });
  });

  it("is not missed any more when it comes late and three times", async () => {
    const clock = new LeapingClock();
    const late = await hubForTest({}, { clock });
    const { hub, node, link } = await late.connected();
    const ignored = await late.growthOf("hub_frames_ignored_total");
    const settled = hub.publish(draftOf(node, pushed), { until: "acked" });
    await link.next();
    await clock.leap(6_000);
    await link.next();
    for (const { bytes } of [firstAck, secondAck, thirdAck]) link.sendBytes(bytes);
    await settled;
    for (let i = 0; i < 5; i++) {
      expect(await beat(link)).toEqual([]);
      await clock.leap(20_000);
    }
    expect(await link.sentSoFar()).toEqual([]);
    expect(await ignored()).toBe(2);
  });

  it("holds nothing else back: other objects go out and settle meanwhile", async () => {
    const { hub, node, link } = await world.connected();
    await hub.publish(draftOf(node, pushed));
    await link.next();
    const others = messagesOf(readCapture("c-crud"), "cloud").slice(0, 2);
    for (const other of others) {
      const settled = hub.publish(draftOf(node, other), { until: "acked" });
      link.send(ackOf(await link.next()));
      await settled;
    }
    expect(await hub.where({ node, state: "accepted" })).toMatchObject([
      { resource: "default/configmap/cmn" },
    ]);
  });

  it("is not replaced by an error: the message goes again, and what is refused eight times is kept for people", async () => {
    const clock = new LeapingClock();
    const patient = await hubForTest({ delivery: { kubeedgeKeepaliveMs: 600_000 } }, { clock });
    const { hub, node, link } = await patient.connected();
    const refuse = async (): Promise<void> => {
      const { header, route } = await link.next();
      link.send({
        header: { ...newHeader(), parent_msg_id: header.msg_id },
        route: { ...route, source: "metamanager", operation: "error" },
        content: "Error to save meta to DB: disk full",
      });
      expect(await link.sentSoFar()).toEqual([]);
    };
    const failed = hub.publish(draftOf(node, pushed), { until: "acked" }).catch((error: unknown) => error);
    for (const pauseMs of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]) {
      await refuse();
      await clock.leap(pauseMs + 100);
    }
    await refuse();
    expect(await failed).toMatchObject({ code: "E_REFUSED", message: expect.stringContaining("disk full") });
    expect(await hub.where({ node })).toMatchObject([{ state: "refused", sends: 8 }]);
  });
});

describe("an answer that the edge does not ack", () => {
  /** The copies of an answer that go out within 93 s. */
  async function copiesOf(hub: TestHub, clock: LeapingClock): Promise<{ node: string; copies: WireJson[] }> {
    const { node, link } = await hub.connected();
    await hub.hub.publish({
      ...updateOf(node, "7"),
      operation: "response",
      parentId: "a-query-long-forgotten",
    });
    const copies = [await link.next()];
    for (const pauseMs of [5_100, 10_100, 20_100, 29_000, 29_000]) {
      copies.push(...(await beat(link)));
      await clock.leap(pauseMs);
    }
    copies.push(...(await beat(link)));
    return { node, copies };
  }

  it("is sent again for a minute only: nobody waits for it any longer", async () => {
    const clock = new LeapingClock();
    const started = await hubForTest({}, { clock });
    const { node, copies } = await copiesOf(started, clock);
    expect(copies).toHaveLength(4);
    expect(await started.hub.where({ node })).toMatchObject([{ state: "expired" }]);
  });

  it("is remembered with the number of times it was sent", async () => {
    const clock = new LeapingClock();
    const started = await hubForTest({}, { clock });
    const { node, copies } = await copiesOf(started, clock);
    expect(await started.hub.where({ node })).toMatchObject([{ sends: copies.length }]);
  });
});

describe("a link that passes nothing and stays open", () => {
  const conversation = messagesOf(readCapture("d-offline-half-open"));
  const onOldLink = conversation.filter(({ connection }) => connection === 2);
  const onNewLink = conversation.filter(({ connection }) => connection === 3);
  const [pushed] = messagesOf(onOldLink, "cloud") as [RecordedMessage];

  it("is ended after 30 s without a keepalive, whatever else the edge has said", async () => {
    const clock = new LeapingClock();
    const { hub, node, link } = await (await hubForTest({}, { clock })).connected();
    const presence = new Consumer(hub, { nodes: [node], operations: [], presence: true });
    await beat(link);
    await clock.leap(29_000);
    expect(await link.sentSoFar()).toEqual([]);
    await clock.leap(1_500);
    expect(await link.ended()).toMatchObject({ by: "bare" });
    expect((await presence.take(2)).map(({ operation }) => operation)).toEqual(["connected", "disconnected"]);
  });

  it("lasts as long as keepalives come in time", async () => {
    const clock = new LeapingClock();
    const { link } = await (await hubForTest({}, { clock })).connected();
    for (let i = 0; i < 4; i++) {
      await beat(link);
      await clock.leap(29_000);
    }
    expect(await link.sentSoFar()).toEqual([]);
  });

  it("loses nothing: what it did not pass goes over the next link, where late acks of old sends may come first", async () => {
    const clock = new LeapingClock();
    const { hub, node, edge, link } = await (await hubForTest({}, { clock })).connected();
    link.freeze();
    const settled = hub.publish(draftOf(node, pushed), { until: "acked" });
    await eventually(() => hub.where({ node })).toMatchObject([{ sends: 1 }]);
    await clock.leap(31_000);
    link.thaw();
    // As recorded: the copies that were under way arrive before the end does.
    for (let i = 0; i < 3; i++) expectAsRecorded(await link.nextText(), pushed);
    expect(await link.ended()).toMatchObject({ by: "bare" });
    const next = await connect(edge);
    expectAsRecorded(await next.nextText(), pushed);
    for (const { bytes } of messagesOf(onNewLink, "edge").slice(0, 5)) next.sendBytes(bytes);
    await settled;
    expect(await next.sentSoFar()).toEqual([]);
    expect(await hub.checkpoint(node, "default/configmap/cmh")).toMatchObject({ version: "258" });
  });
});

describe("a connection that is reset", () => {
  it("is followed by the newest versions only, and by every deletion", async () => {
    const { hub, node, edge, link } = await world.connected();
    const presence = new Consumer(hub, { nodes: [node], operations: [], presence: true });
    await presence.next();
    link.reset();
    expect(await presence.next()).toMatchObject({ operation: "disconnected" });
    const conversation = messagesOf(readCapture("d-offline-connection-reset"));
    const offline = messagesOf(conversation, "cloud").slice(0, 6);
    for (const recorded of offline) {
      const draft = draftOf(node, recorded);
      if (draft.resourceVersion !== undefined)
        await hub.publish({ ...draft, id: `older-${draft.id}`, resourceVersion: "400" });
      await hub.publish(draft);
    }
    const next = await connect(edge);
    for (const { message } of offline) {
      const { timestamp, ...header } = message.header;
      expect(await next.next()).toMatchObject({ ...message, header });
    }
    for (const { bytes } of messagesOf(conversation, "edge").slice(0, 9)) next.sendBytes(bytes);
    await eventually(() => hub.where({ node, state: "accepted" })).toEqual([]);
    expect(await next.sentSoFar()).toEqual([]);
  });

  it("brings what the edge had to say meanwhile after its reconnect", async () => {
    const { hub, node, edge, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node] });
    link.reset();
    const next = await connect(edge);
    const said = messagesOf(readCapture("d-offline-connection-reset"), "edge").slice(0, 3);
    for (const { bytes } of said) next.sendBytes(bytes);
    const expected = said.filter(isForControllers).map((one) => viewOfRecorded(node, one));
    expect(await consumer.take(expected.length)).toEqual(expected);
  });
});

it("hands on nothing of a message in whose middle the connection ends", async () => {
  const { hub, node, edge, link } = await world.connected();
  const consumer = new Consumer(hub, { nodes: [node] });
  const query = (msg_id: string) => ({
    header: { ...newHeader(), msg_id },
    route: { source: "edged", group: "meta", operation: "query", resource: "default/configmap/limits" },
    content: null,
  });
  const half = Buffer.from(JSON.stringify(query("half")));
  link.sendFrame({ payload: half, fin: false });
  link.reset();
  (await connect(edge)).send(query("whole"));
  expect(await consumer.next()).toMatchObject({ id: "whole" });
});

describe("an edge that restarts", () => {
  it("may send a message without anything in it when it stops, and goes on under its identity", async () => {
    const { hub, node, edge, link } = await world.connected();
    const presence = new Consumer(hub, { nodes: [node], operations: [], presence: true });
    const ignored = await world.growthOf("hub_frames_ignored_total");
    const conversation = messagesOf(readCapture("d-edgecore-restart"));
    const [empty, ...afterwards] = conversation as [RecordedMessage, ...RecordedMessage[]];
    expect(empty.text).toBe('{"header":{"msg_id":"","timestamp":0},"route":{},"content":null}\n');
    link.sendBytes(empty.bytes);
    expect(await link.sentSoFar()).toEqual([]);
    expect(await ignored()).toBe(1);
    link.end();
    expect((await presence.take(2)).map(({ operation }) => operation)).toEqual(["connected", "disconnected"]);
    await replay({ hub, node, edge, link: await connect(edge) }, afterwards);
    expect(await presence.next()).toMatchObject({ operation: "connected" });
    expect(await hub.checkpoint(node, "default/configmap/cmr")).toMatchObject({
      version: "293",
      deleted: true,
    });
  });
});

describe("a node that connects twice", () => {
  it("is served over the newest link; the older one is closed and told why", async () => {
    const { hub, node, edge, link: older } = await world.connected();
    const newer = await connect(edge);
    expect(await older.ended()).toEqual({
      by: "frame",
      code: 4000,
      text: "E_REPLACED: a newer connection of this node took over",
    });
    const settled = hub.publish(updateOf(node, "1"), { until: "acked" });
    newer.send(ackOf(await newer.next()));
    await settled;
  });

  it("stays connected for controllers, whatever becomes of the older link", async () => {
    const { hub, node, edge, link: older } = await world.connected();
    const presence = new Consumer(hub, { nodes: [node], operations: [], presence: true });
    older.ignoreControlFrames();
    const newer = await connect(edge);
    older.reset();
    await older.ended();
    expect(await newer.sentSoFar()).toEqual([]);
    expect(await connectedNodes()).toContain(node);
    newer.end();
    expect((await presence.take(2)).map(({ operation }) => operation)).toEqual(["connected", "disconnected"]);
  });

  it("takes acks for what the older link had sent", async () => {
    const { hub, node, edge, link: older } = await world.connected();
    const settled = hub.publish(updateOf(node, "1"), { until: "acked" });
    const sent = await older.next();
    const newer = await connect(edge);
    expect(await newer.next()).toEqual(sent);
    newer.send(ackOf(sent));
    await settled;
  });
});

describe("a node that is removed", () => {
  it("is cut off, is not let in again with its old certificate, and begins anew when it joins again", async () => {
    const { hub, node, edge, link } = await world.connected();
    const refused = await world.growthOf('hub_connections_refused_total{port="nodes",code="E_REVOKED"}');
    await hub.publish(updateOf(node, "1"));
    await hub.admin.removeNode(node);
    expect(await link.ended()).toMatchObject({ text: expect.stringMatching(/^E_REVOKED: /) });
    await expect(connect(edge)).rejects.toThrow("refused: 403 E_REVOKED");
    expect(await refused()).toBe(1);
    await hub.admin.addNode(node);
    const again = await world.connected(node);
    await replay(again, messagesOf(readCapture("h-node-delete")));
    expect(await hub.resources({ node })).toHaveLength(5);
  });
});

/** The hub reads a heartbeat. @returns What it had sent by then. */
function beat(link: RawWebSocket): Promise<WireJson[]> {
  link.send(keepalive());
  return link.sentSoFar();
}

const updateOf = (node: string, resourceVersion: string) => ({
  node,
  resource: "default/configmap/limits",
  operation: "update",
  resourceVersion,
  content: { kind: "ConfigMap", apiVersion: "v1", metadata: { name: "limits", namespace: "default" } },
});

async function connectedNodes(): Promise<string[]> {
  return (await world.hub.nodes()).filter(({ connected }) => connected).map(({ node }) => node);
}
