import { expect, it, test } from "vitest";
import { counted, formatAge, formatBytes, formatDuration, parseDuration } from "../../platform/quantities.ts";

test.each([
  ["500ms", 500],
  ["90s", 90_000],
  ["24h", 86_400_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1_500],
  ["2w", 1_209_600_000],
  ["7d", 604_800_000],
])("reads the duration %s", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "5", "h", "5 h", "-1s", "0s", "1h30", "1x", "1s2", "9999999999999999w"])(
  "refuses %j as a duration, and says how one is written",
  (text) => {
    expect(() => parseDuration(text)).toThrow(
      /a duration is a number with a unit .*, 1ms at least, such as 90s, 24h or 1h30m/,
    );
  },
);

test.each([
  [0, "0ms"],
  [999.4, "999ms"],
  [1_449, "1.4s"],
  [9_999, "9.9s"],
  [10_000, "10s"],
  [200_000, "3m20s"],
  [3_600_000, "1h"],
  [18_600_000, "5h10m"],
  [187_200_000, "2d4h"],
  [-5, "0ms"],
])("writes %d ms as %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

it("tells ages from now, before and after it", () => {
  const now = 1_000_000_000;
  expect(formatAge(now - 3_100, now)).toBe("3s ago");
  expect(formatAge(now + 7_200_000, now)).toBe("in 2h");
  expect(formatAge(now - 200, now)).toBe("now");
});

it("writes sizes in binary units", () => {
  expect([0, 1023, 1024, 1500, 200_000, 5 << 20, 3 * 2 ** 30, 2 ** 41].map(formatBytes)).toEqual([
    "0 B",
    "1023 B",
    "1 KiB",
    "1.5 KiB",
    "195 KiB",
    "5 MiB",
    "3 GiB",
    "2 TiB",
  ]);
});

it("counts in words", () => {
  expect([counted(1, "message"), counted(0, "message"), counted(2, "box", "boxes")]).toEqual([
    "1 message",
    "0 messages",
    "2 boxes",
  ]);
});
