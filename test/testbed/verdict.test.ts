import { describe, expect, it } from "vitest";
import { verifyProfile, verifyProfiles } from "../../testbed/verify/profiles.ts";
import { Tally } from "../../testbed/verify/tally.ts";
import { faultsOf, type StreamReport } from "../../testbed/verify/verdict.ts";

function tallyOf(complete: "each" | "newest", sent: number, ...arrived: number[]): Tally {
  const tally = new Tally(complete);
  for (let number = 1; number <= sent; number++) tally.sent("lane", number, number);
  for (const number of arrived) tally.arrived("lane", number, 100);
  return tally;
}

describe("a tally of events", () => {
  it("is complete when each has arrived", () => {
    const tally = tallyOf("each", 3, 1, 2, 3);
    expect(tally.isComplete).toBe(true);
    expect(tally.result()).toEqual({
      sent: 3,
      arrived: 3,
      lost: 0,
      superseded: 0,
      duplicated: 0,
      outOfOrder: 0,
      strange: 0,
    });
  });

  it("counts what is lost, comes twice, comes late or was never sent", () => {
    const result = tallyOf("each", 5, 1, 3, 2, 2, 5, 9).result();
    expect(result).toMatchObject({ lost: 1, duplicated: 1, outOfOrder: 1, strange: 1, arrived: 4 });
  });

  it("measures from the sending to the first arrival", () => {
    const tally = tallyOf("each", 1, 1, 1);
    expect([tally.latency.count, tally.latency.max]).toEqual([1, 99]);
  });
});

describe("a tally of state", () => {
  it("needs the newest only", () => {
    const tally = tallyOf("newest", 4, 2, 4);
    expect(tally.isComplete).toBe(true);
    expect(tally.result()).toMatchObject({ lost: 0, superseded: 2, arrived: 2 });
  });

  it("has lost the newest if an older one came instead", () => {
    expect(tallyOf("newest", 4, 1, 3).result()).toMatchObject({ lost: 1, superseded: 1, arrived: 2 });
  });

  it("counts a version that comes after a newer one", () => {
    expect(tallyOf("newest", 2, 2, 1).result()).toMatchObject({ lost: 0, outOfOrder: 1 });
  });
});

describe("the verdict", () => {
  const good: StreamReport = {
    stream: "events up",
    sent: 10,
    arrived: 10,
    lost: 0,
    superseded: 0,
    duplicated: 0,
    outOfOrder: 0,
    strange: 0,
    latencyMs: { p50: 10, p99: 100, max: 120 },
  };
  const judge = (report: Partial<StreamReport>, linksLost = 0, maxP99Ms?: number): string[] =>
    faultsOf({ streams: [{ ...good, ...report }], linksLost, window: 4, maxP99Ms });

  it("is good if all arrived once and in order", () => {
    expect(judge({})).toEqual([]);
  });

  it.each([
    [{ lost: 2 }, "events up: 2 lost"],
    [{ outOfOrder: 1 }, "events up: 1 out of order"],
    [{ strange: 3 }, "events up: 3 arrived that nobody sent"],
    [{ sent: 0, arrived: 0 }, "events up: none could be sent"],
  ])("says what is wrong: %j", (report, said) => {
    expect(judge(report)).toEqual([said]);
  });

  it("excuses repeats only for links that ended, a window for each", () => {
    expect(judge({ duplicated: 8 }, 2)).toEqual([]);
    expect(judge({ duplicated: 9 }, 2)[0]).toMatch(/9 arrived twice, of which 8 are excused/);
    expect(judge({ duplicated: 1 }, 0)).toHaveLength(1);
  });

  it("looks at the time only if it is told to", () => {
    expect(judge({}, 0, 100)).toEqual([]);
    expect(judge({}, 0, 99)).toEqual(["events up: p99 of 100 ms, and 99 ms were allowed"]);
  });
});

describe("profiles", () => {
  it("strike within the test's time", () => {
    for (const { strikes } of verifyProfiles)
      for (const strike of strikes) expect(strike.at + strike.for).toBeLessThan(1);
  });

  it("are known by name, or written as the impairer's fields", () => {
    expect(verifyProfile("flapping").strikes).toHaveLength(8);
    expect(verifyProfile("sat600,lossPercent=5").link).toMatchObject({ delayMs: 300, lossPercent: 5 });
    expect(verifyProfile("flapping,lossPercent=5")).toMatchObject({
      name: "flapping,lossPercent=5",
      link: { delayMs: 25, lossPercent: 5 },
      strikes: verifyProfile("flapping").strikes,
    });
    expect(() => verifyProfile("wifi")).toThrow(/must be a name \(lan, 3g, satellite, .*got "wifi"/);
    expect(() => verifyProfile("3g,speed=1")).toThrow(/speed is not a field/);
  });
});
