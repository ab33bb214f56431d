import { describe, expect, it, test } from "vitest";
import { parseProfile } from "../../testbed/impairer/commands.ts";
import {
  namedProfiles,
  type ProfileFields,
  type ProfileName,
  resolveProfile,
} from "../../testbed/impairer/profile.ts";

describe("a profile", () => {
  test.each(Object.keys(namedProfiles) as ProfileName[])("%s is complete and within bounds", (name) => {
    const { up, down } = resolveProfile(name);
    for (const direction of [up, down]) {
      expect(Object.values(direction).every(Number.isFinite)).toBe(true);
      expect(Object.keys(direction)).toHaveLength(6);
    }
  });

  it("applies to both directions, with differences", () => {
    const { up, down } = resolveProfile({ delayMs: 10, jitterMs: 1, up: { delayMs: 20, lossPercent: 3 } });
    expect(up).toMatchObject({ delayMs: 20, jitterMs: 1, lossPercent: 3 });
    expect(down).toMatchObject({ delayMs: 10, jitterMs: 1, lossPercent: 0 });
  });

  test.each([
    [{ delayMs: -1 }, "up.delayMs must be 0..60000, got -1"],
    [{ down: { lossPercent: 91 } }, "down.lossPercent must be 0..90, got 91"],
    [{ rateBitsPerSecond: 99 }, "up.rateBitsPerSecond must be 100..100000000000, got 99"],
    [{ jitterMs: Number.NaN }, "up.jitterMs must be 0..60000, got null"],
    [{ delay: 5 }, "up.delay is not a field"],
  ])("refuses %j", (fields, text) => {
    expect(() => resolveProfile(fields as ProfileFields)).toThrow(
      expect.objectContaining({ code: "E_BAD_OPTION" }),
    );
    expect(() => resolveProfile(fields as ProfileFields)).toThrow(text);
  });

  it("refuses a name nobody knows", () => {
    expect(() => resolveProfile("wifi" as ProfileName)).toThrow("profile must be one of lan, rtt50");
  });
});

describe("a profile as text", () => {
  const read = (text: string) => resolveProfile(parseProfile(text));

  it("is a name", () => {
    expect(parseProfile("sat600")).toBe("sat600");
  });

  it("is fields, for both ways or one", () => {
    const { up, down } = read("delayMs=100,up.lossPercent=2.5,down.delayMs=50");
    expect(up).toMatchObject({ delayMs: 100, lossPercent: 2.5 });
    expect(down).toMatchObject({ delayMs: 50, lossPercent: 0 });
  });

  it("is a name and what differs", () => {
    const { up, down } = read("lossy3g,lossPercent=0,rateBitsPerSecond=9600,down.delayMs=1");
    expect(up).toMatchObject({ delayMs: 90, lossPercent: 0, rateBitsPerSecond: 9_600 });
    expect(down).toMatchObject({ delayMs: 1, lossPercent: 0, rateBitsPerSecond: 9_600 });
  });

  test.each(["", "wifi", "delayMs", "delayMs=", "delayMs=x", "sat600,", "left.delayMs=1", "lan,sat600"])(
    "refuses %j",
    (text) => {
      expect(() => parseProfile(text)).toThrow(expect.objectContaining({ code: "E_BAD_OPTION" }));
    },
  );

  it("refuses fields that do not exist", () => {
    expect(() => read("lan,speed=3")).toThrow("up.speed is not a field");
  });
});
