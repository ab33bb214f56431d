import { describe, expect, test } from "vitest";
import { seeds } from "../support/seeds.ts";
import { World } from "./simulation.ts";

/** So many histories make one test: a line of output for each would be too many. */
const perTest = 100;

describe("two channels over a link that breaks, between machines that crash", () => {
  test.each(seeds(20).map((first) => (first - 1) * perTest + 1))(
    "lose nothing, keep the order and come to rest, seeds from %i",
    async (first) => {
      for (let seed = first; seed < first + perTest; seed++)
        expect(await new World(seed).run(), `SEED=${seed}: run this one alone with \`new World(${seed}).run()\``).toEqual([]);
    },
  );
});
