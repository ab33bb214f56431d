import { expect, it } from "vitest";
import { forEachAtOnce } from "../../platform/at-once.ts";

/** Work that ends when the test says so. */
function bench() {
  const begun: number[] = [];
  const ends = new Map<number, (error?: Error) => void>();
  const work = (item: number): Promise<void> => {
    begun.push(item);
    return new Promise((resolve, reject) => {
      ends.set(item, (error) => (error === undefined ? resolve() : reject(error)));
    });
  };
  const end = async (item: number, error?: Error): Promise<void> => {
    ends.get(item)?.(error);
    await new Promise(setImmediate);
  };
  return { begun, work, end };
}

it("does so many at a time, in their order", async () => {
  const { begun, work, end } = bench();
  const all = forEachAtOnce(3, [1, 2, 3, 4, 5], work);
  expect(begun).toEqual([1, 2, 3]);
  await end(2);
  expect(begun).toEqual([1, 2, 3, 4]);
  await end(1);
  expect(begun).toEqual([1, 2, 3, 4, 5]);
  for (const item of [3, 4, 5]) await end(item);
  await expect(all).resolves.toBeUndefined();
});

it("begins nothing after a failure, and waits for what has begun", async () => {
  const { begun, work, end } = bench();
  let told: unknown;
  const all = forEachAtOnce(2, [1, 2, 3, 4], work).catch((error: unknown) => {
    told = error;
  });
  await end(1, new Error("first"));
  expect({ begun, told }).toEqual({ begun: [1, 2], told: undefined });
  await end(2, new Error("second"));
  await all;
  expect(told).toEqual(new Error("first"));
  expect(begun).toEqual([1, 2]);
});

it("is done at once with nothing", async () => {
  await expect(forEachAtOnce(8, [], () => Promise.reject(new Error("never")))).resolves.toBeUndefined();
});
