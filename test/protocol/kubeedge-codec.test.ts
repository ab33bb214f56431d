import { beforeEach, describe, expect, it, test } from "vitest";
import type { LinkCodec } from "../../protocol/codec.ts";
import { event, state } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import { KubeEdgeCloudCodec, KubeEdgeEdgeCodec, type Stamp } from "../../protocol/kubeedge-codec.ts";
import { readText } from "../../protocol/kubeedge-text.ts";
import type { Message } from "../../protocol/message.ts";
import { aMessage, edge1, inOutbox, messageOf, oneFrame, plainMessage } from "./messages.ts";
import { captureNamed, vectorNamed, vectors } from "./vectors.ts";

const limits = { maxMessageBytes: 1 << 20 };
const fixedStamp: Stamp = { newId: () => "new-id", wallTime: () => 1_700_000_000_999 };

/** Stamps an answer as a recorded text is stamped, so that the two can be compared byte by byte. */
function stampOf(text: string): Stamp {
  const { header } = JSON.parse(text);
  return { newId: () => header.msg_id, wallTime: () => header.timestamp };
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof HubError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

/** A text as a peer may write it. */
function text(header: object, route: object, content: unknown = null): string {
  return `${JSON.stringify({ header: { msg_id: "m", timestamp: 1, ...header }, route, content })}\n`;
}

const downstream = vectors.websocket.captures.filter(({ direction }) => direction === "cloud->edge");
const upstream = vectors.websocket.captures.filter(({ direction }) => direction === "edge->cloud");
/** Recorded acks with the recorded message that each names. */
const acked = upstream.flatMap((ack) => {
  const { parent_msg_id: parent } = JSON.parse(ack.text).header;
  const message = downstream.find((one) => JSON.parse(one.text).header.msg_id === parent);
  return message && ack.name.endsWith("-ack")
    ? [{ name: ack.name, ack: ack.text, message: message.text }]
    : [];
});

describe("the cloud's side of a link to a stock edge", () => {
  let codec: KubeEdgeCloudCodec;

  beforeEach(() => {
    codec = new KubeEdgeCloudCodec(edge1, fixedStamp, limits);
  });

  it("sends one text per message and neither sends nor gives acks of what comes up", () => {
    expect(codec).toMatchObject({ dialect: "kubeedge", joinable: false, acknowledges: false });
    const asAny: LinkCodec = codec;
    const received = { position: 1, message: aMessage() };
    expect(asAny.acks([received], [])).toEqual([]);
    expect(asAny.nack(received, { code: "E_INTERNAL", text: "", retryable: true })).toEqual([]);
    expect(asAny.control({ type: "ping" })).toEqual([]);
  });

  test.each(downstream)("sends the recorded $name as cloudcore did", ({ text }) => {
    expect(textOf(codec.message(inOutbox(messageOf(text))))).toBe(text);
    expect(textOf(codec.volatile(messageOf(text)))).toBe(text);
  });

  it("has twelve recorded acks to compare with", () => {
    expect(acked).toHaveLength(12);
  });

  test.each(acked)("knows the recorded $name as the ack of its message, once", ({ ack, message }) => {
    codec.message(inOutbox(messageOf(message), 7));
    expect(oneFrame(codec, ack)).toEqual({ type: "ack", positions: [7], receipts: [] });
    expect(oneFrame(codec, ack)).toEqual({ type: "ignored", why: "late-ack" });
  });

  it("takes any response that names the message as its ack, whatever else it says", () => {
    codec.message(inOutbox(aMessage({ id: "x" }), 3));
    const bare = text({ parent_msg_id: "x" }, { operation: "response" });
    expect(oneFrame(codec, bare)).toEqual({ type: "ack", positions: [3], receipts: [] });
  });

  it("ignores acks of answers that need none, and of messages it does not know", () => {
    const answer = aMessage({
      id: "a",
      parentId: "q",
      operation: "response",
      resource: "default/podstatus/p",
      content: "OK",
    });
    codec.message(inOutbox(answer));
    for (const parent of ["a", "unknown", ""])
      expect(
        oneFrame(codec, text({ parent_msg_id: parent }, { operation: "response", group: "resource" })),
      ).toEqual({
        type: "ignored",
        why: "late-ack",
      });
  });

  it("ignores the ack of a message it was told to forget", () => {
    codec.message(inOutbox(aMessage({ id: "x" }), 3));
    codec.forget(3);
    expect(codec.expectsAck(inOutbox(aMessage({ id: "x" }), 3))).toBe(false);
    expect(oneFrame(codec, text({ parent_msg_id: "x" }, { operation: "response" }))).toMatchObject({
      why: "late-ack",
    });
  });

  it("gives the ack to the newest of two messages with the same id", () => {
    codec.message(inOutbox(aMessage({ id: "x" }), 3));
    codec.message(inOutbox(aMessage({ id: "x" }), 4));
    codec.forget(3);
    expect(oneFrame(codec, text({ parent_msg_id: "x" }, { operation: "response" }))).toMatchObject({
      positions: [4],
    });
  });

  it("knows the ack of a message that was sent again", () => {
    const item = inOutbox(aMessage({ id: "x" }), 3);
    expect(textOf(codec.message(item))).toBe(textOf(codec.message(item)));
    expect(oneFrame(codec, text({ parent_msg_id: "x" }, { operation: "response" }))).toMatchObject({
      positions: [3],
    });
  });

  it("takes an error about a message as a refusal that may pass, with the edge's words", () => {
    codec.message(inOutbox(aMessage({ id: "11111111-1111-4111-8111-111111111111" }), 5));
    const refusal = {
      type: "nack",
      position: 5,
      code: "E_REFUSED",
      text: "insert or update meta failed, database is locked",
      retryable: true,
    };
    expect(oneFrame(codec, vectorNamed("error-response").wsText as string)).toEqual(refusal);
    expect(oneFrame(codec, vectorNamed("ack-ok").wsText as string)).toMatchObject({
      type: "ack",
      positions: [5],
    });
  });

  it("shows an error whose content is no string as it came, cut at 500 characters", () => {
    codec.message(inOutbox(aMessage({ id: "x" }), 5));
    const frame = oneFrame(
      codec,
      text({ parent_msg_id: "x" }, { operation: "error" }, { a: "b".repeat(600) }),
    );
    expect(frame).toMatchObject({ text: `{"a":"${"b".repeat(494)}` });
  });

  it("ignores an error about anything else", () => {
    expect(oneFrame(codec, text({ parent_msg_id: "x" }, { operation: "error" }, "text"))).toEqual({
      type: "ignored",
      why: "stray-error",
    });
  });

  it("hears a keepalive and nothing else as a sign of life", () => {
    expect(oneFrame(codec, captureNamed("keepalive").text)).toEqual({ type: "ping" });
    expect(oneFrame(codec, text({}, { operation: "keepalive" }))).toEqual({ type: "ping" });
    expect(oneFrame(codec, captureNamed("membership-detail").text)).toMatchObject({ type: "message" });
  });

  test.each(upstream.filter(({ name }) => !/-ack$|^keepalive$/.test(name)))(
    "hands up the recorded $name, expecting no ack",
    ({ text }) => {
      const frame = oneFrame(codec, text);
      expect(frame).toMatchObject({ type: "message", position: 0, resume: false });
      if (frame.type === "message")
        expect(plainMessage(frame.message)).toEqual(plainMessage(messageOf(text)));
    },
  );

  it("hands up answers to volume calls, though they are responses or errors", () => {
    for (const operation of ["response", "error"])
      for (const resource of ["default/volume/abc", "a-b.c+d/volume/x/more"])
        expect(
          oneFrame(codec, text({ parent_msg_id: "v1" }, { operation, resource, source: "cloudhub" })),
        ).toMatchObject({
          type: "message",
          message: { operation, parentId: "v1", resource: { path: resource } },
        });
  });

  it("takes the ack of an object that only looks like a volume call", () => {
    codec.message(inOutbox(aMessage({ id: "x", resource: "default/volume/abc" }), 2));
    const ack = text({ parent_msg_id: "x" }, { operation: "response", resource: "default/volume/abc" });
    expect(oneFrame(codec, ack)).toMatchObject({ type: "ack", positions: [2] });
  });

  it("hands up ServiceBus's report of a failed call, which has no operation", () => {
    const report = text(
      { parent_msg_id: "request" },
      { source: "servicebus", group: "user" },
      { status_code: 404 },
    );
    expect(oneFrame(codec, report)).toMatchObject({
      type: "message",
      message: { operation: "upload", parentId: "request", source: "servicebus", resource: { path: "" } },
    });
  });

  it("has no use for any other message without an operation", () => {
    for (const [header, route] of [
      [{}, { group: "user" }],
      [{ parent_msg_id: "p" }, { group: "resource" }],
    ] as const)
      expect(oneFrame(codec, text(header, route))).toMatchObject({
        type: "unusable",
        error: { code: "E_BAD_OPERATION" },
      });
  });

  it("sends updates of unknown sources as edgecontroller's: an edge is silent about others", () => {
    const sourceOf = (message: Message): string => {
      const { source } = readText(codec.message(inOutbox(message)));
      expect(readText(codec.volatile(message)).source).toBe(source);
      return source;
    };
    for (const group of ["resource", "func"])
      expect(sourceOf(aMessage({ source: "my-controller", group }))).toBe("edgecontroller");
    for (const source of ["edgecontroller", "dynamiccontroller", "devicecontroller", "policycontroller"])
      expect(sourceOf(aMessage({ source }))).toBe(source);
    for (const operation of ["insert", "delete"])
      expect(sourceOf(aMessage({ source: "my-controller", operation }))).toBe("my-controller");
    expect(sourceOf(aMessage({ source: "router_eventbus", group: "user" }))).toBe("router_eventbus");
    expect(sourceOf(aMessage({ source: "metaserver", parentId: "p", delivery: event() }))).toBe("metaserver");
  });

  describe("expects an ack", () => {
    let position = 0;

    function expectsAck(message: Message): boolean {
      const item = inOutbox(message, ++position);
      codec.message(item);
      return codec.expectsAck(item);
    }

    it.each(["insert", "update", "delete"])("of an object's %s, whoever sent it", (operation) => {
      for (const source of ["edgecontroller", "devicecontroller", "my-controller"])
        for (const group of ["resource", "func"])
          expect(expectsAck(aMessage({ operation, source, group, delivery: state }))).toBe(true);
    });

    it("of an object that its publisher wants to be sure of, though KubeEdge itself would not wait", () => {
      expect(expectsAck(aMessage({ resource: "null/node/edge-1", delivery: state }))).toBe(true);
    });

    it("of the answer to a query, if it carries the object", () => {
      const answer = { parentId: "q", operation: "response", resource: "default/configmap/cm" };
      expect(expectsAck(aMessage({ ...answer, content: { kind: "ConfigMap" } }))).toBe(true);
      expect(expectsAck(aMessage({ ...answer, content: "OK" }))).toBe(false);
      expect(expectsAck(aMessage({ ...answer, content: { ErrStatus: { code: 404 } } }))).toBe(false);
    });

    it.each([
      ["of a push that looks like an answer", { parentId: "p", delivery: event() }],
      ["of a query", { operation: "query" }],
      ["of an answer to nobody", { operation: "response" }],
      ["of a rule's message", { group: "user", source: "router_eventbus", operation: "publish" }],
      ["of a device list", { group: "twin", source: "devicecontroller", resource: "membership" }],
      ["of a volume call", { operation: "createvolume", resource: "default/volume/v" }],
      ["of a node task", { group: "taskmanager", source: "taskmanager", operation: "upgrade" }],
    ])("but not %s", (_, draft) => {
      expect(expectsAck(aMessage({ delivery: state, ...draft }))).toBe(false);
    });

    it("of nothing that was not sent", () => {
      expect(codec.expectsAck(inOutbox(aMessage(), 1))).toBe(false);
    });
  });

  it("refuses to send a patch: the edge would send it back", () => {
    for (const group of ["resource", "func"]) {
      const patch = aMessage({ operation: "patch", group, content: "{}" });
      expect(codeOf(() => codec.message(inOutbox(patch)))).toBe("E_BAD_MESSAGE");
      expect(codeOf(() => codec.volatile(patch))).toBe("E_BAD_MESSAGE");
    }
    expect(codeOf(() => codec.volatile(aMessage({ operation: "patch", group: "user" })))).toBe(
      "nothing thrown",
    );
  });

  it("refuses to send content that is no JSON: the edge would close the link, again and again", () => {
    for (const content of ["{", "{} {}", '{"a":1}}', "\ufeff{}", "nothing"]) {
      const item = inOutbox(aMessage({ content: Buffer.from(content) }), 6);
      expect(
        codeOf(() => codec.message(item)),
        content,
      ).toBe("E_BAD_MESSAGE");
      expect(codec.expectsAck(item)).toBe(false);
      expect(codeOf(() => codec.volatile(aMessage({ content: Buffer.from(content) })))).toBe("E_BAD_MESSAGE");
    }
  });
});

describe("the edge's side of a link to a stock cloud", () => {
  let codec: KubeEdgeEdgeCodec;

  beforeEach(() => {
    codec = new KubeEdgeEdgeCodec(edge1, fixedStamp, limits);
  });

  it("sends one text per message, gives acks and expects none", () => {
    expect(codec).toMatchObject({ dialect: "kubeedge", joinable: false, acknowledges: true });
    expect(codec.expectsAck()).toBe(false);
  });

  test.each(upstream)("sends the recorded $name as edgecore did", ({ text }) => {
    expect(textOf(codec.message(inOutbox(messageOf(text))))).toBe(text);
    expect(textOf(codec.volatile(messageOf(text)))).toBe(text);
  });

  it("sends the heartbeat that edgecore sends", () => {
    const { text } = captureNamed("keepalive");
    const beating = new KubeEdgeEdgeCodec(edge1, stampOf(text), limits);
    expect(beating.control({ type: "ping" }).map(textOf)).toEqual([text]);
    expect(beating.control({ type: "bye", code: "E_CLOSED", text: "" })).toEqual([]);
  });

  test.each(downstream)("hands over the recorded $name", ({ text }) => {
    const frame = oneFrame(codec, text);
    expect(frame).toMatchObject({ type: "message", position: 1, resume: false });
    if (frame.type === "message") expect(plainMessage(frame.message)).toEqual(plainMessage(messageOf(text)));
  });

  it("numbers what comes down, so that each one can be acked", () => {
    const { text } = captureNamed("pod-insert");
    expect([1, 2, 3].map(() => oneFrame(codec, text))).toMatchObject([
      { position: 1 },
      { position: 2 },
      { position: 3 },
    ]);
  });

  test.each(acked)("writes the recorded $name byte for byte", ({ ack, message }) => {
    const answering = new KubeEdgeEdgeCodec(edge1, stampOf(ack), limits);
    expect(answering.acks([{ position: 1, message: messageOf(message) }], []).map(textOf)).toEqual([ack]);
  });

  it("writes one ack per message, in order", () => {
    const received = ["a", "b", "c"].map((id, i) => ({ position: i + 1, message: aMessage({ id }) }));
    const parents = codec.acks(received, []).map((ack) => readText(ack).parentId);
    expect(parents).toEqual(["a", "b", "c"]);
  });

  it.each([
    ["edgecontroller", "insert", "edgecontroller", "resource"],
    ["edgecontroller", "update", "edgecontroller", "resource"],
    ["dynamiccontroller", "delete", "dynamiccontroller", "resource"],
    ["policycontroller", "insert", "policycontroller", "resource"],
    ["devicecontroller", "insert", "meta", "twin"],
    ["devicecontroller", "update", "devicecontroller", "resource"],
    ["devicecontroller", "delete", "meta", "twin"],
  ])("acks %s's %s with source %s and group %s", (source, operation, ackSource, ackGroup) => {
    const message = aMessage({ id: "x", source, operation, resource: "default/device/d1" });
    const [ack] = codec.acks([{ position: 1, message }], []);
    expect(JSON.parse(textOf(ack as Uint8Array))).toEqual({
      header: { msg_id: "new-id", parent_msg_id: "x", timestamp: 1_700_000_000_999 },
      route: { source: ackSource, group: ackGroup, operation: "response", resource: "default/device/d1" },
      content: "OK",
    });
  });

  it("acks the answers to its queries too", () => {
    const { text } = captureNamed("configmap-query-reply");
    const [ack] = codec.acks([{ position: 1, message: messageOf(text) }], []);
    expect(readText(ack as Uint8Array)).toMatchObject({
      parentId: JSON.parse(text).header.msg_id,
      source: "edgecontroller",
      group: "resource",
      operation: "response",
      resource: "default/configmap/cm2",
    });
  });

  it.each([
    ["membership-added", "a device list"],
    ["application-get-approved", "an answer of the dynamic controller"],
    ["csi-createvolume", "a volume call"],
  ])("says nothing about the recorded %s: %s", (name) => {
    const received = { position: 1, message: messageOf(captureNamed(name).text) };
    expect(codec.acks([received], [])).toEqual([]);
    expect(codec.nack(received, { code: "E_INTERNAL", text: "x", retryable: true })).toEqual([]);
  });

  it("reports a failure as MetaManager does", () => {
    const text = vectorNamed("error-response").wsText as string;
    const failing = new KubeEdgeEdgeCodec(edge1, stampOf(text), limits);
    const received = { position: 1, message: aMessage({ id: "11111111-1111-4111-8111-111111111111" }) };
    const refusal = {
      code: "E_STORAGE" as const,
      text: "insert or update meta failed, database is locked",
      retryable: true,
    };
    expect(failing.nack(received, refusal).map(textOf)).toEqual([text]);
  });

  it("reports a failure in words that Go would write the same way", () => {
    const received = { position: 1, message: aMessage() };
    const [error] = codec.nack(received, { code: "E_STORAGE", text: "<a> \ud800", retryable: true });
    expect(textOf(error as Uint8Array)).toContain('"content":"\\u003ca\\u003e \ufffd"');
  });
});

describe.each([
  ["the cloud's side", () => new KubeEdgeCloudCodec(edge1, fixedStamp, limits)],
  ["the edge's side", () => new KubeEdgeEdgeCodec(edge1, fixedStamp, limits)],
])("%s", (_, open) => {
  it.each(["ping", "pong", "config"])("answers the transport's %s at once, as viaduct does", (operation) => {
    const route = { source: "s", group: "g", resource: "r" };
    const frame = oneFrame(
      open(),
      text({ msg_id: "x", type: "channel" }, { ...route, operation, destination: "d" }),
    );
    expect(frame.type).toBe("answer");
    if (frame.type !== "answer") return;
    expect(JSON.parse(textOf(frame.bytes))).toEqual({
      header: { msg_id: "new-id", parent_msg_id: "x", timestamp: 1_700_000_000_999, type: "channel" },
      route: { ...route, operation: "response" },
      content: "ack",
    });
  });

  it("hands over a header operation: on a WebSocket the transport does not take it", () => {
    expect(oneFrame(open(), text({}, { operation: "header" }))).toMatchObject({ type: "message" });
  });

  it.each([vectorNamed("empty-message").wsText as string, "{}", "null"])(
    "ignores the empty message that an edge sends when it stops: %j",
    (empty) => expect(oneFrame(open(), empty)).toEqual({ type: "ignored", why: "empty-message" }),
  );

  it.each([
    ["an operation nobody knows", {}, { operation: "frobnicate" }, "E_BAD_OPERATION"],
    ["a version that is no number", { resourceversion: "v1" }, {}, "E_BAD_VERSION"],
    ["a version beyond 64 bits", { resourceversion: "18446744073709551616" }, {}, "E_BAD_VERSION"],
    ["a resource that is too long", {}, { resource: "x".repeat(1025) }, "E_BAD_RESOURCE"],
    ["a resource with control characters", {}, { resource: "a\u0000b" }, "E_BAD_RESOURCE"],
    ["no id", { msg_id: "" }, {}, "E_BAD_MESSAGE"],
    ["an id that is too long", { msg_id: "x".repeat(129) }, {}, "E_BAD_MESSAGE"],
    ["a parent id that is too long", { parent_msg_id: "x".repeat(129) }, {}, "E_BAD_MESSAGE"],
    ["a source that is too long", {}, { source: "x".repeat(129) }, "E_BAD_MESSAGE"],
    ["a group that is too long", {}, { group: "x".repeat(129) }, "E_BAD_MESSAGE"],
  ])("keeps the link when a message has %s", (_, header, route, code) => {
    const codec = open();
    const odd = text(header, { operation: "update", group: "resource", resource: "default/pod/p", ...route });
    expect(oneFrame(codec, odd)).toMatchObject({ type: "unusable", error: { code } });
    expect(oneFrame(codec, text({}, { operation: "update", resource: "a" }))).toMatchObject({
      type: "message",
    });
  });

  it.each(["", "{", "[]", '{"header":{"timestamp":1.5}}'])("ends the link for %j", (odd) => {
    expect(codeOf(() => open().push(Buffer.from(odd)))).toBe("E_BAD_FRAME");
  });

  it("ends the link for a text beyond the limit, and takes one of exactly the limit", () => {
    const exactly = text({}, { operation: "update" }, "").length;
    const content = "x".repeat(limits.maxMessageBytes - exactly);
    expect(oneFrame(open(), text({}, { operation: "update" }, content))).toMatchObject({ type: "message" });
    expect(codeOf(() => open().push(Buffer.from(text({}, { operation: "update" }, `${content}x`))))).toBe(
      "E_TOO_LARGE",
    );
  });

  it("decides the delivery of a message by KubeEdge's rules", () => {
    const deliveryOf = (route: object): unknown => {
      const frame = oneFrame(
        open(),
        text({}, { source: "s", group: "resource", resource: "default/pod/p", ...route }),
      );
      return frame.type === "message" ? frame.message.delivery.kind : frame.type;
    };
    expect(deliveryOf({ operation: "update" })).toBe("state");
    expect(deliveryOf({ operation: "update", group: "user" })).toBe("volatile");
    expect(deliveryOf({ operation: "upload", group: "twin" })).toBe("event");
  });
});

describe("one side's text", () => {
  it("is the other side's frame: a message down, its ack up", () => {
    const cloud = new KubeEdgeCloudCodec(edge1, fixedStamp, limits);
    const edge = new KubeEdgeEdgeCodec(edge1, fixedStamp, limits);
    const frame = oneFrame(edge, cloud.message(inOutbox(aMessage({ id: "x" }), 12)));
    if (frame.type !== "message") throw new Error(frame.type);
    const [ack] = edge.acks([{ position: frame.position, message: frame.message }], []);
    expect(oneFrame(cloud, ack as Uint8Array)).toEqual({ type: "ack", positions: [12], receipts: [] });
  });

  it("is the other side's frame: a message down, its refusal up, the message again, its ack up", () => {
    const cloud = new KubeEdgeCloudCodec(edge1, fixedStamp, limits);
    const edge = new KubeEdgeEdgeCodec(edge1, fixedStamp, limits);
    const item = inOutbox(aMessage({ id: "x" }), 12);
    const received = { position: 1, message: aMessage({ id: "x" }) };
    cloud.message(item);
    const [error] = edge.nack(received, { code: "E_STORAGE_FULL", text: "full", retryable: true });
    expect(oneFrame(cloud, error as Uint8Array)).toMatchObject({ type: "nack", position: 12, text: "full" });
    cloud.forget(12);
    cloud.message(item);
    const [ack] = edge.acks([received], []);
    expect(oneFrame(cloud, ack as Uint8Array)).toMatchObject({ type: "ack", positions: [12] });
  });

  it("is the other side's frame: a heartbeat", () => {
    const [beat] = new KubeEdgeEdgeCodec(edge1, fixedStamp, limits).control({ type: "ping" });
    expect(oneFrame(new KubeEdgeCloudCodec(edge1, fixedStamp, limits), beat as Uint8Array)).toEqual({
      type: "ping",
    });
  });
});
