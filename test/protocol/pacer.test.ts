import { describe, expect, it } from "vitest";
import { Pacer } from "../../protocol/pacer.ts";
import { randomOf, seeds } from "../support/seeds.ts";

describe("a pacer", () => {
  it("lets a burst go at once, then one after the other", () => {
    const pacer = new Pacer({ burst: 2, perSecond: 10 }, 0);
    expect([pacer.take(0), pacer.take(0), pacer.take(0)]).toEqual([true, true, false]);
    expect(pacer.wakeAt()).toBe(100);
    expect([pacer.take(99), pacer.take(100), pacer.take(100)]).toEqual([false, true, false]);
  });

  it("saves up no more than a burst", () => {
    const pacer = new Pacer({ burst: 2, perSecond: 10 }, 0);
    const taken = Array.from({ length: 5 }, () => pacer.take(60_000)).filter(Boolean);
    expect(taken).toHaveLength(2);
  });

  it.each(seeds(50))("keeps its pace whenever it is asked, and wakes in time, seed %i", (seed) => {
    const random = randomOf(seed);
    const pace = { burst: 1 + Math.floor(random() * 5), perSecond: 1 + Math.floor(random() * 200) };
    const pacer = new Pacer(pace, 0);
    let now = 0;
    let taken = 0;
    for (let i = 0; i < 300; i++) {
      if (pacer.take(now)) taken++;
      else {
        expect(pacer.wakeAt()).toBeGreaterThan(now);
        now = random() < 0.5 ? pacer.wakeAt() : now + random() * 100;
        if (now >= pacer.wakeAt()) {
          expect(pacer.take(now)).toBe(true);
          taken++;
        }
      }
      expect(taken).toBeLessThanOrEqual(pace.burst + (now * pace.perSecond) / 1_000 + 1e-6);
    }
  });
});
