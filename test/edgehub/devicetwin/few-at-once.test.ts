import { expect, it } from "vitest";
import { FewAtOnce } from "../../../edgehub/devicetwin/few-at-once.ts";
import { TwinWorld } from "./twin-world.ts";

it("runs work in order, so much of it at once, whatever becomes of it", async () => {
  const few = new FewAtOnce(2);
  const begun: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = [0, 1, 2, 3].map((number) =>
    few.run(() => {
      begun.push(number);
      const end = Promise.withResolvers<void>();
      ends.push(end);
      return end.promise;
    }),
  );
  const outcomes = Promise.allSettled(all);
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  await turn();
  expect(begun).toEqual([0, 1]);
  ends[1]?.reject(new Error("it fails"));
  await turn();
  expect(begun).toEqual([0, 1, 2]);
  ends[0]?.resolve();
  await turn();
  expect(begun).toEqual([0, 1, 2, 3]);
  for (const end of ends) end.resolve();
  expect((await outcomes).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
});

it("a thousand questions at once for all devices are answered a few to a commit", async () => {
  const world = await TwinWorld.start();
  await world.addDevices({ id: "d1", name: "d1", twin: {} });
  let most = 0;
  let now = 0;
  const write = world.store.write.bind(world.store);
  world.store.write = async (...args) => {
    most = Math.max(most, ++now);
    try {
      return await write(...args);
    } finally {
      now--;
    }
  };
  const asked = Array.from({ length: 1_000 }, (_, i) =>
    world.report("$hw/events/node/edge-a/membership/get", { event_id: `${i}` }),
  );
  await Promise.all(asked);
  await world.twin.stop(new AbortController().signal);
  const answers = world.told().map(({ document }) => document.event_id);
  expect(answers.map(Number)).toEqual([...answers.keys()]);
  expect(answers).toHaveLength(1_000);
  expect(most).toBeLessThanOrEqual(64);
});
