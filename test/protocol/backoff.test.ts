import { describe, expect, it } from "vitest";
import { Backoff, reconnectBackoff } from "../../protocol/backoff.ts";
import { randomOf, seeds } from "../support/seeds.ts";

const options = { minMs: 100, maxMs: 1_000 };

describe("a backoff", () => {
  it("doubles its bound with each failure, up to the greatest", () => {
    const backoff = new Backoff(options, () => 1);
    expect(Array.from({ length: 6 }, () => backoff.next())).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  it("begins again after a success", () => {
    const backoff = new Backoff(options, () => 1);
    for (let i = 0; i < 4; i++) backoff.next();
    backoff.reset();
    expect([backoff.next(), backoff.next()]).toEqual([100, 200]);
  });

  it("waits for any time up to its bound: full jitter", () => {
    for (const share of [0, 0.25, 0.5, 0.999]) {
      const backoff = new Backoff(options, () => share);
      expect([backoff.next(), backoff.next()]).toEqual([100 * share, 200 * share]);
    }
  });

  it.each(seeds(20))("stays within its bounds and uses all of them, seed %i", (seed) => {
    const random = randomOf(seed);
    const pauses = Array.from({ length: 500 }, () => {
      const backoff = new Backoff(options, random);
      for (let i = 0; i < 3; i++) backoff.next();
      return backoff.next();
    });
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(0);
    expect(Math.min(...pauses)).toBeLessThan(80);
    expect(Math.max(...pauses)).toBeLessThan(800);
    expect(Math.max(...pauses)).toBeGreaterThan(720);
  });

  it("stays finite after any number of failures", () => {
    const backoff = new Backoff({ minMs: 1, maxMs: Number.MAX_VALUE }, () => 1);
    for (let i = 0; i < 5_000; i++) backoff.next();
    expect(backoff.next()).toBe(2 ** 40);
  });

  it("of a controller that connects again goes from a tenth of a second to half a minute", () => {
    expect(reconnectBackoff).toEqual({ minMs: 100, maxMs: 30_000 });
  });
});
