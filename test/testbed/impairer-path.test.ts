import { describe, expect, it, test } from "vitest";
import { Path } from "../../testbed/impairer/path.ts";
import { type GivenProfile, resolveProfile } from "../../testbed/impairer/profile.ts";
import { handshakeMs, StreamPath } from "../../testbed/impairer/stream-path.ts";
import { randomOf, seeds } from "../support/seeds.ts";

/** 10 bytes a millisecond. */
const rateBitsPerSecond = 80_000;
const never = (): number => 0.999;

/** Random numbers in this order; fails when more are drawn. */
function drawing(...numbers: number[]): () => number {
  return () => {
    const next = numbers.shift();
    if (next === undefined) throw new Error("more was drawn than expected");
    return next;
  };
}

function path(profile: GivenProfile, random: () => number = drawing()): Path {
  return new Path(resolveProfile(profile).up, random);
}

function stream(profile: GivenProfile, random: () => number = drawing(), roundTripMs = 0): StreamPath {
  return new StreamPath(path(profile, random), Number.NEGATIVE_INFINITY, roundTripMs);
}

describe("a path", () => {
  it("passes at once, and draws nothing, if nothing is set", () => {
    expect(path({}).pass(7, 1_000)).toBe(7);
    expect(path({}).loses()).toBe(false);
  });

  it("delays each packet by its own way, without a queue", () => {
    const delayed = path({ delayMs: 25 });
    expect([delayed.pass(0, 9_999), delayed.pass(1, 1)]).toEqual([25, 26]);
  });

  it("spreads the delay evenly around its mean, and never below nothing", () => {
    const jittery = path({ delayMs: 100, jitterMs: 20 }, drawing(0, 0.5, 0.75));
    expect([jittery.pass(0, 1), jittery.pass(0, 1), jittery.pass(0, 1)]).toEqual([80, 100, 110]);
    expect(path({ delayMs: 10, jitterMs: 20 }, drawing(0)).pass(5, 1)).toBe(5);
  });

  it("sends one packet after the other at its rate, and rests in between", () => {
    const slow = path({ delayMs: 5, rateBitsPerSecond });
    expect([slow.pass(0, 100), slow.pass(1, 50), slow.pass(100, 10)]).toEqual([15, 20, 106]);
  });

  it("has room again when no more than the queue's size waits", () => {
    const slow = path({ rateBitsPerSecond, queueBytes: 200 });
    slow.pass(1_000, 500);
    expect(slow.roomAt()).toBe(1_030);
    slow.repeat(100);
    expect(slow.roomAt()).toBe(1_040);
  });

  it("always has room without a rate", () => {
    const fast = path({ queueBytes: 1 });
    fast.pass(1_000, 1_000_000);
    expect(fast.roomAt()).toBe(Number.NEGATIVE_INFINITY);
  });

  it("follows another profile from the next packet on", () => {
    const changing = path({ delayMs: 100 });
    expect(changing.pass(0, 1)).toBe(100);
    changing.set(resolveProfile("lan").up);
    expect(changing.pass(1, 1)).toBe(1);
  });
});

describe("a stream over a path", () => {
  it("cuts what is sent into segments, and joins those that arrive together", () => {
    expect(stream({ delayMs: 30 }).plan(0, 3_000)).toEqual({
      runs: [{ bytes: 3_000, dueAt: 30 }],
      segments: 3,
      losses: 0,
    });
    expect(stream({ rateBitsPerSecond }).plan(0, 3_000).runs).toEqual([
      { bytes: 1_400, dueAt: 140 },
      { bytes: 1_400, dueAt: 280 },
      { bytes: 200, dueAt: 300 },
    ]);
  });

  it("keeps the order under jitter: what is faster waits for what is before it", () => {
    const jittery = stream({ delayMs: 100, jitterMs: 100 }, drawing(1, 0, 0.5));
    expect([0, 10, 150].map((now) => jittery.plan(now, 1).runs[0]?.dueAt)).toEqual([200, 200, 250]);
  });

  it("holds a lost segment, and all behind it, for a retransmission time", () => {
    const lossy = stream({ delayMs: 10, lossPercent: 50 }, drawing(0.9, 0.1, 0.9, 0.9, 0.9), 20);
    expect(lossy.plan(0, 4_200)).toEqual({
      runs: [
        { bytes: 1_400, dueAt: 10 },
        { bytes: 2_800, dueAt: 210 },
      ],
      segments: 3,
      losses: 1,
    });
    expect(lossy.plan(100, 1).runs).toEqual([{ bytes: 1, dueAt: 210 }]);
  });

  it("doubles the retransmission time for each further loss of the same segment", () => {
    const lossy = stream({ lossPercent: 50 }, drawing(0.1, 0.1, 0.1, 0.9));
    expect(lossy.plan(0, 1)).toEqual({ runs: [{ bytes: 1, dueAt: 1_400 }], segments: 1, losses: 3 });
  });

  it("waits a round trip for a retransmission if that is more than 200 ms", () => {
    const far = stream({ lossPercent: 50 }, drawing(0.1, 0.9, 0.1, 0.9), 600);
    expect(far.plan(0, 1).runs[0]?.dueAt).toBe(600);
    far.setRoundTrip(800);
    expect(far.plan(1_000, 1).runs[0]?.dueAt).toBe(1_800);
  });

  it("uses the link for every time a segment is sent", () => {
    const lossy = stream({ rateBitsPerSecond, lossPercent: 50, queueBytes: 250 }, drawing(0.1, 0.1, 0.9));
    expect(lossy.plan(0, 100).runs[0]?.dueAt).toBe(10 + 200 + 400);
    expect(lossy.roomAt(0)).toBe(5); // 300 bytes to send from 0 on.
  });

  it("gets a segment through in the end, however lossy the link is", () => {
    expect(stream({ lossPercent: 90 }, () => 0).plan(0, 1).losses).toBe(15);
  });

  it("sends nothing before the connection stands", () => {
    const opening = new StreamPath(path({ delayMs: 10, rateBitsPerSecond, queueBytes: 1_000 }), 500, 20);
    expect(opening.planMark(0)).toBe(510);
    expect(opening.plan(0, 100).runs[0]?.dueAt).toBe(520);
    expect(opening.roomAt(0)).toBe(0);
    opening.plan(0, 1_000);
    expect(opening.roomAt(0)).toBe(510);
  });

  test.each(seeds(100))("keeps order and bytes, and is never early, seed %i", (seed) => {
    const random = randomOf(seed);
    const fields = {
      delayMs: random() * 300,
      jitterMs: random() * 100,
      lossPercent: random() * 20,
      rateBitsPerSecond: random() < 0.5 ? 0 : 1_000_000,
    };
    const lossy = stream(fields, randomOf(seed + 1), 100);
    const earliestMs = Math.max(0, fields.delayMs - fields.jitterMs);
    let now = 0;
    let before = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < 200; i++) {
      now += random() * 20;
      const bytes = 1 + Math.floor(random() * 5_000);
      const { runs, segments } = lossy.plan(now, bytes);
      expect(runs.reduce((sum, run) => sum + run.bytes, 0)).toBe(bytes);
      expect(segments).toBe(Math.ceil(bytes / 1_400));
      for (const { dueAt } of runs) {
        expect(dueAt).toBeGreaterThanOrEqual(Math.max(before, now + earliestMs));
        before = dueAt;
      }
    }
  });

  test.each(seeds(50))("never exceeds its rate, over no span of time, seed %i", (seed) => {
    const random = randomOf(seed);
    const slow = stream({ delayMs: 40, rateBitsPerSecond });
    const arrivals: { at: number; bytes: number }[] = [];
    for (let i = 0, now = 0; i < 100; i++, now += random() * 200) {
      for (const { dueAt, bytes } of slow.plan(now, 1 + Math.floor(random() * 3_000)).runs)
        arrivals.push({ at: dueAt, bytes });
    }
    let mostTooMany = 0;
    for (let from = 0; from < arrivals.length; from++) {
      let bytes = 0;
      for (const arrival of arrivals.slice(from + 1)) {
        bytes += arrival.bytes;
        const spanMs = arrival.at - (arrivals[from]?.at ?? 0);
        mostTooMany = Math.max(mostTooMany, bytes - (spanMs * rateBitsPerSecond) / 8_000);
      }
    }
    expect(mostTooMany).toBeLessThan(1e-6);
  });

  test.each(seeds(50))("loses about as much as its profile says, seed %i", (seed) => {
    const lossy = stream({ lossPercent: 2 }, randomOf(seed));
    const { segments, losses } = lossy.plan(0, 10_000 * 1_400);
    expect(segments).toBe(10_000);
    const expected = 10_000 * (0.02 / 0.98); // A repeated segment can get lost again.
    expect(Math.abs(losses - expected)).toBeLessThan(5 * Math.sqrt(expected));
  });

  test.each(seeds(20))("uses its whole rate while something waits, seed %i", (seed) => {
    const random = randomOf(seed);
    const slow = stream({ rateBitsPerSecond });
    let sent = 0;
    let last = 0;
    for (let i = 0; i < 100; i++) {
      const bytes = 1 + Math.floor(random() * 3_000);
      sent += bytes;
      last = slow.plan(0, bytes).runs.at(-1)?.dueAt ?? 0;
    }
    expect(last).toBeCloseTo((sent * 8_000) / rateBitsPerSecond, 6);
  });

  it("decides the same for the same seed, and something else for another", () => {
    const plans = (seed: number) => {
      const lossy = stream("sat600", randomOf(seed), 600);
      return Array.from({ length: 200 }, (_, i) => lossy.plan(i * 10, 2_000));
    };
    expect(plans(1)).toEqual(plans(1));
    expect(plans(1)).not.toEqual(plans(2));
  });
});

describe("setting up a connection", () => {
  it("takes a round trip before anything can be sent", () => {
    expect(handshakeMs(path({ delayMs: 250 }), path({ delayMs: 100 }))).toBe(350);
  });

  it("takes a second more for a lost packet, two more for the next", () => {
    const up = path({ delayMs: 10, lossPercent: 50 }, drawing(0.1, 0.9, 0.9));
    const down = path({ delayMs: 10, lossPercent: 50 }, drawing(0.1, 0.9));
    expect(handshakeMs(up, down)).toBe(1_000 + 2_000 + 20);
  });

  it("does not take for ever", () => {
    const dead = path({ lossPercent: 90 }, () => 0);
    expect(handshakeMs(dead, path({ lossPercent: 90 }, never))).toBe(63_000);
  });
});
