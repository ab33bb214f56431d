import { describe, expect, it, test } from "vitest";
import {
  maxFrameBytes,
  PartCollector,
  StreamFrameReader,
  writeHeader,
} from "../../transport/stream-frames.ts";
import { randomOf, seeds } from "../support/seeds.ts";

function frame(kind: number, number: number, content: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(4);
  writeHeader(head, 0, kind, number);
  return Buffer.concat([head, content]);
}

const text = (word: string): Buffer => frame(3, word.length, Buffer.from(word));

describe("StreamFrameReader", () => {
  test.each(seeds(30))("reads the same frames however the stream is cut, seed %i", (seed) => {
    const random = randomOf(seed);
    const frames = Array.from({ length: 40 }, () => {
      const kind = Math.floor(random() * 6);
      const content = Buffer.alloc(Math.floor(random() * 300), kind);
      return kind === 2 ? frame(2, content.length) : frame(kind, content.length, content);
    });
    const stream = Buffer.concat(frames);
    const whole = new StreamFrameReader().push(stream);
    const reader = new StreamFrameReader();
    const cut = [];
    for (let at = 0; at < stream.length; ) {
      const length = 1 + Math.floor(random() * 50);
      for (const one of reader.push(stream.subarray(at, at + length)))
        cut.push(one.kind === "credit" ? one : { ...one, bytes: Buffer.from(one.bytes) });
      at += length;
    }
    expect(whole).toHaveLength(40);
    expect(cut).toEqual(whole);
  });

  it("reads byte by byte", () => {
    const reader = new StreamFrameReader();
    const found = [...text("hello")].flatMap((byte) => reader.push(Uint8Array.of(byte)));
    expect(found).toEqual([{ kind: "request", bytes: Buffer.from("hello") }]);
  });

  it("keeps what follows where it is told to stop", () => {
    const reader = new StreamFrameReader(1);
    const found = reader.push(Buffer.concat([text("a"), text("b")]));
    expect(found).toEqual([{ kind: "request", bytes: Buffer.from("a") }]);
    expect(Buffer.from(reader.takeRest() ?? [])).toEqual(text("b"));
  });

  it.each([12, 15])("refuses kind %i", (kind) => {
    expect(() => new StreamFrameReader().push(frame(kind, 0))).toThrow(`a frame of kind ${kind}`);
  });

  it("refuses a frame that is too long before its bytes come", () => {
    expect(() => new StreamFrameReader().push(frame(1, maxFrameBytes + 1))).toThrow("the longest has");
  });
});

describe("PartCollector", () => {
  it("puts a message together from any parts", () => {
    const parts = new PartCollector(100_000);
    for (const size of [0, 1, 9_000, 40_000]) expect(parts.add(Buffer.alloc(size, 1), false)).toBeUndefined();
    expect(parts.add(Buffer.from([7]), true)).toEqual(
      Buffer.concat([Buffer.alloc(49_001, 1), Buffer.from([7])]),
    );
    expect(parts.add(Buffer.from("next"), true)).toEqual(Buffer.from("next"));
  });

  it("holds no more than the limit", () => {
    const parts = new PartCollector(10);
    expect(parts.add(Buffer.alloc(10), false)).toBeUndefined();
    expect(() => parts.add(Buffer.alloc(1), true)).toThrow("a message of more than 10 bytes");
  });
});
