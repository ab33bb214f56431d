import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { viewOf } from "../../protocol/index.ts";
import { messagesOf, type RecordedHead, type RecordedMessage, readCapture } from "./capture.ts";
import { Consumer, draftOf, expectAsRecorded, isForControllers, replay, viewOfRecorded } from "./replay.ts";
import { upgrade, upgradeLines } from "./stock-edge.ts";
import { TestHub } from "./test-hub.ts";
import { ackOf, newHeader } from "./wire-json.ts";

/** The recorded edge, played against our hub while the link is good. */

let world: TestHub;
beforeAll(async () => {
  world = await TestHub.start();
});
afterAll(() => world.close());

describe("a stock edge that opens its link", () => {
  it("gets the four lines that cloudcore answers, and no more", async () => {
    const { node, port, credentials } = await world.join();
    const heads = readCapture("a-join-edged-disabled").filter((one) => one.kind === "head");
    const [asked, answered] = heads as [RecordedHead, RecordedHead];
    const lines = asked.lines.map((line) => line.replace("edge-a", node));
    expect((await upgrade(port, credentials, lines)).lines).toEqual(answered.lines);
  });

  it.each([
    ["TLS 1.3", { minVersion: "TLSv1.3" }],
    [
      "TLS 1.2 and the one cipher suite that KubeEdge leaves it",
      { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    ],
  ] as const)("may do so over %s", async (_name, tls) => {
    const { port, node, credentials } = await world.join();
    expect(await upgrade(port, { ...credentials, ...tls }, upgradeLines(node, port))).toMatchObject({
      status: 101,
    });
  });

  it("hears nothing while nothing is for it, and no acks", async () => {
    const at = await world.connected();
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    const conversation = messagesOf(readCapture("a-join-edged-disabled"));
    await replay(at, conversation);
    const sent = conversation.filter(isForControllers);
    expect(sent.map(({ message }) => message.route.resource)).toEqual(["membership/detail"]);
    expect(await consumer.take(sent.length)).toEqual(sent.map((one) => viewOfRecorded(at.node, one)));
    expect(await at.link.sentSoFar()).toEqual([]);
  });

  it("hears texts only: no pings, no close frames, nothing masked", async () => {
    const at = await world.connected();
    await replay(at, messagesOf(readCapture("c-crud")));
    await at.link.sentSoFar();
    const kinds = at.link.frames.map(({ opcode, isMasked }) => ({ opcode, isMasked }));
    expect(new Set(kinds.map((kind) => JSON.stringify(kind)))).toEqual(
      new Set([JSON.stringify({ opcode: 1, isMasked: false })]),
    );
  });
});

describe("what the recorded cloud sent", () => {
  it("goes to the edge byte for byte when it is published, and the recorded acks settle it", async () => {
    const at = await world.connected();
    const conversation = messagesOf(readCapture("c-crud"));
    await replay(at, conversation);
    const entries = await at.hub.where({ node: at.node });
    expect(entries.map(({ id, state, sends }) => ({ id, state, sends })).reverse()).toEqual(
      messagesOf(conversation, "cloud").map(({ message }) => ({
        id: message.header.msg_id,
        state: "persisted",
        sends: 1,
      })),
    );
    expect(await checkpoints(at.node)).toEqual({
      "default/configmap/cm1": "159 deleted",
      "default/pod/p1": "167 deleted",
      "default/pod/pn": "172",
      "default/secret/s1": "162 deleted",
    });
  });

  it("of a device is settled by acks of group twin in the name of meta, and the reports reach a controller", async () => {
    const at = await world.connected();
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    const conversation = messagesOf(readCapture("f-device"));
    await replay(at, conversation);
    const reports = conversation.filter(isForControllers);
    expect(await consumer.take(reports.length)).toEqual(reports.map((one) => viewOfRecorded(at.node, one)));
    expect(new Set(acksIn(conversation).map(({ message }) => message.route.group))).toContain("twin");
    expect(await checkpoints(at.node)).toEqual({
      "default/device/sensor-1": "364 deleted",
      "default/devicemodel/sensor-model": "348 deleted",
    });
  });

  it("of group user goes out once and waits for no ack, and the uploads reach a controller", async () => {
    const at = await world.connected();
    const consumer = new Consumer(at.hub, { nodes: [at.node], groups: ["user"] });
    const conversation = messagesOf(readCapture("e-router"));
    await replay(at, conversation);
    const uploads = conversation.filter(isForControllers);
    expect(await consumer.take(uploads.length)).toEqual(uploads.map((one) => viewOfRecorded(at.node, one)));
    expect(await at.hub.where({ node: at.node })).toEqual([]);
    expect(await at.link.sentSoFar()).toEqual([]);
  });

  it("to a service at the edge is answered by the edge's upload with its id as parent", async () => {
    const { hub, node, link } = await world.connected();
    const conversation = messagesOf(readCapture("e-router"));
    const called = conversation.find(({ message }) => message.route.operation === "POST") as RecordedMessage;
    const answered = conversation.find(
      ({ message }) => message.header.parent_msg_id === called.message.header.msg_id,
    ) as RecordedMessage;
    const answer = hub.request(draftOf(node, called), { timeoutMs: 10_000 });
    expectAsRecorded(await link.nextText(), called);
    link.sendBytes(answered.bytes);
    expect(viewOf(await answer)).toEqual(viewOfRecorded(node, answered));
  });

  it("in answer to a query goes out under the query's id, and acks of what needs none are ignored", async () => {
    const at = await world.connected();
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    const ignored = await world.growthOf("hub_frames_ignored_total");
    const conversation = messagesOf(readCapture("b-join-edged-enabled"));
    await replay(at, conversation);
    const queries = conversation.filter(isForControllers);
    expect(await consumer.take(queries.length)).toEqual(queries.map((one) => viewOfRecorded(at.node, one)));
    expect(await at.link.sentSoFar()).toEqual([]);
    expect(await ignored()).toBe(acksIn(conversation).length);
  });

  it("in the name of the dynamic controller is settled like any other object", async () => {
    const at = await world.connected();
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    const conversation = messagesOf(readCapture("g-metaserver"));
    await replay(at, conversation);
    const requests = conversation.filter(isForControllers);
    expect(await consumer.take(requests.length)).toEqual(requests.map((one) => viewOfRecorded(at.node, one)));
    expect(await checkpoints(at.node)).toMatchObject({ "default/configmap/cmm": "545 deleted" });
  });

  it("and is larger than Go's buffers goes out whole", async () => {
    const { hub, node, link } = await world.connected();
    for (const recorded of messagesOf(readCapture("b-pod-lifecycle-fragments"))) {
      expect(recorded.fragments.length).toBe(2);
      const settled = hub.publish(draftOf(node, recorded), { until: "acked" });
      expectAsRecorded(await link.nextText(), recorded);
      link.send(ackOf(recorded.message));
      await settled;
    }
  });

  it("goes out under an id of the hub's own if it is published without one, and the ack of that id counts", async () => {
    const { hub, node, link } = await world.connected();
    const [recorded] = messagesOf(readCapture("c-crud"), "cloud") as [RecordedMessage];
    const { id, ...draft } = draftOf(node, recorded);
    const settled = hub.publish(draft, { until: "acked" });
    const sent = await link.next();
    expect(sent.header.msg_id).not.toBe(id);
    link.send(ackOf(sent));
    expect((await settled).id).toBe(sent.header.msg_id);
  });
});

it("reads a message that the edge has cut into fragments, the last of them empty or not", async () => {
  const { hub, node, link } = await world.connected();
  const consumer = new Consumer(hub, { nodes: [node] });
  for (const length of [4_096, 10_192, 100_000]) {
    const route = { source: "edged", group: "meta", operation: "patch", resource: "default/podpatch/pb" };
    const patch = { header: newHeader(), route, content: "x".repeat(length) };
    link.send(patch);
    expect(await consumer.next()).toMatchObject({ id: patch.header.msg_id, content: patch.content });
  }
  const payload = Buffer.from(
    `${JSON.stringify({ header: newHeader(), route: { operation: "ping" }, content: null })}\n`,
  );
  link.sendFrame({ payload, fin: false });
  link.sendFrame({ payload: Buffer.alloc(0), opcode: 0 });
  expect(await link.next()).toMatchObject({ content: "ack" });
});

function acksIn(conversation: readonly RecordedMessage[]): RecordedMessage[] {
  return messagesOf(conversation, "edge").filter(({ message }) => message.route.operation === "response");
}

async function checkpoints(node: string): Promise<Record<string, string>> {
  const resources = await world.hub.resources({ node });
  return Object.fromEntries(
    resources.map(({ resource, checkpoint }) => [
      resource,
      `${checkpoint?.version}${checkpoint?.deleted ? " deleted" : ""}`,
    ]),
  );
}
