import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bool,
  bytes,
  choice,
  int,
  many,
  message,
  one,
  string,
  strings,
  texts,
} from "../../../edgehub/edged/cri/protobuf.ts";

const point = message({ x: int(1), label: string(2) });
const everything = message({
  name: string(1),
  count: int(2),
  on: bool(3),
  state: choice(4, ["created", "running", "unknown"]),
  raw: bytes(5),
  words: strings(6),
  origin: one(7, point),
  points: many(8, point),
  labels: texts(16),
});

const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");
const absent = {
  name: "",
  count: 0,
  on: false,
  state: "created",
  raw: new Uint8Array(0),
  words: [],
  origin: undefined,
  points: [],
  labels: {},
};

describe("writing", () => {
  it.each([
    [{}, ""],
    [{ name: "", count: 0, on: false, state: "created", words: [], labels: {} } as const, ""],
    [{ name: "ab" }, "0a026162"],
    [{ count: 300 }, "10ac02"],
    [{ count: -1 }, "10ffffffffffffffffff01"],
    [{ on: true, state: "running" } as const, "18012001"],
    [{ raw: Uint8Array.of(0, 255) }, "2a0200ff"],
    [{ words: ["a", "", "b"] }, "320161" + "3200" + "320162"],
    [{ origin: {} }, "3a00"],
    [{ points: [{ x: 1 }, { label: "q" }] }, "42020801" + "4203120171"],
    [{ labels: { k: "v" } }, "8201060a016b120176"],
  ])("%j is %s", (value, expected) => {
    expect(hex(everything.encode(value))).toBe(expected);
  });
});

describe("reading", () => {
  it("gives defaults for what is absent", () => {
    expect(everything.decode(new Uint8Array(0))).toEqual(absent);
  });

  it("returns what was written", () => {
    const text = fc.string({ unit: "grapheme" });
    const points = fc.record({ x: fc.maxSafeInteger(), label: text });
    const values = fc.record({
      name: text,
      count: fc.maxSafeInteger(),
      on: fc.boolean(),
      state: fc.constantFrom("created", "running", "unknown"),
      raw: fc.uint8Array(),
      words: fc.array(text),
      origin: fc.option(points, { nil: undefined }),
      points: fc.array(points),
      labels: fc.dictionary(
        text.filter((key) => key !== "__proto__"),
        text,
        { noNullPrototype: true },
      ),
    });
    fc.assert(
      fc.property(values, (value) => {
        const read = everything.decode(everything.encode(value));
        expect({ ...read, raw: Uint8Array.from(read.raw) }).toEqual(value);
      }),
    );
  });

  it("takes the last name for a number of a newer enumeration", () => {
    expect(everything.decode(Buffer.from("2063", "hex")).state).toBe("unknown");
  });

  it("skips fields it does not know, and known ones of another kind", () => {
    const unknown = "f80601" + "fa0603616263" + "ad0100000000" + "b1010000000000000000";
    expect(everything.decode(Buffer.from(`${unknown}0801`, "hex"))).toEqual(absent);
  });

  it("lets the last one count where a field comes twice", () => {
    expect(everything.decode(Buffer.from("0a01610a0162", "hex")).name).toBe("b");
  });

  it("keeps the milliseconds of nanoseconds", () => {
    const nanoseconds = 1_795_252_800_123_456_789n;
    const varint: number[] = [];
    for (let rest = nanoseconds; rest > 0n; rest >>= 7n) varint.push(Number(rest & 127n) | 128);
    varint[varint.length - 1] = (varint.at(-1) ?? 0) & 127;
    const { count } = everything.decode(Uint8Array.of(0x10, ...varint));
    expect(Math.trunc(count / 1e6)).toBe(1_795_252_800_123);
  });

  it.each(["0a", "0a0561", "3a0508", "3a020a05", "42ff", "10", "8201060a016b1205", "3a00ff"])(
    "refuses the damaged bytes %s",
    (damaged) => {
      expect(() => everything.decode(Buffer.from(damaged, "hex"))).toThrow();
    },
  );

  it("ends in a value or an error for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (any) => {
        try {
          everything.decode(any);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });
});
