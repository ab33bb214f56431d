import { expect, it } from "vitest";
import { type Reconcile, WorkQueue } from "../../controllers/runtime/work-queue.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { recordingLogger } from "../support/recording-logger.ts";

function world(reconcile: Reconcile, concurrency = 2) {
  const clock = new FakeClock();
  const log = recordingLogger();
  return { clock, log, queue: new WorkQueue({ clock, log }, reconcile, { name: "test", concurrency }) };
}

it("looks at a key once, however often it was added, and once more if it is added meanwhile", async () => {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const { clock, queue } = world(async (key) => {
    begun.push(key);
    await new Promise<void>((resolve) => ends.push(resolve));
    return undefined;
  });
  for (const key of ["a", "a", "b", "c", "a"]) queue.add(key);
  await clock.advance(0);
  expect(begun).toEqual(["a", "b"]);
  queue.add("a");
  queue.add("a");
  ends.shift()?.();
  await clock.advance(0);
  ends.shift()?.();
  await clock.advance(0);
  expect(begun).toEqual(["a", "b", "c", "a"]);
});

it("tries again after a failure, later each time, and keeps no other key waiting", async () => {
  const begun: string[] = [];
  const { clock, log, queue } = world(async (key) => {
    begun.push(`${key} ${clock.now()}`);
    if (key === "bad") throw new Error("no");
    return undefined;
  });
  queue.add("bad");
  queue.add("good");
  await clock.advance(1_500);
  expect(begun).toEqual(["bad 0", "good 0", "bad 200", "bad 600", "bad 1400"]);
  expect(log.lines).toHaveLength(1);
});

it("looks again when it was told to, or sooner", async () => {
  const begun: number[] = [];
  const { clock, queue } = world(async () => {
    begun.push(clock.now());
    return 1_000;
  });
  queue.add("a");
  await clock.advance(1_500);
  queue.add("a");
  await clock.advance(1_600);
  expect(begun).toEqual([0, 1_000, 1_500, 2_500]);
});

it("ends what it has begun, and begins nothing more", async () => {
  const begun: string[] = [];
  const { clock, queue } = world(async (key) => {
    begun.push(key);
    return 10;
  }, 1);
  queue.add("a");
  queue.add("b");
  await queue.close();
  await clock.advance(1_000);
  expect(begun).toEqual(["a"]);
});
