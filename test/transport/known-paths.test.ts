import { describe, expect, it } from "vitest";
import { KnownPaths } from "../../transport/index.ts";

const minute = 60_000;
const full = (bytes: number) => ({ bytes, isLimit: true });
const little = (bytes: number) => ({ bytes, isLimit: false });

describe("what was learned of a path", () => {
  it("is what the last link delivered in a round trip", () => {
    const paths = new KnownPaths(10);
    paths.ended("edge-1", "10.0.0.7:4711", full(300_000), 0);
    expect(paths.firstBytes("edge-1", "10.0.0.7:5822", minute)).toBe(300_000);
    expect(paths.firstBytes("edge-2", "10.0.0.7:5822", minute)).toBeUndefined();
  });

  it("does not count at another address, nor after a long time", () => {
    const paths = new KnownPaths(10);
    paths.ended("edge-1", "[::1]:4711", full(300_000), 0);
    expect(paths.firstBytes("edge-1", "[::2]:4711", minute)).toBeUndefined();
    expect(paths.firstBytes("edge-1", "[::1]:4711", 9 * minute)).toBe(300_000);
    expect(paths.firstBytes("edge-1", "[::1]:4711", 11 * minute)).toBeUndefined();
  });

  it("stays where the next link over the same path has had too little to send to learn it again", () => {
    const paths = new KnownPaths(10);
    paths.ended("edge-1", "10.0.0.7:1", full(300_000), 0);
    paths.ended("edge-1", "10.0.0.7:2", little(600), 9 * minute);
    expect(paths.firstBytes("edge-1", "10.0.0.7:3", 15 * minute)).toBe(300_000);
    paths.ended("edge-1", "10.0.0.7:3", full(20_000), 15 * minute);
    expect(paths.firstBytes("edge-1", "10.0.0.7:4", 16 * minute)).toBe(20_000);
    paths.ended("edge-1", "10.0.0.8:4", little(0), 16 * minute);
    expect(paths.firstBytes("edge-1", "10.0.0.7:5", 16 * minute)).toBeUndefined();
  });

  it("is forgotten in another network, and for the peer that was heard of first where there are too many", () => {
    const paths = new KnownPaths(2);
    for (const peer of ["a", "b", "a", "c"]) paths.ended(peer, "10.0.0.7:1", full(100), 0);
    expect(["a", "b", "c"].map((peer) => paths.firstBytes(peer, "10.0.0.7:1", 0))).toEqual([
      100,
      undefined,
      100,
    ]);
    paths.clear();
    expect(paths.firstBytes("a", "10.0.0.7:1", 0)).toBeUndefined();
  });
});
