import { expect, it } from "vitest";
import { merged, type Results, runsText, withResults } from "../../bench/report.ts";

const run = (commit: string, names: readonly string[]): Results => ({
  machine: "a machine",
  commit,
  measuredAt: "2026-01-02T03:04:05.000Z",
  command: `npm run bench -- ${names.join(" ")}`,
  scenarios: names.map((name) => ({ name, describes: name, figures: [] })),
});
const order = ["latency", "fleet", "storm"];

it("does not give results that were kept for those of the last run", () => {
  const first = run("aaa", ["latency", "fleet"]);
  const second = merged(run("bbb", ["fleet"]), first, order);
  const third = merged(run("ccc", ["storm"]), second, order);
  expect(third.scenarios.map(({ name, run: of }) => [name, (of ?? third).commit])).toEqual([
    ["latency", "aaa"],
    ["fleet", "bbb"],
    ["storm", "ccc"],
  ]);
  const text = runsText(third);
  expect(text).toContain("latency: `npm run bench -- latency fleet` on a machine, 2026-01-02, commit aaa");
  expect(text).toContain("storm: `npm run bench -- storm` on a machine, 2026-01-02, commit ccc");
});

it("names one run once", () => {
  const all = run("aaa", order);
  const page = withResults("<!-- results -->\n<!-- /results -->", all);
  expect(page).toContain("\n`npm run bench -- latency fleet storm` on a machine, 2026-01-02, commit aaa:\n");
});
