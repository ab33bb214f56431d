import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, it, test } from "vitest";
import type { Delivery } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import type { Hello } from "../../protocol/frame.ts";
import type { NodeId } from "../../protocol/message.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import { PackageReader } from "../../protocol/package-reader.ts";
import {
  newPackage,
  packageHeaderLength,
  packageOf,
  packContent,
  packMessage,
  packWire,
  unpack,
  unpackContent,
  unpackMessage,
  usableDelivery,
} from "../../protocol/packed-codec.ts";
import { fromWire, type WireMessage } from "../../protocol/wire-message.ts";
import {
  controlFrames,
  deliveries,
  illFormedTexts,
  jsonContents,
  linkFields,
  packedWires,
  positions,
  receipts,
  refusals,
  runs,
  texts,
  usableWires,
} from "./arbitraries.ts";
import {
  contentBytes,
  contentText,
  type FrameVector,
  type OddInput,
  vectorNamed,
  vectors,
  wireOf,
} from "./vectors.ts";

const node = "edge-1" as NodeId;
const noLink = { position: 0, resume: false, node: undefined };

/** The schema as protobufjs reads it. */
const schema = protobuf.parse(
  readFileSync(new URL("../../protocol/message.proto", import.meta.url), "utf8"),
).root;
const MessageType = schema.lookupType("message.Message");
const ControlType = schema.lookupType("message.Control");

/** All of a package with an empty-link message, exactly as viaduct writes it. */
function viaductFrame(vector: FrameVector): Uint8Array {
  // viaduct does not carry the version; ours goes into a field of our own.
  const wire = { ...wireOf(vector), resourceVersion: "" };
  return packageOf(packWire(wire, { kind: "unknown", bytes: contentBytes(vector) }), noLink);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function readWhole(bytes: Uint8Array, limit = 1 << 22): { type: number; payload: Uint8Array }[] {
  const reader = new PackageReader(limit);
  const found = reader.push(bytes);
  expect(reader.held).toBe(0);
  return found;
}

function payloadOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(packageHeaderLength);
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

describe("viaduct's own frames", () => {
  it("are all there", () => {
    expect(vectors.frames).toHaveLength(38);
    expect(vectors.decoderOnOddInput).toHaveLength(15);
  });

  test.each(vectors.frames)("$name is packed byte for byte", (vector) => {
    const frame = viaductFrame(vector);
    if (vector.frameHex !== undefined) expect(hex(frame)).toBe(vector.frameHex);
    expect(frame).toHaveLength(vector.frameLength);
    expect(sha256(frame)).toBe(vector.frameSha256);
  });

  test.each(vectors.frames)("$name is read as Go reads it", (vector) => {
    const [found, ...more] = readWhole(viaductFrame(vector));
    expect(more).toEqual([]);
    const { wire, contentKind, delivery, link } = unpack(found?.payload as Uint8Array);
    const { header, route } = vector.decoded;
    expect({ ...wire, timestamp: String(wire.timestamp), content: undefined }).toEqual({
      id: header.msg_id,
      parentId: header.parent_msg_id,
      timestamp: header.timestamp,
      resourceVersion: "",
      sync: header.sync,
      type: "",
      source: route.source,
      destination: "",
      group: route.group,
      operation: route.operation,
      resource: route.resource,
      content: undefined,
    });
    expect(contentKind).toBe("unknown");
    expect(delivery).toEqual({ kind: 0, priority: 0, ttlMs: 0 });
    expect(link).toEqual({ position: 0, resume: false, node: "" });
  });

  test.each(vectors.frames)("the bytes in $name become JSON text without a loss", (vector) => {
    const packed = contentBytes(vector);
    expect(packed).toHaveLength(vector.decoded.contentLength);
    expect(sha256(packed)).toBe(vector.decoded.contentSha256);
    const { content } = unpack(payloadOf(viaductFrame(vector))).wire;
    const text = Buffer.from(packed).toString();
    if (packed.length === 0) expect(content).toHaveLength(0);
    else if (isJson(text)) expect(Buffer.compare(content, packed)).toBe(0);
    else expect(JSON.parse(Buffer.from(content).toString())).toBe(text);
  });

  test.each(vectors.frames.filter((vector) => vector.contentKind !== "bytes"))(
    "content of $name is packed as viaduct does it",
    (vector) => {
      expect(Buffer.compare(packContent(contentText(vector)).bytes, contentBytes(vector))).toBe(0);
    },
  );

  it("follow the word msg on a stream, back to back", () => {
    const { hex: stream, frames } = vectors.quicStreamExample;
    const bytes = Buffer.from(stream, "hex");
    expect(bytes.subarray(0, 3).toString()).toBe("msg");
    const ids = readWhole(bytes.subarray(3)).map(({ payload }) => unpack(payload).wire.id);
    expect(ids).toEqual(frames.map((name) => vectorNamed(name).decoded.header.msg_id));
  });
});

describe("what Go does with odd frames", () => {
  test.each(vectors.decoderOnOddInput)("$name: $result.outcome, and ours likewise", (odd) => {
    const reader = new PackageReader(1 << 20);
    const [found] = reader.push(Buffer.from(odd.frameHex, "hex"));
    if (odd.result.outcome === "ok") {
      const { wire } = unpack(found?.payload as Uint8Array);
      expect(wire).toMatchObject({ id: odd.result.msg_id, operation: odd.result.operation });
      expect(hex(packContent(wire.content).bytes)).toBe(odd.result.contentHex);
    } else if (isCutShort(odd)) {
      expect(found).toBeUndefined();
      expect(reader.held).toBe(odd.frameHex.length / 2);
    } else {
      expect(codeOf(() => unpack(found?.payload as Uint8Array))).toBe("E_BAD_FRAME");
    }
  });

  test.each(vectors.decoderOnOddInput)(
    "$name ends no link that Go keeps, and keeps none that Go ends",
    (odd) => {
      const codec = new NativeCodec(node, { maxMessageBytes: 1 << 20 });
      const outcome = codeOf(() => codec.push(Buffer.from(odd.frameHex, "hex")));
      expect(outcome).toBe(odd.result.outcome === "ok" || isCutShort(odd) ? "nothing thrown" : "E_BAD_FRAME");
    },
  );

  test.each(vectors.decoderOnOddInput)("$name ends the same way when it is cut anywhere", ({ frameHex }) => {
    const bytes = Buffer.from(frameHex, "hex");
    const outcome = (chunks: readonly Uint8Array[]): string => {
      const codec = new NativeCodec(node, { maxMessageBytes: 1 << 20 });
      const types: string[] = [];
      const end = codeOf(() => {
        for (const chunk of chunks) types.push(...codec.push(chunk).map(({ type }) => type));
      });
      return `${types}; ${end}`;
    };
    const whole = outcome([bytes]);
    expect(outcome(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(whole);
    for (let cut = 0; cut <= bytes.length; cut++)
      expect(outcome([bytes.subarray(0, cut), bytes.subarray(cut)]), `cut at ${cut}`).toBe(whole);
  });

  it("keeps what follows a package in the stream", () => {
    const odd = vectors.decoderOnOddInput.find(({ name }) => name === "trailing-bytes") as OddInput;
    const reader = new PackageReader(1 << 20);
    expect(reader.push(Buffer.from(odd.frameHex, "hex"))).toHaveLength(1);
    expect(reader.held).toBe(2);
  });
});

/** The stream may go on: nothing is wrong yet. */
function isCutShort(odd: OddInput): boolean {
  return odd.result.detail === "EOF" || odd.result.detail === "unexpected EOF";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("a stream of packages", () => {
  const small = vectors.frames.filter((vector) => vector.contentRule === undefined);
  const stream = Buffer.concat(small.map(viaductFrame));
  const expected = small.map((vector) => hex(payloadOf(viaductFrame(vector))));

  it("is read whole", () => {
    expect(readWhole(stream).map(({ payload }) => hex(payload))).toEqual(expected);
  });

  it("is read byte by byte, with the same state as after a whole", () => {
    const reader = new PackageReader(1 << 20);
    const found: string[] = [];
    let held = 0;
    for (const byte of stream) {
      const packages = reader.push(Uint8Array.of(byte));
      found.push(...packages.map(({ payload }) => hex(payload)));
      held = packages.length > 0 ? 0 : held + 1;
      expect(reader.held).toBe(held);
    }
    expect(found).toEqual(expected);
  });

  it("is read when cut at any offset", () => {
    const twoFrames = Buffer.from(vectors.quicStreamExample.hex, "hex").subarray(3);
    const whole = readWhole(twoFrames).map(({ payload }) => hex(payload));
    for (let cut = 0; cut <= twoFrames.length; cut++) {
      const reader = new PackageReader(1 << 20);
      const found = [...reader.push(twoFrames.subarray(0, cut)), ...reader.push(twoFrames.subarray(cut))];
      expect(
        found.map(({ payload }) => hex(payload)),
        `cut at ${cut}`,
      ).toEqual(whole);
      expect(reader.held).toBe(0);
    }
  });

  it("is read when its packages are large and come in pieces", () => {
    const large = vectors.frames.filter((vector) => vector.contentRule !== undefined).map(viaductFrame);
    const bytes = Buffer.concat(large);
    for (const size of [16_384, 65_537, 1_000_000]) {
      const reader = new PackageReader(1 << 21);
      const found: string[] = [];
      for (let at = 0; at < bytes.length; at += size)
        found.push(...reader.push(bytes.subarray(at, at + size)).map(({ payload }) => sha256(payload)));
      expect(found).toEqual(large.map((frame) => sha256(payloadOf(frame))));
    }
  });

  it("is read in any chunks", () => {
    const chunkings = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 60 });
    fc.assert(
      fc.property(chunkings, (sizes) => {
        const reader = new PackageReader(1 << 20);
        const found: string[] = [];
        let at = 0;
        for (const size of [...sizes, stream.length]) {
          const chunk = stream.subarray(at, at + size);
          found.push(...reader.push(chunk).map(({ payload }) => hex(payload)));
          at += chunk.length;
        }
        expect(found).toEqual(expected);
      }),
      runs(200),
    );
  });

  it("holds a package that comes byte by byte in few pieces", () => {
    const reader = new PackageReader(1 << 20);
    const whole = newPackage(1, 20_000);
    whole.fill(7, packageHeaderLength);
    for (let at = 0; at < whole.length - 1; at++) {
      expect(reader.push(whole.subarray(at, at + 1))).toEqual([]);
      reader.push(new Uint8Array(0));
    }
    expect(reader.held).toBe(whole.length - 1);
    expect(reader.pieces).toBeLessThan(200);
    expect(reader.push(whole.subarray(-1))).toEqual([
      { type: 1, compressed: false, payload: whole.subarray(packageHeaderLength) },
    ]);
    expect(reader.held).toBe(0);
  });

  it("refuses a package beyond the limit as soon as its header is there", () => {
    const header = packageHeader(1_001);
    const reader = new PackageReader(1_000);
    for (const byte of header.subarray(0, 9)) expect(reader.push(Uint8Array.of(byte))).toEqual([]);
    expect(reader.held).toBe(9);
    expect(codeOf(() => reader.push(header.subarray(9)))).toBe("E_TOO_LARGE");
  });

  it("refuses the largest length a header can name", () => {
    expect(codeOf(() => new PackageReader(1 << 24).push(packageHeader(2 ** 32 - 1)))).toBe("E_TOO_LARGE");
  });

  it("takes a package of exactly the limit", () => {
    const bytes = Buffer.concat([packageHeader(1_000), Buffer.alloc(1_000)]);
    expect(new PackageReader(1_000).push(bytes)).toHaveLength(1);
  });

  it("holds no more than one package of the limit, whatever comes", () => {
    const limit = 64;
    const chunks = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 40 });
    fc.assert(
      fc.property(chunks, fc.nat({ max: 80 }), (parts, length) => {
        const reader = new PackageReader(limit);
        for (const chunk of [packageHeader(length), ...parts]) {
          if (codeOf(() => reader.push(chunk)) === "E_TOO_LARGE") return;
          expect(reader.held).toBeLessThan(limit + packageHeaderLength);
        }
      }),
      runs(500),
    );
  });
});

function packageHeader(payloadLength: number, type = 1): Uint8Array {
  const header = Buffer.from([1, 1, 1, 0, type, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payloadLength, 6);
  return header;
}

describe("bytes from a hostile peer", () => {
  const limits = { maxMessageBytes: 1_000 };
  const valid = vectors.frames.filter((vector) => vector.frameLength < 500).map(viaductFrame);

  function feed(chunks: readonly Uint8Array[]): void {
    const codec = new NativeCodec(node, limits);
    const outcome = codeOf(() => chunks.map((chunk) => codec.push(chunk)));
    expect(["nothing thrown", "E_BAD_FRAME", "E_TOO_LARGE"]).toContain(outcome);
  }

  it("never fail with anything but E_BAD_FRAME or E_TOO_LARGE", () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), feed), runs(2_000));
  });

  it("never do so as the payload of a well-formed package", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(1, 4), (payload, type) =>
        feed([packageHeader(payload.length, type), payload]),
      ),
      runs(5_000),
    );
  });

  it("never do so with bits flipped in what was a good frame", () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.constantFrom(...valid), flips, (frame, changes) => {
        const bytes = Uint8Array.from(frame);
        for (const [at, mask] of changes)
          bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ mask;
        feed([bytes]);
      }),
      runs(5_000),
    );
  });

  it("never do so as control messages with bits flipped", () => {
    const writer = new NativeCodec(node, limits);
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(controlFrames, flips, (frame, changes) => {
        const bytes = Uint8Array.from(writer.control(frame)[0] as Uint8Array);
        for (const [at, mask] of changes)
          bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ mask;
        feed([bytes]);
      }),
      runs(5_000),
    );
  });

  test.each([
    ["a header that ends behind its message", "0a7f1200"],
    ["a field that ends behind its header", "0a020a0212001200"],
    ["a field that ends behind its router", "0a0012020a021a00"],
    ["a field that ends behind its message", "0a0012001a05"],
    ["field number 0", "0a0012000001"],
    ["the end of a group that never began", "0a00120004"],
    ["a group without an end", "0a0012007b"],
    ["wire type 6", "0a00120006"],
    ["wire type 7", "0a00120007"],
    ["a number of more than ten bytes", "0a00120080018080808080808080808080800000"],
    ["text content that is not UTF-8", "0a0012001a01ff800102"],
    ["a node that is not UTF-8", "0a001200fa0101ff"],
  ])("are refused with %s", (_, payloadHex) => {
    expect(codeOf(() => unpack(Buffer.from(payloadHex, "hex")))).toBe("E_BAD_FRAME");
  });
});

it("a message without its header or router is refused by the name of what is missing", () => {
  expect(() => unpack(Buffer.from("1200", "hex"))).toThrow("packed message without its header");
  expect(() => unpack(Buffer.from("0a00", "hex"))).toThrow("packed message without its router");
});

describe("our message beside protobufjs' own reading of message.proto", () => {
  /** The plain object that protobufjs makes of the same message. */
  function plainOf(wire: WireMessage, more: { delivery: Delivery | undefined; link: Link }): object {
    const { bytes, kind } = packContent(wire.content);
    const { delivery, link } = more;
    return dropEmpty({
      header: dropEmpty({
        ID: wire.id,
        ParentID: wire.parentId,
        Timestamp: long(wire.timestamp),
        Sync: wire.sync,
        resourceVersion: wire.resourceVersion,
      }),
      router: dropEmpty({
        Source: wire.source,
        Group: wire.group,
        Operation: wire.operation,
        Resouce: wire.resource,
      }),
      Content: bytes,
      contentKind: { unknown: 0, json: 1, string: 2 }[kind],
      delivery: numberOf(delivery),
      priority: delivery?.kind === "event" ? delivery.priority : 0,
      ttlMs: delivery?.kind === "event" && delivery.ttlMs !== undefined ? long(delivery.ttlMs) : 0,
      position: long(link.position),
      node: link.node ?? "",
      resume: link.resume,
    });
  }

  type Link = { position: number; node: string | undefined; resume: boolean };

  function numberOf(delivery: Delivery | undefined): number {
    if (delivery === undefined) return 0;
    if (delivery.kind === "state") return delivery.numbered ? 4 : 1;
    return delivery.kind === "event" ? 2 : 3;
  }

  /** protobufjs takes 64-bit numbers as text. */
  function long(value: number | bigint): string | 0 {
    return value === 0 || value === 0n ? 0 : String(value);
  }

  /** Without the fields that proto3 leaves out. */
  function dropEmpty(fields: Record<string, unknown>): Record<string, unknown> {
    const isEmpty = (value: unknown): boolean =>
      value === "" || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0);
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
  }

  const anyDelivery = fc.option(deliveries, { nil: undefined });

  it("is the same bytes as protobufjs writes", () => {
    fc.assert(
      fc.property(packedWires, anyDelivery, linkFields, (wire, delivery, link) => {
        const ours = payloadOf(packageOf(packWire(wire, packContent(wire.content), delivery), link as never));
        const theirs = MessageType.encode(MessageType.fromObject(plainOf(wire, { delivery, link }))).finish();
        expect(hex(ours)).toBe(hex(theirs));
      }),
      runs(1_000),
    );
  });

  it("reads what protobufjs wrote", () => {
    fc.assert(
      fc.property(packedWires, anyDelivery, linkFields, (wire, delivery, link) => {
        const theirs = MessageType.encode(MessageType.fromObject(plainOf(wire, { delivery, link }))).finish();
        const read = unpack(theirs);
        expect({ ...read.wire, content: undefined }).toEqual({ ...wire, content: undefined });
        expect(jsonOf(read.wire.content)).toEqual(jsonOf(wire.content));
        expect(usableDelivery(read.delivery)).toEqual(delivery);
        expect(read.link).toEqual({ ...link, node: link.node ?? "" });
      }),
      runs(1_000),
    );
  });

  it("uses every field of the schema", () => {
    const used = new Set([
      "header",
      "router",
      "Content",
      "contentKind",
      "delivery",
      "priority",
      "ttlMs",
      "delta",
      "position",
      "node",
      "resume",
    ]);
    expect(new Set(Object.keys(MessageType.fields))).toEqual(used);
  });

  function jsonOf(content: Uint8Array): unknown {
    return content.length === 0 ? null : JSON.parse(Buffer.from(content).toString());
  }
});

describe("our control messages beside protobufjs' own reading of message.proto", () => {
  const codec = new NativeCodec(node, { maxMessageBytes: 1 << 20 });

  function theirsOf(frame: Uint8Array | undefined): Record<string, unknown> {
    const [found] = readWhole(frame as Uint8Array);
    expect(found?.type).toBe(4);
    const message = ControlType.decode(found?.payload as Uint8Array);
    return ControlType.toObject(message, { longs: Number, defaults: true, arrays: true });
  }

  /** A control package as protobufjs writes it, read by us. */
  function oursOf(plain: Record<string, unknown>): unknown {
    const payload = ControlType.encode(ControlType.fromObject(plain)).finish();
    return codec.push(Buffer.concat([packageHeader(payload.length, 4), payload]));
  }

  /** Bytes as text: equal whatever kind of array they are in. */
  function plain(value: unknown): unknown {
    return JSON.parse(
      JSON.stringify(value, (_, part) =>
        part?.type === "Buffer" ? hex(Buffer.from(part.data)) : part instanceof Uint8Array ? hex(part) : part,
      ),
    );
  }

  function inTheirWords({ held, ...hello }: Hello): unknown {
    const said = { heldOf: held?.storeId ?? "", heldDigest: hex(held?.digest ?? new Uint8Array(0)) };
    return { ...hello, ...said, features: [], resumes: false };
  }

  it("are read by protobufjs, all but acks", () => {
    fc.assert(
      fc.property(controlFrames, (frame) => {
        const read = theirsOf(codec.control(frame)[0]);
        if (frame.type === "hello") expect(plain(read.hello)).toEqual(inTheirWords(frame.hello));
        else if (frame.type === "digest" || frame.type === "differs" || frame.type === "held")
          expect(plain(read[frame.type])).toEqual({ body: hex(frame.body) });
        else if (frame.type === "ping") expect(read.ping).toEqual({});
        else if (frame.type === "bye") expect(read.bye).toEqual({ code: frame.code, text: frame.text });
        else if (frame.type === "call")
          expect(plain(read.call)).toEqual({ call: frame.call, method: frame.method, body: hex(frame.body) });
        else
          expect(plain(read.reply)).toEqual({
            call: frame.call,
            body: hex(frame.body),
            errorCode: frame.error?.code ?? "",
            errorText: frame.error?.text ?? "",
            errorRetryable: frame.error?.retryable ?? false,
          });
      }),
      runs(1_000),
    );
  });

  it("are read by us as protobufjs writes them, all but acks", () => {
    fc.assert(
      fc.property(controlFrames, (frame) => {
        const { type, ...fields } = frame as { type: string } & Record<string, unknown>;
        if (frame.type === "hello") {
          const { held, ...hello } = frame.hello;
          const said = held && { heldOf: held.storeId, heldDigest: held.digest };
          expect(plain(oursOf({ hello: { ...hello, ...said } }))).toEqual(plain([frame]));
        } else if (frame.type === "reply") {
          const error = frame.error && {
            errorCode: frame.error.code,
            errorText: frame.error.text,
            errorRetryable: frame.error.retryable,
          };
          expect(plain(oursOf({ reply: { call: frame.call, body: frame.body, ...error } }))).toEqual([
            plain(frame),
          ]);
        } else expect(plain(oursOf({ [type]: fields }))).toEqual([plain(frame)]);
      }),
      runs(1_000),
    );
  });

  it("are read by protobufjs: nacks", () => {
    fc.assert(
      fc.property(refusals, fc.maxSafeNat(), (refusal, position) => {
        const received = { position, message: fromWire(wireOf(vectorNamed("pod-insert-object")), node) };
        expect(theirsOf(codec.nack(received, refusal)[0]).nack).toEqual({ position, ...refusal });
        expect(oursOf({ nack: { position, ...refusal } })).toEqual([{ type: "nack", position, ...refusal }]);
      }),
      runs(500),
    );
  });

  it("are read by protobufjs: acks, as runs of neighbouring positions", () => {
    fc.assert(
      fc.property(positions, receipts, (acked, notes) => {
        const message = fromWire(wireOf(vectorNamed("pod-insert-object")), node);
        const received = acked.map((position) => ({ position, message }));
        const read = theirsOf(codec.acks(received, notes)[0]).ack as { runs: number[]; receipts: unknown[] };
        expect(positionsOf(read.runs)).toEqual([...acked].sort((a, b) => a - b));
        expect(read.receipts).toEqual(notes.map((note) => ({ ...note, version: note.version ?? "" })));
        expect(oursOf({ ack: read })).toEqual([
          { type: "ack", positions: [...acked].sort((a, b) => a - b), receipts: notes },
        ]);
      }),
      runs(500),
    );
  });

  /** The slow reading of an ack's runs. */
  function positionsOf(pairs: readonly number[]): number[] {
    const found: number[] = [];
    let at = 0;
    for (let i = 0; i < pairs.length; i += 2) {
      at += pairs[i] as number;
      for (let n = 0; n < (pairs[i + 1] as number); n++) found.push(at++);
    }
    return found;
  }

  it("writes a window acked in order as one run", () => {
    const message = fromWire(wireOf(vectorNamed("pod-insert-object")), node);
    const received = Array.from({ length: 1_000 }, (_, i) => ({ position: 501 + i, message }));
    expect(codec.acks(received, [])[0]).toHaveLength(packageHeaderLength + 8);
  });
});

describe("content", () => {
  it("keeps its JSON value through packing", () => {
    fc.assert(
      fc.property(jsonContents, (content) => {
        const again = unpackContent(packContent(content));
        const value = (text: Uint8Array): unknown =>
          text.length === 0 ? null : JSON.parse(Buffer.from(text).toString());
        expect(value(again)).toEqual(value(content));
      }),
      runs(1_000),
    );
  });

  it("keeps its text, not only its value, unless it is a string", () => {
    const text = Buffer.from('{ "a": 12345678901234567890, "b": 1.50, "a": 2 }');
    expect(unpackContent(packContent(text))).toEqual(text);
  });

  it("keeps a byte order mark at the beginning of a string", () => {
    const content = Buffer.from(JSON.stringify("\ufeffmark"));
    expect(Buffer.from(unpackContent(packContent(content))).toString()).toBe(content.toString());
  });

  it("that is called JSON is not looked at", () => {
    const bytes = Buffer.from("{nobody has looked");
    expect(unpackContent({ kind: "json", bytes })).toBe(bytes);
  });

  it("null is the same as no content", () => {
    expect(packContent(Buffer.from("null")).bytes).toHaveLength(0);
  });

  it("an empty string is not the same as no content", () => {
    const packed = packContent(Buffer.from('""'));
    expect(packed).toEqual({ kind: "string", bytes: new Uint8Array(0) });
    expect(Buffer.from(unpackContent(packed)).toString()).toBe('""');
  });

  it("bytes of a viaduct peer that are no JSON become a string, byte order mark and all", () => {
    const unpacked = unpackContent({ kind: "unknown", bytes: Buffer.from("\ufeff{}") });
    expect(JSON.parse(Buffer.from(unpacked).toString())).toBe("\ufeff{}");
  });

  it.each(['"cut', '"a" "b"', '"\\x"'])(
    "a text that begins like a string and is none is refused: %s",
    (text) => {
      expect(codeOf(() => packContent(Buffer.from(text)))).toBe("E_BAD_MESSAGE");
    },
  );

  it("a string that is not UTF-8 is refused", () => {
    expect(codeOf(() => packContent(Uint8Array.of(0x22, 0xff, 0x22)))).toBe("E_BAD_MESSAGE");
  });
});

describe("a stored message", () => {
  it("comes back as it was, without the fields of the link it came over", () => {
    fc.assert(
      fc.property(usableWires, deliveries, linkFields, (wire, delivery, link) => {
        const message = fromWire(wire, node, { delivery });
        const frame = packageOf(packMessage(message), link as never);
        const { packed } = unpack(payloadOf(frame));
        expect(hex(packed as Uint8Array)).toBe(hex(packMessage(message)));
        const again = unpackMessage(packed as Uint8Array, node);
        expect({ ...again, content: undefined, packed: undefined }).toEqual({
          ...message,
          content: undefined,
        });
      }),
      runs(1_000),
    );
  });

  it("is packed once: what came packed is stored as it came", () => {
    const packed = packMessage(fromWire(wireOf(vectorNamed("pod-insert-object")), node));
    expect(packMessage(unpackMessage(packed, node))).toBe(packed);
  });

  it("is packed again if the peer wrote the link's fields before others", () => {
    const fields = ["f00107", "0a030a0161", "1200"]; // position 7, then header with id "a", then router
    const { packed, link, wire } = unpack(Buffer.from(fields.join(""), "hex"));
    expect(link.position).toBe(7);
    expect(wire.id).toBe("a");
    expect(packed).toBeUndefined();
  });

  it("keeps fields that a newer peer put beside ours", () => {
    const payload = Buffer.from("0a0012007a0178f80101f00105", "hex"); // 15: "x", 31 as a number, position 5
    const { packed } = unpack(payload);
    expect(hex(packed as Uint8Array)).toBe("0a0012007a0178");
  });

  it("can be read back whatever text its fields hold", () => {
    fc.assert(
      fc.property(illFormedTexts, texts, (odd, content) => {
        const wire = {
          ...wireOf(vectorNamed("pod-insert-object")),
          id: odd,
          parentId: odd,
          source: odd,
          group: odd,
          resource: odd,
        };
        const packed = packWire(wire, packContent(Buffer.from(JSON.stringify(content))));
        expect(unpack(packed).wire.id).toBe(odd.toWellFormed());
        expect(unpack(packed).wire.resource).toBe(odd.toWellFormed());
      }),
      runs(500),
    );
  });
});
