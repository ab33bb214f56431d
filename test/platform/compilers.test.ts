import { expect, it } from "vitest";
import { optimizeWhenBusy, saveMemory } from "../../platform/compilers.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** @returns The flags, and the size of the buffers' pool, that are set when each second has used so much CPU time, ms. */
async function flagsAfter(seconds: readonly number[]): Promise<string[]> {
  const clock = new FakeClock();
  const flags: string[] = [];
  const buffers = { poolSize: 0 };
  let used = 5000;
  optimizeWhenBusy(clock, { set: (flag) => flags.push(flag), cpuMs: () => used, buffers });
  for (const cpu of seconds) {
    used += cpu;
    await clock.advance(1000);
  }
  return buffers.poolSize === 0 ? flags : [...flags, `buffers: ${buffers.poolSize}`];
}

const busy = (seconds: number, cpu: number): number[] => Array(seconds).fill(cpu);

const fast = ["--maglev", "--turbofan", `buffers: ${Buffer.poolSize}`];

it("leaves the optimising compilers out, and keeps the heap small", () => {
  const flags: string[] = [];
  const buffers = { poolSize: 8192 };
  saveMemory((flag) => flags.push(flag), buffers);
  expect(buffers.poolSize).toBe(0);
  expect(flags).toEqual(["--optimize-for-size", "--no-maglev", "--no-turbofan"]);
});

it("brings back what makes it fast when eight seconds on end are busy", async () => {
  expect(await flagsAfter(busy(8, 251))).toEqual(fast);
  expect(await flagsAfter([20, 900, 20, ...busy(20, 900)])).toEqual(fast);
});

it("leaves a program without them that is busy for moments only", async () => {
  expect(await flagsAfter([...busy(7, 900), 249, ...busy(7, 900), 20])).toEqual([]);
});
