import { expect, it } from "vitest";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";

it("runs work of one key in order and of different keys at once", async () => {
  const lanes = new KeyedLanes();
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const work = (name: string) => () =>
    new Promise<string>((resolve) => {
      log.push(`${name} begins`);
      gates.set(name, () => resolve(name));
    });
  const results = [lanes.run("a", work("a1")), lanes.run("a", work("a2")), lanes.run("b", work("b1"))];
  await Promise.resolve();
  expect(log).toEqual(["a1 begins", "b1 begins"]);
  gates.get("a1")?.();
  await results[0];
  await Promise.resolve();
  expect(log).toEqual(["a1 begins", "b1 begins", "a2 begins"]);
  gates.get("a2")?.();
  gates.get("b1")?.();
  expect(await Promise.all(results)).toEqual(["a1", "a2", "b1"]);
  await lanes.idle();
  expect(lanes.size).toBe(0);
});

it("goes on after work that failed", async () => {
  const lanes = new KeyedLanes();
  const failing = lanes.run("a", () => Promise.reject(new Error("no")));
  const next = lanes.run("a", () => Promise.resolve("yes"));
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
});
