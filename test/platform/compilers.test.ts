import { expect, it } from "vitest";
import { optimizeWhenBusy, saveMemory } from "../../platform/compilers.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** @returns The flags that are set when each second has used so much CPU time, ms. */
async function flagsAfter(seconds: readonly number[]): Promise<string[]> {
  const clock = new FakeClock();
  const flags: string[] = [];
  let used = 5000;
  optimizeWhenBusy(clock, { set: (flag) => flags.push(flag), cpuMs: () => used });
  for (const cpu of seconds) {
    used += cpu;
    await clock.advance(1000);
  }
  return flags;
}

it("leaves the optimising compilers out", () => {
  const flags: string[] = [];
  saveMemory((flag) => flags.push(flag));
  expect(flags).toEqual(["--optimize-for-size", "--no-maglev", "--no-turbofan"]);
});

it("brings the optimising compilers back when two seconds on end are busy", async () => {
  expect(await flagsAfter([251, 251])).toEqual(["--maglev", "--turbofan"]);
  expect(await flagsAfter([20, 900, 20, 900, 900, 900, 900])).toEqual(["--maglev", "--turbofan"]);
});

it("leaves a program without them that is busy for moments only", async () => {
  expect(await flagsAfter([900, 249, 900, 20, 900, 20])).toEqual([]);
});
