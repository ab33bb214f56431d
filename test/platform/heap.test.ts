import { expect, it } from "vitest";
import { collectWhenGrown, keepYoungHeapSmall } from "../../platform/heap.ts";
import { FakeClock } from "../support/fake-clock.ts";

const mib = 1 << 20;

/** @returns After which of these sizes, MiB, the heap was collected. A collection leaves 10 MiB. */
async function collectedAt(sizes: readonly number[]): Promise<number[]> {
  const clock = new FakeClock();
  const collected: number[] = [];
  let used = 12 * mib;
  const collect = () => {
    collected.push(used / mib);
    used = 10 * mib;
    return Promise.resolve();
  };
  collectWhenGrown(clock, { usedBytes: () => used, collect });
  for (const size of sizes) {
    used = size * mib;
    await clock.advance(30_000);
  }
  return collected;
}

it("collects the heap when it has grown by more than 2 MiB", async () => {
  expect(await collectedAt([13, 14, 14.1])).toEqual([14.1]);
});

it("counts from what was left the last time", async () => {
  expect(await collectedAt([15, 11, 12, 12.5, 12, 13])).toEqual([15, 12.5, 13]);
});

it("counts from the least, when V8 has collected it itself", async () => {
  expect(await collectedAt([14, 8, 10, 10.5])).toEqual([10.5]);
});

it("leaves a heap alone that does not grow", async () => {
  expect(await collectedAt([12, 13, 12, 14, 12])).toEqual([]);
});

it("lets the young heap grow to 4 MiB, and again when V8 has made it smaller", async () => {
  const clock = new FakeClock();
  const flags: string[] = [];
  let bytes = mib;
  keepYoungHeapSmall(clock, () => 0, { bytes: () => bytes, set: (flag) => flags.push(flag) });
  for (const size of [1, 2, 4, 4, 8, 1, 2]) {
    bytes = size * mib;
    await clock.advance(200);
  }
  expect(flags).toEqual(["--semi-space-growth-factor=1", "--semi-space-growth-factor=2"]);
});

it("lets the young heap grow to 32 MiB while there are more than a thousand messages a second", async () => {
  const clock = new FakeClock();
  const flags: string[] = [];
  let messages = 0;
  let bytes = 16 * mib;
  keepYoungHeapSmall(clock, () => messages, { bytes: () => bytes, set: (flag) => flags.push(flag) });
  const said: number[] = [];
  for (const more of [200, 201, 1000, 0, 0]) {
    messages += more;
    await clock.advance(200);
    said.push(flags.length);
  }
  expect(flags).toEqual([
    "--semi-space-growth-factor=1",
    "--semi-space-growth-factor=2",
    "--semi-space-growth-factor=1",
  ]);
  expect(said).toEqual([1, 2, 2, 3, 3]);
  bytes = 32 * mib;
  messages += 1_000;
  await clock.advance(200);
  expect(flags).toHaveLength(3);
});
