import fc from "fast-check";
import { expect, it } from "vitest";
import { PacketGauge } from "../../../edgehub/eventbus/packet-gauge.ts";
import { lengthBytes } from "./raw-client.ts";

const packetOf = (length: number): Buffer =>
  Buffer.concat([Buffer.from([0x30, ...lengthBytes(length)]), Buffer.alloc(length, 0xff)]);

it("lets packets of the largest size pass, however they are cut", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 10 });
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 50 }), (all, step) => {
      const gauge = new PacketGauge(300);
      const bytes = Buffer.concat(all.map(packetOf));
      for (let at = 0; at < bytes.length; at += step)
        expect(gauge.push(bytes.subarray(at, at + step))).toBe(true);
    }),
  );
});

it("notices one that is too large at its header, wherever it stands", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 301, max: 268_435_455 }),
      fc.integer({ min: 0, max: 5 }),
      (length, before) => {
        const gauge = new PacketGauge(300);
        for (let i = 0; i < before; i++) expect(gauge.push(packetOf(300))).toBe(true);
        const header = [0x30, ...lengthBytes(length)];
        expect(header.every((byte) => gauge.push(Uint8Array.of(byte)))).toBe(false);
      },
    ),
  );
});

it("notices a length of more than four bytes", () => {
  const gauge = new PacketGauge(Number.MAX_SAFE_INTEGER);
  expect(gauge.push(Uint8Array.of(0x30, 0x80, 0x80, 0x80, 0x80, 0x01))).toBe(false);
});
