import { expect, it } from "vitest";
import { randomOf, seeds } from "../../support/seeds.ts";
import { device, startBus } from "./harness.ts";
import { connectPacket, lengthBytes, publishPacket, rawClient } from "./raw-client.ts";

const text = (value: string): number[] => [0, value.length, ...Buffer.from(value)];
const packet = (first: number, body: readonly number[]): Buffer =>
  Buffer.from([first, ...lengthBytes(body.length), ...body]);

/** One of each kind, well formed. */
const samples: readonly Buffer[] = [
  connectPacket("other"),
  publishPacket("a/user/b", "x"),
  publishPacket("$hw/events/device/d/twin/update", "{}"),
  packet(0x34, [...text("a/user/2"), 0, 2, 0x78]),
  packet(0x62, [0, 2]),
  packet(0x40, [0, 1]),
  packet(0x50, [0, 1]),
  packet(0x70, [0, 1]),
  packet(0x82, [0, 3, ...text("a/#"), 1]),
  packet(0x82, [0, 4, ...text("+/b"), 2, ...text("$SYS/#"), 0]),
  packet(0xa2, [0, 5, ...text("a/#")]),
  packet(0xc0, []),
  packet(0xe0, []),
];

/** Some samples behind each other, a few bytes of them changed, doubled or gone. */
function garbled(random: () => number): Buffer {
  const below = (count: number): number => Math.floor(random() * count);
  const bytes = [
    ...Buffer.concat(Array.from({ length: 1 + below(6) }, () => samples[below(samples.length)] as Buffer)),
  ];
  for (let changes = below(4); changes > 0; changes--) {
    const at = below(bytes.length);
    const kind = below(3);
    if (kind === 0) bytes[at] = below(256);
    else if (kind === 1) bytes.splice(at, 1 + below(3));
    else bytes.splice(at, 0, ...bytes.slice(at, at + below(5)));
  }
  return Buffer.from(bytes);
}

it.each(seeds(10))("outlives whatever clients send, seed %i", async (seed) => {
  const random = randomOf(seed);
  const world = await startBus();
  for (let client = 0; client < 20; client++) {
    const raw = await rawClient(world.port());
    if (random() < 0.9) raw.write(connectPacket(random() < 0.5 ? "same" : `c${client}`));
    const bytes = garbled(random);
    const cut = Math.floor(random() * bytes.length);
    raw.write(bytes.subarray(0, cut));
    raw.write(bytes.subarray(cut));
  }
  const good = await device(`mqtt://127.0.0.1:${world.port()}`);
  await good.publishAsync("a/user/last", "fine", { qos: 1 });
  expect(world.outbox()).toContainEqual({ topic: "a/user/last", content: "fine" });
  expect(world.failures).toEqual([]);
});
