import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HubError } from "../../protocol/errors.ts";
import { applyPatch, makePatch } from "../../protocol/patch.ts";
import { runs } from "./arbitraries.ts";

/** Bytes of few values, so that stretches repeat. */
const repetitive = fc
  .array(fc.integer({ min: 97, max: 99 }), { maxLength: 400 })
  .map((all) => Uint8Array.from(all));
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 400 }), repetitive);

/** Two runs of bytes of which one has come from the other by a few edits. */
const edited = fc
  .tuple(
    fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
    fc.array(fc.tuple(fc.nat(2_000), fc.nat(60), fc.uint8Array({ maxLength: 40 })), { maxLength: 6 }),
  )
  .map(([base, edits]) => {
    let target = base;
    for (const [at, cut, put] of edits)
      target = Buffer.concat([
        target.subarray(0, at),
        put,
        target.subarray(Math.min(at + cut, target.length)),
      ]);
    return [base, Uint8Array.from(target)] as const;
  });

const pairs = fc.oneof(fc.tuple(anyBytes, anyBytes), edited);

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof HubError ? error.code : String(error);
  }
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("a patch", () => {
  it("makes the target out of its base, whatever the bytes", () => {
    fc.assert(
      fc.property(pairs, ([base, target]) => {
        expect(applyPatch(base, makePatch(base, target), target.length)).toEqual(target);
      }),
      runs(2_000),
    );
  });

  it("is never much longer than the target", () => {
    fc.assert(
      fc.property(pairs, ([base, target]) => {
        expect(makePatch(base, target).length).toBeLessThanOrEqual(target.length + 20);
      }),
      runs(500),
    );
  });

  it("of one changed value is a few bytes", () => {
    const object = (value: string): Uint8Array =>
      utf8(JSON.stringify({ a: "x".repeat(900), changed: value, z: [...Array(300).keys()] }));
    expect(makePatch(object("20.5"), object("21.5")).length).toBeLessThan(12);
  });

  it("finds what has moved", () => {
    const [a, b] = [utf8([...Array(200).keys()].join(",")), utf8([...Array(200).keys()].reverse().join(";"))];
    const patch = makePatch(Buffer.concat([a, b]), Buffer.concat([b, a]));
    expect(patch.length).toBeLessThan(40);
  });

  it("is the bytes that docs/protocol.md shows", () => {
    const [base, target] = [utf8('{"data":{"limit":"80"}}'), utf8('{"data":{"limit":"8155"}}')];
    expect(Buffer.from(makePatch(base, target)).toString("hex")).toBe("2600" + "07313535" + "0602");
  });

  it("of another base is refused or makes something of the announced length, never more", () => {
    fc.assert(
      fc.property(pairs, anyBytes, ([base, target], other) => {
        const made = applyPatch(other, makePatch(base, target), target.length);
        expect(made === undefined || made.length === target.length).toBe(true);
      }),
      runs(500),
    );
  });

  it("that is damaged costs no more than an error, and makes nothing longer than announced", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), anyBytes, fc.nat(500), (patch, base, length) => {
        try {
          const made = applyPatch(base, patch, length);
          expect(made === undefined || made.length === length).toBe(true);
        } catch (error) {
          expect((error as HubError).code).toBe("E_BAD_FRAME");
        }
      }),
      runs(2_000),
    );
  });

  it.each([
    ["an empty copy", "0000", 0],
    ["an empty insert", "01", 0],
    ["an insert that ends early", "0b6161", 5],
    ["a copy without its offset", "0a", 5],
    ["a number that does not end", "ffffffffffff", 5],
    ["less than announced", "0361", 2],
    ["more than announced", "056161", 1],
    ["a copy of more than announced", "8080808008" + "00", 10],
  ])("is malformed: %s", (_what, hex, length) => {
    const apply = (base: Uint8Array | undefined) =>
      codeOf(() => applyPatch(base, Buffer.from(hex, "hex"), length));
    expect(apply(new Uint8Array(100))).toBe("E_BAD_FRAME");
    expect(apply(undefined)).toBe("E_BAD_FRAME");
  });

  it("does not fit a base without what it copies", () => {
    const patch = makePatch(utf8("abcdefghij"), utf8("abcdefghij!"));
    expect(applyPatch(utf8("abc"), patch, 11)).toBeUndefined();
    expect(applyPatch(undefined, patch, 11)).toBeUndefined();
    expect(applyPatch(utf8("abcdefghij"), Buffer.from("0601", "hex"), 3)).toBeUndefined();
  });
});
