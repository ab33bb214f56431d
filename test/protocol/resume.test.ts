import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  BucketDigest,
  bucketListBytes,
  bucketOf,
  bucketsFor,
  differing,
  digestBytes,
  type HeldVersion,
  heldParts,
  readBucketList,
  readDigest,
  readHeldPart,
} from "../../protocol/resume.ts";
import type { ResourceVersion } from "../../protocol/version.ts";

const holding = (resource: string, version: string): HeldVersion => ({
  resource,
  version: version as ResourceVersion,
});
const many = (count: number): HeldVersion[] =>
  Array.from({ length: count }, (_, i) => holding(`default/configmap/settings-${i}`, String(i * 7)));
const digestOf = (held: readonly HeldVersion[], count: number) => {
  const digest = new BucketDigest(count);
  for (const { resource, version } of held) digest.add(resource, version);
  return digest.buckets;
};
const counts = fc.constantFrom(1, 2, 16, 256, 1_024);
const holdings = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, unit: "grapheme" }), fc.nat()), {
    selector: ([path]) => path,
  })
  .map((all) =>
    all.map(([path, version]) => holding(`default/pod/${path.replace(/\s/g, "_")}`, String(version))),
  );

describe("the digest of what a node has", () => {
  it("is the same in any order", () => {
    fc.assert(
      fc.property(holdings, counts, (held, count) => {
        expect(differing(digestOf(held, count), digestOf([...held].reverse(), count))).toEqual([]);
      }),
    );
  });

  it("differs in the bucket of a resource that is missing, added or of another version, and in no other", () => {
    const held = many(2_000);
    const ours = digestOf(held, 128);
    for (const i of [0, 17, 999, 1_999]) {
      const { resource } = held[i] as HeldVersion;
      const bucket = bucketOf(resource, 128);
      expect(differing(ours, digestOf(held.toSpliced(i, 1), 128))).toEqual([bucket]);
      expect(differing(ours, digestOf(held.with(i, holding(resource, "123456")), 128))).toEqual([bucket]);
    }
  });

  it("tells versions apart that are swapped between two resources of one bucket", () => {
    const [a, b] = [holding("default/pod/a", "1"), holding("default/pod/b", "2")];
    expect(
      differing(digestOf([a, b], 1), digestOf([holding(a.resource, "2"), holding(b.resource, "1")], 1)),
    ).toEqual([0]);
  });

  it("spreads resources: no bucket has many times its share", () => {
    const sizes = new Array<number>(1_024).fill(0);
    for (const { resource } of many(50_000)) {
      const bucket = bucketOf(resource, 1_024);
      sizes[bucket] = (sizes[bucket] ?? 0) + 1;
    }
    expect(Math.max(...sizes)).toBeLessThan(110);
  });

  it("is small: sixteen bytes for a few resources, 8 KiB at most", () => {
    const bytesFor = (resources: number) => digestBytes(digestOf([], bucketsFor(resources))).length;
    expect([bytesFor(0), bytesFor(20), bytesFor(500), bytesFor(50_000), bytesFor(5_000_000)]).toEqual([
      8, 16, 256, 8_192, 8_192,
    ]);
  });
});

describe("the bytes", () => {
  it("of digests and lists come back as they went", () => {
    fc.assert(
      fc.property(holdings, counts, (held, count) => {
        const digest = digestOf(held, count);
        expect(readDigest(digestBytes(digest))).toEqual(digest);
        const buckets = [...new Set(held.map(({ resource }) => bucketOf(resource, count)))];
        expect(readBucketList(bucketListBytes(buckets), count)).toEqual(buckets);
      }),
    );
  });

  it("of what is in the buckets come in parts of whole buckets, with nothing of others", () => {
    const held = many(5_000);
    const wanted = Array.from({ length: 200 }, (_, i) => i);
    const awaited = new Set(wanted);
    const parts = [...heldParts(held, wanted, 256)].map((bytes) =>
      readHeldPart(bytes, { awaited, count: 256, maxHeld: 5_000 }),
    );
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.flatMap((part) => part.buckets)).toEqual(wanted);
    const expected = held.filter(({ resource }) => bucketOf(resource, 256) < 200);
    const byPath = (a: HeldVersion, b: HeldVersion) => (a.resource < b.resource ? -1 : 1);
    expect(parts.flatMap((part) => part.held).sort(byPath)).toEqual(expected.sort(byPath));
  });

  const awaited = new Set([0]);
  const part = (text: string, head = [1, 0]) => Buffer.concat([bucketListBytes(head), Buffer.from(text)]);
  test.each([
    ["nothing", new Uint8Array(0)],
    ["buckets nobody asked for", part("", [1, 3])],
    ["more buckets than there are bytes", part("", [900, 0])],
    ["a line without an end", part("default/pod/a 1")],
    ["a line without a version", part("default/pod/a\n")],
    ["a version that is none", part("default/pod/a -1\n")],
    ["a path that is too long", part(`${"a".repeat(2_000)} 1\n`)],
    ["a resource twice", part("default/pod/a 1\ndefault/pod/a 2\n")],
    ["more resources than may be", part("a 1\nb 1\nc 1\nd 1\n")],
  ])("are refused: %s", (_what, bytes) => {
    expect(() => readHeldPart(bytes, { awaited, count: 4, maxHeld: 3 })).toThrow(
      expect.objectContaining({ code: "E_BAD_MESSAGE" }),
    );
  });

  test.each([0, 1, 7, 24, 8 * 2_048, 8 * 1_000])("of a digest are refused: %i of them", (length) => {
    expect(() => readDigest(new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: "E_BAD_MESSAGE" }),
    );
  });

  it("never make a reader do anything but refuse", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const read of [
          () => readDigest(bytes),
          () => readBucketList(bytes, 16),
          () => readHeldPart(bytes, { awaited: new Set([0, 1, 2]), count: 16, maxHeld: 10 }),
        ])
          try {
            read();
          } catch (error) {
            expect(error).toMatchObject({ code: "E_BAD_MESSAGE" });
          }
      }),
    );
  });
});
