import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Deadline, Deadlines } from "../../platform/deadlines.ts";
import { CountingClock } from "../support/counting-clock.ts";
import { FakeClock } from "../support/fake-clock.ts";

describe("Deadlines", () => {
  it("tell each item when its moment has come, the earliest first", async () => {
    const clock = new FakeClock();
    const came: string[] = [];
    const deadlines = new Deadlines<string>(clock, (item) => came.push(`${item} at ${clock.now()}`));
    for (const [item, at] of [
      ["c", 30],
      ["a", 10],
      ["b", 20],
    ] as const)
      deadlines.set(deadlines.of(item), at);
    await clock.advance(100);
    expect(came).toEqual(["a at 10", "b at 20", "c at 30"]);
    expect(deadlines.size).toBe(0);
  });

  it("have one timer, and none when nothing is set", async () => {
    const clock = new CountingClock(new FakeClock());
    const deadlines = new Deadlines<number>(clock, () => {});
    const all = Array.from({ length: 100 }, (_, i) => deadlines.of(i));
    for (const deadline of all) deadlines.set(deadline, 1_000 - deadline.item);
    expect(clock.armed).toBe(1);
    for (const deadline of all) deadlines.clear(deadline);
    expect(clock.armed).toBe(0);
  });

  it("may be set from within what a moment brings about", async () => {
    const clock = new FakeClock();
    const came: number[] = [];
    const deadlines = new Deadlines<number>(clock, (item) => {
      came.push(clock.now());
      if (came.length < 3) deadlines.set(deadline, clock.now() + item);
    });
    const deadline = deadlines.of(7);
    deadlines.set(deadline, 7);
    await clock.advance(100);
    expect(came).toEqual([7, 14, 21]);
  });

  it("are not held up by one without a time, or one that fails", async () => {
    const clock = new FakeClock();
    const came: string[] = [];
    const deadlines = new Deadlines<string>(clock, (item) => {
      if (item === "fails") throw new Error(item);
      came.push(item);
    });
    deadlines.set(deadlines.of("late"), 20);
    deadlines.set(deadlines.of("never set"), Number.NaN);
    deadlines.set(deadlines.of("fails"), 10);
    await expect(clock.advance(10)).rejects.toThrow("fails");
    await clock.advance(10);
    expect(came).toEqual(["never set", "late"]);
  });

  it("come in time whatever is set, moved and cleared", async () => {
    const step = fc.record({
      item: fc.nat(19),
      what: fc.constantFrom("set", "clear", "wait"),
      ms: fc.integer({ min: 1, max: 50 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const clock = new FakeClock();
        const wanted = new Map<number, number>();
        const wrong: string[] = [];
        const deadlines = new Deadlines<number>(clock, (item) => {
          if (wanted.get(item) !== clock.now()) wrong.push(`${item} at ${clock.now()}`);
          wanted.delete(item);
        });
        const all: Deadline<number>[] = Array.from({ length: 20 }, (_, i) => deadlines.of(i));
        for (const { item, what, ms } of steps) {
          const deadline = all[item] as Deadline<number>;
          if (what === "wait") await clock.advance(ms);
          else if (what === "clear") {
            deadlines.clear(deadline);
            wanted.delete(item);
          } else {
            deadlines.set(deadline, clock.now() + ms);
            wanted.set(item, clock.now() + ms);
          }
          expect(deadlines.size).toBe(wanted.size);
        }
        await clock.advance(51);
        expect(wrong).toEqual([]);
        expect(wanted.size).toBe(0);
      }),
    );
  });
});
