import { describe, expect, test } from "vitest";
import { newCounters } from "../../transport/index.ts";
import { seeds } from "../support/seeds.ts";
import { World } from "./simulation.ts";

/** So many histories are one test; a line of output for each would be too many. */
const perTest = 100;

describe("two channels over a link that breaks, between machines that crash", () => {
  test.each(seeds(20))(
    "lose nothing, keep the order and come to rest, histories of seed %i",
    async (seed) => {
      const total = newCounters();
      for (let history = seed * perTest; history < (seed + 1) * perTest; history++) {
        const world = new World(history);
        expect(await world.run(), `new World(${history}).run()`).toEqual([]);
        const timersPerSecond = world.clock.timers / (world.clock.now() / 1_000);
        expect(timersPerSecond, `of new World(${history}).run()`).toBeLessThan(100);
        for (const name of Object.keys(total) as (keyof typeof total)[]) total[name] += world.counters[name];
      }
      // The histories are worth their name: enough went wrong in them.
      expect(total.settled).toBeGreaterThan(500);
      expect(total.resent).toBeGreaterThan(80);
      expect(total.nacked).toBeGreaterThan(25);
      expect(total.refused).toBeGreaterThan(25);
      expect(total.expired).toBeGreaterThan(2);
      expect(total.ignored).toBeGreaterThan(3);
      expect(total.bytesSaved).toBeGreaterThan(20_000);
    },
  );
});
