import { describe, expect, it } from "vitest";
import { Flaps } from "../../cloudhub/flaps.ts";
import { Slots } from "../../cloudhub/slots.ts";
import type { HubError, NodeId } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";

const node = (name: string) => name as NodeId;

describe("a node that connects again and again", () => {
  const pace = { burst: 5, perSecond: 0.2 };

  it("is slowed down after a burst, to once in five seconds, and told when it may come", () => {
    const flaps = new Flaps(pace);
    const answers: number[] = [];
    for (let second = 0; second < 20; second++) answers.push(flaps.connects(node("a"), second * 1_000));
    // Five at once, and what it earns meanwhile: one at 0, 1, 2, 3, 4, 5 s, then one every five.
    expect(answers.map((one) => one === 0)).toEqual(
      Array.from({ length: 20 }, (_, second) => second <= 5 || second % 5 === 0),
    );
    expect(answers[6]).toBeCloseTo(4_000);
  });

  it("is shown as flapping until it has been quiet, and others are not", () => {
    const flaps = new Flaps(pace);
    for (let i = 0; i < 6; i++) flaps.connects(node("a"), i);
    flaps.connects(node("b"), 6);
    expect([flaps.isFlapping(node("a"), 6), flaps.isFlapping(node("b"), 6), flaps.count(6)]).toEqual([
      true,
      false,
      1,
    ]);
    expect([flaps.isFlapping(node("a"), 26_000), flaps.count(26_000)]).toEqual([false, 0]);
    expect(flaps.connects(node("a"), 26_000)).toBe(0);
  });

  it("that came long ago is forgotten: ten thousand nodes in turn leave few behind", () => {
    const flaps = new Flaps(pace);
    for (let i = 0; i < 10_000; i++) flaps.connects(node(`n${i}`), i * 1_000);
    expect(flaps.size).toBeLessThan(200);
  });
});

describe("slots", () => {
  const open = (options = { atOnce: 2, maxWaiting: 2 }) => {
    const clock = new FakeClock();
    return { clock, slots: new Slots(clock, options) };
  };

  it("are crowded when half as many wait as may", async () => {
    const { slots } = open({ atOnce: 2, maxWaiting: 2 });
    const [first] = await Promise.all([slots.enter(), slots.enter()]);
    expect(slots.isCrowded).toBe(false);
    const third = slots.enter();
    expect(slots.isCrowded).toBe(true);
    first?.();
    await third;
    expect(slots.isCrowded).toBe(false);
    const none = open({ atOnce: 1, maxWaiting: 0 }).slots;
    await none.enter();
    await expect(none.enter()).rejects.toMatchObject({ code: "E_BUSY" });
    expect(none.isCrowded).toBe(false);
  });

  it("let in so many at once, the others in the order in which they came", async () => {
    const { slots } = open();
    const [first] = await Promise.all([slots.enter(), slots.enter()]);
    const order: string[] = [];
    const third = slots.enter().then(() => order.push("third"));
    const fourth = slots.enter().then((leave) => {
      order.push("fourth");
      leave();
    });
    expect([slots.inside, slots.waiting]).toEqual([2, 2]);
    first?.();
    await third;
    first?.();
    expect([slots.inside, slots.waiting, order]).toEqual([2, 1, ["third"]]);
    void fourth;
  });

  it("tell one too many to come again, each a bit later than the one before", async () => {
    const { slots, clock } = open({ atOnce: 1, maxWaiting: 1 });
    const leaves = [await slots.enter()];
    // One leaves every two seconds, and the next one comes in.
    for (let i = 0; i < 50; i++) {
      const next = slots.enter();
      await clock.advance(2_000);
      leaves.shift()?.();
      leaves.push(await next);
    }
    void slots.enter();
    const told: number[] = [];
    for (let i = 0; i < 5; i++)
      await slots.enter().catch((error: HubError) => told.push(error.retryAfterMs ?? 0));
    expect(told).toHaveLength(5);
    for (let i = 1; i < 5; i++) expect((told[i] ?? 0) - (told[i - 1] ?? 0)).toBeGreaterThan(1_500);
    expect(Math.max(...told)).toBeLessThanOrEqual(60_000);
  });

  it("are not held for ever by one that does not leave", async () => {
    const { slots, clock } = open({ atOnce: 1, maxWaiting: 1 });
    await slots.enter();
    const second = slots.enter();
    await clock.advance(5_000);
    await second;
    expect(slots.inside).toBe(1);
  });

  it("send away who has waited ten seconds", async () => {
    const { slots, clock } = open({ atOnce: 1, maxWaiting: 4 });
    await slots.enter();
    const waiting = [1, 2, 3].map(() => slots.enter().catch((error: HubError) => error.code));
    await clock.advance(10_000);
    await clock.advance(10_000);
    expect(await Promise.all(waiting.map((one) => Promise.race([one, "waits"])))).toContain("E_BUSY");
    expect(slots.waiting).toBe(0);
  });
});
