import { expect, it, test } from "vitest";
import { Backoff, HubError } from "../../protocol/index.ts";
import { parseRetryAfter, retryAfterOf } from "../../transport/http-refusal.ts";
import { Redial } from "../../transport/redial.ts";
import { FakeClock } from "../support/fake-clock.ts";

/** The pauses between dials that all fail so. */
async function pausesAfter(error: HubError, random: number): Promise<number[]> {
  const clock = new FakeClock();
  const pauses: number[] = [];
  const redial = new Redial<never>({
    clock,
    backoff: new Backoff({ minMs: 500, maxMs: 30_000 }, () => random),
    dial: () => Promise.reject(error),
    use: () => Promise.reject(error),
    failed: (_error, delayMs) => pauses.push(delayMs),
  });
  redial.start();
  await clock.advance(200_000);
  await redial.stop();
  return pauses;
}

it("comes again when the hub said, and not in step with others", async () => {
  const busy = new HubError("E_BUSY", "full", { retryAfterMs: 10_000 });
  expect((await pausesAfter(busy, 0)).slice(0, 3)).toEqual([10_000, 10_000, 10_000]);
  expect((await pausesAfter(busy, 0.5)).slice(0, 3)).toEqual([12_500, 12_500, 12_500]);
});

it("waits for five seconds where the hub is busy and does not say for how long", async () => {
  expect((await pausesAfter(new HubError("E_FLAPPING", "slow down"), 0))[0]).toBe(5_000);
});

it("doubles its pauses where nobody answers", async () => {
  expect((await pausesAfter(new HubError("E_LINK_LOST", "gone"), 1)).slice(0, 3)).toEqual([
    500, 1_000, 2_000,
  ]);
});

test.each([
  ["3", 3_000],
  ["0", 0],
  ["99999", 3_600_000],
  ["-1", undefined],
  ["soon", undefined],
  ["Wed, 21 Oct 2026 07:28:00 GMT", undefined],
  [undefined, undefined],
])("reads Retry-After: %s", (header, ms) => {
  expect(parseRetryAfter(header)).toBe(ms);
});

test("writes Retry-After in whole seconds, at least one", () => {
  const after = (retryAfterMs?: number) => retryAfterOf(new HubError("E_BUSY", "", { retryAfterMs }));
  expect([after(), after(1), after(1_000), after(1_001)]).toEqual([undefined, "1", "1", "2"]);
});

it("dials again soon where nobody answers at all, and with growing pauses only much later", async () => {
  const pauses = await pausesAfter(new HubError("E_TIMEOUT", "nobody answered"), 1);
  expect(pauses.slice(0, 60)).toEqual(Array.from({ length: 60 }, () => 500));
  expect(pauses.slice(60, 63)).toEqual([500, 1_000, 2_000]);
});
