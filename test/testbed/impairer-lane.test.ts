import { describe, expect, it, test } from "vitest";
import { DueQueue } from "../../testbed/impairer/due-queue.ts";
import { Lane } from "../../testbed/impairer/lane.ts";
import { randomOf, seeds } from "../support/seeds.ts";

describe("the queue of what is due", () => {
  it("gives what is due, first things first, and nothing else", () => {
    const queue = new DueQueue<string>();
    queue.set("late", 30);
    queue.set("early", 10);
    queue.set("middle", 20);
    expect(queue.nextAt()).toBe(10);
    expect([queue.take(20), queue.take(20), queue.take(20)]).toEqual(["early", "middle", undefined]);
    expect(queue.nextAt()).toBe(30);
  });

  it("holds a thing once, at the time set last", () => {
    const queue = new DueQueue<string>();
    queue.set("a", 10);
    queue.set("b", 20);
    queue.set("a", 30);
    expect([queue.take(99), queue.take(99), queue.take(99)]).toEqual(["b", "a", undefined]);
  });

  it("forgets a thing that is never due", () => {
    const queue = new DueQueue<string>();
    queue.set("a", 10);
    queue.set("a", Number.POSITIVE_INFINITY);
    queue.set("b", Number.POSITIVE_INFINITY);
    expect(queue.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });

  test.each(seeds(100))("agrees with a sorted list, seed %i", (seed) => {
    const random = randomOf(seed);
    const queue = new DueQueue<number>();
    const plain = new Map<number, number>();
    for (let step = 0; step < 500; step++) {
      const item = Math.floor(random() * 50);
      const at = random() < 0.1 ? Number.POSITIVE_INFINITY : random() * 100;
      if (random() < 0.7) {
        queue.set(item, at);
        if (at === Number.POSITIVE_INFINITY) plain.delete(item);
        else plain.set(item, at);
      } else {
        const [first] = [...plain].filter(([, due]) => due <= 50).sort(([, a], [, b]) => a - b);
        expect(queue.take(50)).toBe(first?.[0]);
        if (first) plain.delete(first[0]);
      }
      expect(queue.nextAt()).toBe(Math.min(Number.POSITIVE_INFINITY, ...plain.values()));
    }
  });
});

describe("a lane", () => {
  it("gives what is due in the order of time", () => {
    const lane = new Lane<string>();
    lane.set("b", 20);
    lane.set("a", 10);
    expect(lane.nextWakeAt()).toBe(10);
    expect([lane.take(9), lane.take(20), lane.take(20)]).toEqual([undefined, "a", "b"]);
  });

  it("gives nothing while frozen, and has the rest of the way before it afterwards", () => {
    const lane = new Lane<string>();
    lane.set("a", 100);
    lane.freeze(40);
    expect(lane.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
    expect(lane.take(500)).toBeUndefined();
    expect(lane.timeAt(500)).toBe(40);
    lane.thaw(1_000);
    expect(lane.timeAt(1_000)).toBe(40);
    expect(lane.nextWakeAt()).toBe(1_060);
    expect([lane.take(1_059), lane.take(1_060)]).toEqual([undefined, "a"]);
  });

  it("stays frozen since the first freeze, and can be thawed twice", () => {
    const lane = new Lane<string>();
    lane.freeze(10);
    lane.freeze(20);
    lane.thaw(30);
    lane.thaw(40);
    expect(lane.timeAt(40)).toBe(20);
  });
});
