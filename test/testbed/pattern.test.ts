import { expect, it } from "vitest";
import { Schedule } from "../../testbed/fleet/pattern.ts";

it("sends as much as the rate says, whenever it is asked", () => {
  const schedule = new Schedule({ perSecond: 100, burst: 1, share: 1 }, 4);
  expect(schedule.due(0)).toEqual([]);
  expect(schedule.due(25)).toEqual([0, 1]);
  expect(schedule.due(26)).toEqual([]);
  expect(schedule.due(1_000)).toHaveLength(98);
});

it("sends whole bursts only, at the same rate", () => {
  const schedule = new Schedule({ perSecond: 100, burst: 50, share: 1 }, 10);
  expect(schedule.due(499)).toEqual([]);
  expect(schedule.due(500)).toHaveLength(50);
  expect(schedule.due(999)).toEqual([]);
  expect(schedule.due(2_000)).toHaveLength(150);
});

it("goes through the share of the nodes in turn", () => {
  const schedule = new Schedule({ perSecond: 1_000, burst: 1, share: 0.3 }, 10);
  expect(schedule.due(7)).toEqual([0, 1, 2, 0, 1, 2, 0]);
  expect(schedule.due(8)).toEqual([1]);
});

it("has one node at least, and nothing to send at rate 0", () => {
  expect(new Schedule({ perSecond: 10, burst: 1, share: 0.01 }, 3).due(200)).toEqual([0, 0]);
  expect(new Schedule({ perSecond: 0, burst: 1, share: 1 }, 3).due(10_000)).toEqual([]);
});
