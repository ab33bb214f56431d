import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { event } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import type { Frame, StoredMessage } from "../../protocol/frame.ts";
import { type NodeId, requireMessageId } from "../../protocol/message.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import { newPackage, packageHeaderLength, packageOf, packWire } from "../../protocol/packed-codec.ts";
import { fromWire, type WireMessage } from "../../protocol/wire-message.ts";
import {
  controlFrames,
  deliveries,
  illFormedTexts,
  positions,
  receipts,
  refusals,
  runs,
  usableWires,
} from "./arbitraries.ts";
import { aMessage, edge1, inOutbox, oneFrame, plainMessage } from "./messages.ts";
import { vectorNamed, wireOf } from "./vectors.ts";

const limits = { maxMessageBytes: 1 << 20 };

function link(): { here: NativeCodec; there: NativeCodec } {
  return { here: new NativeCodec(edge1, limits), there: new NativeCodec(edge1, limits) };
}

function controllerLink(): { here: NativeCodec; there: NativeCodec } {
  return { here: new NativeCodec(undefined, limits), there: new NativeCodec(undefined, limits) };
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

/** A frame with bytes as text, for comparison. */
function plain(frame: Frame): unknown {
  const body = "body" in frame ? { body: Buffer.from(frame.body).toString("hex") } : {};
  return frame.type === "message"
    ? { ...frame, message: plainMessage(frame.message) }
    : { ...frame, ...body };
}

/** A message with fields that no codec of ours would write. */
function rawMessage(change: Partial<WireMessage>, tailHex = ""): Uint8Array {
  const wire = { ...wireOf(vectorNamed("pod-update-trimmed")), content: new Uint8Array(0), ...change };
  const packed = packWire(wire, { kind: "unknown", bytes: new Uint8Array(0) });
  return packageOf(Buffer.concat([packed, Buffer.from(tailHex, "hex")]), {
    position: 7,
    resume: false,
    node: undefined,
  });
}

/** A package of type 4 around the given bytes. */
function controlPackage(payloadHex: string): Uint8Array {
  const payload = Buffer.from(payloadHex, "hex");
  const bytes = newPackage(4, payload.length);
  bytes.set(payload, packageHeaderLength);
  return bytes;
}

describe("a native link", () => {
  it("joins frames, acks everything and expects acks of everything", () => {
    expect(link().here).toMatchObject({ dialect: "native", joinable: true, acknowledges: true });
    expect(link().here.expectsAck()).toBe(true);
  });

  it("carries a stored message as it is, with its position and the word to resume", () => {
    const stored = fc.record({
      wire: usableWires,
      delivery: deliveries,
      position: fc.maxSafeNat().map((n) => n || 1),
      resume: fc.boolean(),
    });
    fc.assert(
      fc.property(stored, ({ wire, delivery, position, resume }) => {
        const { here, there } = link();
        const message = fromWire(wire, edge1, { delivery });
        const frame = oneFrame(there, here.message(inOutbox(message, position), resume));
        expect(plain(frame)).toEqual({ type: "message", position, resume, message: plainContent(message) });
      }),
      runs(500),
    );
  });

  /** As packing leaves it: null is no content, a string is spelt as JSON.stringify does it. */
  function plainContent(message: Parameters<typeof plainMessage>[0]): object {
    const text = Buffer.from(message.content).toString();
    const content = text.startsWith('"') ? JSON.stringify(JSON.parse(text)) : text;
    return plainMessage({ ...message, content: Buffer.from(content) });
  }

  it("hands over a message in the packed form in which it came", () => {
    const { here, there } = link();
    const item = inOutbox(aMessage({ content: { a: 1 } }), 5);
    const frame = oneFrame(there, here.message(item, true));
    if (frame.type !== "message") throw new Error(frame.type);
    expect(Buffer.from(frame.message.packed as Uint8Array)).toEqual(Buffer.from(item.packed));
  });

  it("carries a volatile message with position 0", () => {
    const { here, there } = link();
    const message = aMessage({ delivery: { kind: "volatile" } });
    expect(plain(oneFrame(there, here.volatile(message)))).toEqual({
      type: "message",
      position: 0,
      resume: false,
      message: plainMessage(message),
    });
  });

  it("carries every control frame as it is", () => {
    fc.assert(
      fc.property(controlFrames, (frame) => {
        const { here, there } = link();
        const [bytes] = here.control(frame);
        expect(plain(oneFrame(there, bytes as Uint8Array))).toEqual(plain(frame));
      }),
      runs(1_000),
    );
  });

  it("carries acks with their receipts", () => {
    fc.assert(
      fc.property(positions, receipts, (acked, notes) => {
        const { here, there } = link();
        const received = acked.map((position) => ({ position, message: aMessage() }));
        const [bytes] = here.acks(received, notes);
        expect(oneFrame(there, bytes as Uint8Array)).toEqual({
          type: "ack",
          positions: [...acked].sort((a, b) => a - b),
          receipts: notes,
        });
      }),
      runs(500),
    );
  });

  it("acks a message once that was taken twice", () => {
    const { here, there } = link();
    const received = [7, 2, 7, 3, 2, 9].map((position) => ({ position, message: aMessage() }));
    const [bytes] = here.acks(received, []);
    expect(oneFrame(there, bytes as Uint8Array)).toMatchObject({ positions: [2, 3, 7, 9] });
  });

  it("carries refusals", () => {
    fc.assert(
      fc.property(refusals, fc.maxSafeNat(), (refusal, position) => {
        const { here, there } = link();
        const [bytes] = here.nack({ position, message: aMessage() }, refusal);
        expect(oneFrame(there, bytes as Uint8Array)).toEqual({ type: "nack", position, ...refusal });
      }),
      runs(500),
    );
  });

  it("carries any text, even one that UTF-8 cannot hold, without ending the link", () => {
    fc.assert(
      fc.property(illFormedTexts, (text) => {
        const { here, there } = link();
        const words = text.toWellFormed();
        const [nack] = here.nack(
          { position: 1, message: aMessage() },
          { code: "E_REFUSED", text, retryable: false },
        );
        expect(oneFrame(there, nack as Uint8Array)).toMatchObject({ text: words });
        const [bye] = here.control({ type: "bye", code: "E_CLOSED", text });
        expect(oneFrame(there, bye as Uint8Array)).toMatchObject({ text: words });
        const [call] = here.control({ type: "call", call: 1, method: text, body: new Uint8Array(0) });
        expect(oneFrame(there, call as Uint8Array)).toMatchObject({ method: words });
        const error = { code: "E_TIMEOUT" as const, text, retryable: true };
        const [reply] = here.control({ type: "reply", call: 1, error, body: new Uint8Array(0) });
        expect(oneFrame(there, reply as Uint8Array)).toMatchObject({ error: { text: words } });
        const message = aMessage({ id: `x${text}`.slice(0, 128), delivery: event() });
        expect(oneFrame(there, here.message(inOutbox(message), false))).toMatchObject({ type: "message" });
      }),
      runs(200),
    );
  });

  it("carries frames joined into one transport message, in order", () => {
    const { here, there } = link();
    const chunks = [
      ...here.control({ type: "ping" }),
      here.message(inOutbox(aMessage(), 1), false),
      ...here.acks([{ position: 4, message: aMessage() }], []),
      ...here.control({ type: "bye", code: "E_REPLACED", text: "" }),
    ];
    expect(there.push(Buffer.concat(chunks)).map(({ type }) => type)).toEqual([
      "ping",
      "message",
      "ack",
      "bye",
    ]);
  });

  it("carries frames cut anywhere", () => {
    const bytes = Buffer.concat([
      ...link().here.control({ type: "ping" }),
      link().here.message(inOutbox(aMessage({ content: { a: "b" } }), 300), true),
      ...link().here.acks(
        [{ position: 4, message: aMessage() }],
        [{ position: 4, stale: true, version: undefined }],
      ),
    ]);
    const whole = link().there.push(bytes).map(plain);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const { there } = link();
      const frames = [...there.push(bytes.subarray(0, cut)), ...there.push(bytes.subarray(cut))];
      expect(frames.map(plain), `cut at ${cut}`).toEqual(whole);
    }
  });

  it("refuses a package beyond the limit, and takes a message of exactly the limit", () => {
    const { here, there } = link();
    const content = (length: number): Uint8Array => Buffer.from(`{"a":"${"x".repeat(length - 8)}"}`);
    const word = "世".repeat(128);
    const words = { id: word, parentId: word, source: word, group: word, resource: "世".repeat(1_024) };
    const most = aMessage({ ...words, content: content(limits.maxMessageBytes), delivery: event() });
    const exactly = here.message(inOutbox(most), false);
    expect(oneFrame(there, exactly)).toMatchObject({ type: "message" });
    const beyond = here.message(
      inOutbox(aMessage({ content: content(limits.maxMessageBytes + 9_000) })),
      false,
    );
    expect(codeOf(() => there.push(beyond))).toBe("E_TOO_LARGE");
  });
});

describe("a link of many nodes", () => {
  it("names the node of each message", () => {
    const { here, there } = controllerLink();
    const item: StoredMessage & { node: NodeId } = { ...inOutbox(aMessage()), node: "edge-7" as NodeId };
    expect(oneFrame(there, here.message(item, false))).toMatchObject({ message: { node: "edge-7" } });
    expect(oneFrame(there, here.volatile(aMessage({ node: "edge-8" })))).toMatchObject({
      message: { node: "edge-8" },
    });
  });

  it("cannot use a message without a node, or with a bad one", () => {
    const { there } = controllerLink();
    expect(oneFrame(there, link().here.message(inOutbox(aMessage(), 3), false))).toMatchObject({
      type: "unusable",
      position: 3,
      error: { code: "E_NO_NODE" },
    });
    const packed = inOutbox(aMessage()).packed;
    const odd = packageOf(packed, { position: 4, resume: false, node: "No_Node" as NodeId });
    expect(oneFrame(there, odd)).toMatchObject({
      type: "unusable",
      position: 4,
      error: { code: "E_NO_NODE" },
    });
  });

  it("does not repeat the node where the link has one, and believes the link", () => {
    const packed = inOutbox(aMessage()).packed;
    const named = packageOf(packed, { position: 1, resume: false, node: "edge-9" as NodeId });
    expect(oneFrame(link().there, named)).toMatchObject({ message: { node: "edge-1" } });
    const { here } = link();
    expect(here.message(inOutbox(aMessage()), false).length).toBeLessThan(named.length);
  });
});

describe("a message with a field that cannot be used", () => {
  it.each([
    ["an operation nobody knows", rawMessage({ operation: "frobnicate" }), "E_BAD_OPERATION"],
    ["no operation", rawMessage({ operation: "" }), "E_BAD_OPERATION"],
    ["a version that is no number", rawMessage({ resourceVersion: "v1" }), "E_BAD_VERSION"],
    ["a resource that is too long", rawMessage({ resource: "x".repeat(1025) }), "E_BAD_RESOURCE"],
    ["a resource with control characters", rawMessage({ resource: "a\nb" }), "E_BAD_RESOURCE"],
    ["no id", rawMessage({ id: "" }), "E_BAD_MESSAGE"],
    ["a parent id that is too long", rawMessage({ parentId: "x".repeat(129) }), "E_BAD_MESSAGE"],
    ["a source that is too long", rawMessage({ source: "x".repeat(129) }), "E_BAD_MESSAGE"],
    ["a priority beyond 100", rawMessage({}, "8801029001ca01"), "E_BAD_MESSAGE"],
    ["a time to live beyond 2^53", rawMessage({}, "8801029801ffffffffffffffffff01"), "E_BAD_MESSAGE"],
  ])("keeps the link and is named by its position: %s", (_, bytes, code) => {
    const { here, there } = link();
    expect(oneFrame(there, bytes)).toMatchObject({
      type: "unusable",
      position: 7,
      error: { code, retryable: false },
    });
    expect(oneFrame(there, here.message(inOutbox(aMessage(), 8), false))).toMatchObject({
      type: "message",
      position: 8,
    });
  });

  it("has its delivery decided by rule if the peer says nothing of it, or something newer", () => {
    expect(oneFrame(link().there, rawMessage({}))).toMatchObject({
      message: { delivery: { kind: "state" } },
    });
    expect(oneFrame(link().there, rawMessage({}, "880163"))).toMatchObject({
      message: { delivery: { kind: "state" } },
    });
  });
});

describe("a control message that is out of order", () => {
  it.each([
    ["empty", ""],
    ["of an unknown kind", "4a00"],
    ["that is a number", "2000"],
    ["longer than its package", "1205"],
    ["with a field that ends behind it", "1a0212040801"],
    ["with text that is not UTF-8", "1a031201ff"],
    ["with an ack run that ends behind it", "12020a030101"],
    ["with half an ack run", "12030a0105"],
    ["with field number 0, a number", "0a020001"],
    ["with field number 0, bytes", "0a020200"],
  ])("ends the link: %s", (_, payloadHex) => {
    expect(codeOf(() => link().there.push(controlPackage(payloadHex)))).toBe("E_BAD_FRAME");
  });

  it.each([
    ["an unknown field in a hello", "0a05780a0a0161", { type: "hello", hello: { software: "a" } }],
    [
      "fields of all sizes in a hello",
      "0a117d01020304790102030405060708" + "0a0161",
      { type: "hello", hello: { software: "a" } },
    ],
    ["an unknown field in an ack", "120678010a020501", { type: "ack", positions: [5] }],
    ["an unknown field of its own, behind", "22007801", { type: "ping" }],
    [
      "an unknown field in a receipt",
      "120612040803780a",
      { type: "ack", receipts: [{ position: 3, stale: false }] },
    ],
  ])("is read all the same: %s", (_, payloadHex, frame) => {
    expect(oneFrame(link().there, controlPackage(payloadHex))).toMatchObject(frame);
  });

  it("may have a code that only a newer peer knows", () => {
    expect(oneFrame(link().there, controlPackage("1a0b0801" + "1205455f4e4557" + "2001"))).toEqual({
      type: "nack",
      position: 1,
      code: "E_INTERNAL",
      text: "",
      retryable: true,
    });
  });

  it("may have a receipt with a version that is none", () => {
    expect(oneFrame(link().there, controlPackage("120712050801" + "1a0178"))).toMatchObject({
      receipts: [{ position: 1, version: undefined }],
    });
  });

  it("cannot make us name more messages than any window holds", () => {
    const run = (count: number): Uint8Array => {
      const length = [(count & 0x7f) | 0x80, ((count >> 7) & 0x7f) | 0x80, count >> 14];
      return controlPackage(Buffer.from([0x12, 6, 0x0a, 4, 1, ...length]).toString("hex"));
    };
    expect(oneFrame(link().there, run(131_072))).toMatchObject({ type: "ack" });
    expect(codeOf(() => link().there.push(controlPackage("12080a0601ffffffff0f")))).toBe("E_BAD_FRAME");
    expect(codeOf(() => link().there.push(run(131_073)))).toBe("E_BAD_FRAME");
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => run(100_000)));
    expect(codeOf(() => link().there.push(many))).toBe("E_BAD_FRAME");
  });

  it("can name positions beyond any we gave: they are nobody's", () => {
    expect(oneFrame(link().there, controlPackage("120d0a0bffffffffffffffffff0101"))).toMatchObject({
      positions: [2 ** 64],
    });
  });
});

describe("ids", () => {
  it("are told apart by nothing but their position: acks and refusals carry no ids", () => {
    const { here } = link();
    const message = { ...aMessage(), id: requireMessageId("secret-id") };
    const ack = Buffer.concat(here.acks([{ position: 1, message }], []));
    expect(ack.includes("secret-id")).toBe(false);
  });
});
