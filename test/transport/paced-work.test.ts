import { expect, it } from "vitest";
import { PacedWork } from "../../transport/index.ts";
import { FakeClock } from "../support/fake-clock.ts";

it("does a burst at once and the rest at its pace, in order", async () => {
  const clock = new FakeClock();
  const done: [string, number][] = [];
  const work = new PacedWork(clock, { burst: 2, perSecond: 100 });
  const add = (name: string, also?: () => void) =>
    work.add(() => {
      done.push([name, clock.now()]);
      also?.();
    });
  for (const name of ["a", "b", "c"]) add(name);
  add("d", () => add("e"));
  await clock.advance(1_000);
  expect(done).toEqual([
    ["a", 0],
    ["b", 0],
    ["c", 10],
    ["d", 20],
    ["e", 30],
  ]);
  add("f");
  expect(done.at(-1)).toEqual(["f", 1_000]);
});

it("forgets what is taken back, and everything when it is closed", async () => {
  const clock = new FakeClock();
  const done: string[] = [];
  const work = new PacedWork(clock, { burst: 1, perSecond: 100 });
  const jobs = ["a", "b", "c", "d"].map((name) => () => void done.push(name));
  for (const job of jobs) work.add(job);
  work.remove(jobs[1] as () => void);
  await clock.advance(10);
  expect(done).toEqual(["a", "c"]);
  work.close();
  await clock.advance(1_000);
  expect(done).toEqual(["a", "c"]);
  work.add(() => void done.push("e"));
  expect(done).toEqual(["a", "c", "e"]);
});

it("does the first one before its turn for who needs it", async () => {
  const clock = new FakeClock();
  const done: string[] = [];
  const work = new PacedWork(clock, { burst: 1, perSecond: 100 });
  for (const name of ["a", "b", "c"]) work.add(() => void done.push(name));
  expect(work.doFirst()).toBe(true);
  expect(done).toEqual(["a", "b"]);
  await clock.advance(10);
  expect(done).toEqual(["a", "b", "c"]);
  expect(work.doFirst()).toBe(false);
});
