import fc from "fast-check";
import { expect, it } from "vitest";
import { Inflow } from "../../transport/inflow.ts";
import { startWorld } from "../support/world.ts";

const options = { perTurnBytes: 10_000, bytesPerSecond: 100_000, burstBytes: 50_000 };

it("reads a bit at a time, at first as fast as it comes", () => {
  const inflow = new Inflow(options);
  const rests = Array.from({ length: 100 }, () => inflow.add(700, 0)).filter((rest) => rest !== undefined);
  expect(rests.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
  expect(rests[5]).toBe(100);
});

it("leaves small messages now and then alone", () => {
  const inflow = new Inflow(options);
  for (let at = 0; at < 100_000; at += 100) expect(inflow.add(100, at) ?? 0).toBe(0);
});

it("goes on after a second at the latest, whatever is owed", () => {
  const inflow = new Inflow(options);
  expect(inflow.add(16 << 20, 0)).toBe(1_000);
});

it("takes a quarter while others are being served", () => {
  let crowded = false;
  const inflow = new Inflow({ ...options, isCrowded: () => crowded });
  expect(inflow.add(60_000 - 300, 0)).toBe(100);
  crowded = true;
  expect(inflow.add(10_000 - 300, 100)).toBe(700);
});

it("takes no more in the long run than it may, and all of that, from a peer that always has more", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 400, maxLength: 400 }),
      (sizes) => {
        const inflow = new Inflow(options);
        let now = 0;
        let taken = 0;
        for (const size of sizes) {
          const rest = inflow.add(size, now);
          taken += size + 300;
          const allowed = options.burstBytes + (now * options.bytesPerSecond) / 1_000;
          expect(taken).toBeLessThanOrEqual(allowed + options.perTurnBytes + 30_300);
          now += rest ?? 0;
        }
        const allowed = options.burstBytes + (now * options.bytesPerSecond) / 1_000;
        expect(taken).toBeGreaterThan(allowed * 0.8);
      },
    ),
    { numRuns: 100 },
  );
});

it("keeps a node that sends too much waiting, and loses nothing", async () => {
  const world = await startWorld({ limits: { nodeBytesPerSecond: 200_000 } });
  const agent = await world.agent("edge-1");
  const count = 200;
  const sent = Array.from({ length: count }, (_, i) => i);
  for (const i of sent) {
    const content = { i, padding: "x".repeat(700) };
    await agent.publish({
      source: "bus",
      group: "user",
      operation: "upload",
      resource: "sensors/t",
      content,
    });
  }
  const got: number[] = [];
  for await (const { message, ack } of world.hub.subscribe({ groups: ["user"] })) {
    got.push((JSON.parse(new TextDecoder().decode(message.content)) as { i: number }).i);
    ack();
    if (got.length === count) break;
  }
  expect(got).toEqual(sent);
});
