import { describe, expect, test } from "vitest";
import { seeds } from "../support/seeds.ts";
import { World } from "./simulation.ts";

/** So many histories make one test: a line of output for each would be too many. */
const perTest = 100;

describe("two channels over a link that breaks, between machines that crash", () => {
  test.each(seeds(20).map((first) => (first - 1) * perTest + 1))(
    "lose nothing, keep the order and come to rest, seeds from %i",
    async (first) => {
      let m = 0, t = 0, n = 0; const c: any = {};
      for (let seed = first; seed < first + perTest; seed++) { const w = new World(seed); await w.run(); m = Math.max(m, w.clock.timers); t += w.clock.timers; n += w.clock.now(); for (const [k, v] of Object.entries(w.counters)) c[k] = (c[k] ?? 0) + v; }
      console.log(m, t, n, JSON.stringify(c));
      for (let seed = first; seed < first + perTest; seed++)
        expect(await new World(seed).run(), `SEED=${seed}: run this one alone with \`new World(${seed}).run()\``).toEqual([]);
    },
  );
});
