import { describe, expect, it } from "vitest";
import { type Budgets, ByteBudget, budgetsOf } from "../../protocol/byte-budget.ts";
import { DeliveryQueue, type Outgoing } from "../../protocol/delivery-queue.ts";
import { queueOptions } from "./queues.ts";

const day = 86_400_000;

describe("a byte budget", () => {
  it("lets a second's worth go at once and then so much a second", () => {
    const budget = new ByteBudget({ perSecond: 1_000, perDay: 0 }, 0);
    let sent = 0;
    for (let now = 0; now < 10_000; now += 10)
      while (!budget.stops(now)) {
        budget.spend(100, now);
        sent += 100;
      }
    expect(sent).toBeGreaterThanOrEqual(10_900);
    expect(sent).toBeLessThanOrEqual(11_200);
  });

  it("lets a large message go, and the next ones wait for it", () => {
    const budget = new ByteBudget({ perSecond: 100, perDay: 0 }, 0);
    budget.spend(1_100, 0);
    expect([budget.stops(0), budget.freeAt(0), budget.stops(9_999), budget.stops(10_000)]).toEqual([
      true,
      10_000,
      true,
      false,
    ]);
  });

  it("of a day ends for what is sent after it, until 24 hours after its first byte", () => {
    const budget = new ByteBudget({ perSecond: 0, perDay: 1_000 }, 0);
    for (const now of [5_000, 6_000]) budget.spend(500, now);
    expect([budget.stops(7_000), budget.freeAt(7_000)]).toEqual([true, 5_000 + day]);
    expect(budget.stops(5_000 + day)).toBe(false);
    budget.spend(999, 5_000 + day);
    expect(budget.stops(6_000 + day)).toBe(false);
  });

  it("counts how often a queue came to a stop, not how often it was asked", () => {
    const budget = new ByteBudget({ perSecond: 100, perDay: 0 }, 0);
    for (let round = 0; round < 3; round++) {
      budget.spend(1_000, round * 100_000);
      for (let i = 0; i < 5; i++) budget.stops(round * 100_000 + i);
      budget.stops(round * 100_000 + 50_000);
    }
    expect(budget.waits).toBe(3);
  });

  it("is there for classes that have one", () => {
    const none = { perSecond: 0, perDay: 0 };
    expect(budgetsOf({ urgent: none, bulk: none }, 0)).toBeUndefined();
    expect(Object.keys(budgetsOf({ urgent: none, bulk: { perSecond: 0, perDay: 5 } }, 0) ?? {})).toEqual([
      "bulk",
    ]);
  });
});

describe("a queue with budgets", () => {
  const queueWith = (budgets: Budgets | undefined) => {
    const queue = new DeliveryQueue<Outgoing>({
      ...queueOptions,
      windowMessages: 100,
      windowBytes: 1 << 20,
      budgets,
    });
    let position = 0;
    const offer = (priority: number): void => {
      const item = {
        position: ++position,
        size: 100,
        kind: "event",
        key: "",
        deleted: false,
        priority,
      } as const;
      queue.offer({ ...item, expiresAt: Number.POSITIVE_INFINITY });
    };
    /** Priorities of what goes at that time. */
    const take = (now: number): number[] => {
      const taken: number[] = [];
      for (let next = queue.take(now, 0); next !== undefined; next = queue.take(now, 0)) {
        queue.spent(next.item, next.item.size, now);
        queue.ack(next.item.position, now);
        taken.push(next.item.priority);
      }
      return taken;
    };
    return { queue, offer, take };
  };
  const limited = { perSecond: 100, perDay: 0 };
  const free = { perSecond: 0, perDay: 0 };

  it("holds bulk back and never what is urgent", () => {
    const { offer, take } = queueWith(budgetsOf({ urgent: free, bulk: limited }, 0));
    for (const priority of [0, 0, 0, 0, -5]) offer(priority);
    expect(take(0)).toEqual([0, 0]);
    offer(20);
    expect(take(1)).toEqual([20]);
  });

  it("sends bulk though what is urgent has spent its own budget", () => {
    const { offer, take } = queueWith(budgetsOf({ urgent: limited, bulk: free }, 0));
    for (const priority of [9, 9, 9, 0]) offer(priority);
    expect(take(0)).toEqual([9, 9, 0]);
  });

  it("wakes when the budget lets the next one go, and not before", () => {
    const { queue, offer, take } = queueWith(budgetsOf({ urgent: free, bulk: limited }, 0));
    for (let i = 0; i < 4; i++) offer(0);
    take(0);
    expect(queue.nextWakeAt(0)).toBe(1_000);
    expect(take(999)).toEqual([]);
    expect(take(1_000)).toEqual([0]);
  });

  it("wakes for nothing where nothing waits", () => {
    const { queue, offer, take } = queueWith(budgetsOf({ urgent: free, bulk: limited }, 0));
    for (let i = 0; i < 2; i++) offer(0);
    take(0);
    expect(queue.nextWakeAt(0)).toBe(Number.POSITIVE_INFINITY);
  });
});
