import { describe, expect, it } from "vitest";
import { D, device, TwinWorld, update } from "./twin-world.ts";

describe("reading", () => {
  it("answers for what it does not know, and for what it cannot read", async () => {
    const world = await TwinWorld.start();
    await world.report(`${D}/ghost/twin/get`, { event_id: "tg" });
    await world.report(`${D}/ghost/twin/get`, "{");
    await world.report("$hw/events/node/edge-a/membership/get", "[]");
    expect(world.told()).toMatchObject([
      {
        topic: `${D}/ghost/twin/get/result`,
        document: { event_id: "tg", code: 404, reason: "Device ghost not found while getting twin" },
      },
      { topic: `${D}/ghost/twin/get/result`, document: { event_id: "", code: 400 } },
      { topic: "$hw/events/node/edge-a/membership/get/result", document: { event_id: "", code: 400 } },
    ]);
  });

  it("lists devices with their attributes, without their twins", async () => {
    const world = await TwinWorld.start();
    const twin = { t: { expected: { value: "1" }, expected_version: { cloud: 1, edge: 0 } } };
    await world.addDevices(device("d", { description: "lamp", attributes: { a: { value: "v" } }, twin }));
    await world.report("$hw/events/node/whatever/membership/get", { event_id: "g1" });
    expect(world.told()).toEqual([
      {
        topic: "$hw/events/node/edge-a/membership/get/result",
        document: {
          event_id: "g1",
          timestamp: expect.any(Number),
          devices: [
            {
              id: "d",
              name: "d",
              description: "lamp",
              attributes: { a: { value: "v", optional: true, metadata: { type: "string" } } },
            },
          ],
        },
      },
    ]);
  });

  it("passes over topics that are none of its own", async () => {
    const world = await TwinWorld.start();
    await world.report(`${D}/d/twin/update/result`, "{}");
    await world.report("x", "{}");
    expect(world.told()).toEqual([]);
  });
});

describe("a device's state", () => {
  it("is told to programs and, as text, to the cloud", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"), device("ns/d"));
    await world.report(`${D}/d/state/update`, { event_id: "s", state: "Online" });
    await world.report(`${D}/ns/d/state/update`, { event_id: "s", state: "ok" });
    await world.report(`${D}/ns/d/state/update`, { event_id: "s", state: "unhealthy" });
    const [old, up, down] = world.told();
    expect(old).toMatchObject({
      topic: `${D}/d/state/update/result`,
      document: {
        event_id: expect.stringMatching(/^[-0-9a-f]{36}$/),
        device: {
          name: "d",
          state: "Online",
          last_online: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/),
        },
      },
    });
    expect(up?.document.device).toEqual({
      name: "ns/d",
      state: "ok",
      lastOnlineTime: "2026-01-01T00:00:00Z",
    });
    expect(down?.document.device).toEqual({ name: "ns/d", state: "unhealthy" });
    const [sent] = world.send();
    expect(sent).toMatchObject({ resource: "device/d/state/update", content: JSON.stringify(old?.document) });
  });

  it.each([
    ["d", { state: "unhealthy" }],
    ["ns/d", { state: "disconnected" }],
    ["d", { state: "" }],
    ["d", { state: 1 }],
    ["d", "{"],
    ["ghost", { state: "online" }],
  ])("of %s that says %j is passed over in silence", async (id, payload) => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"), device("ns/d"));
    await world.report(`${D}/${id}/state/update`, payload);
    expect([world.told(), world.waiting()]).toEqual([[], []]);
  });
});

describe("without a broker, or with a slow one", () => {
  it("takes reports all the same, and says once that nobody could be told", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    world.bus.offerMqtt(undefined);
    for (const value of ["1", "2"]) await world.report(`${D}/d/twin/update`, update(value));
    expect(world.waiting()).toHaveLength(2);
    expect(world.log.lines.filter(({ event }) => event === "a document of a device is lost")).toHaveLength(1);
  });

  it("is not waited for by other devices, nor by reports", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("slow"), device("fast"));
    const topics: string[] = [];
    world.bus.offerMqtt({
      publish: (topic) =>
        topic.includes("/slow/") ? new Promise<void>(() => {}) : Promise.resolve(void topics.push(topic)),
    });
    for (const id of ["slow", "fast", "slow"]) await world.report(`${D}/${id}/twin/update`, update("1"));
    expect(topics).toContain(`${D}/fast/twin/update/result`);
    expect(world.waiting()).toHaveLength(3);
  });

  it("tells a device's documents one after the other", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    const events: string[] = [];
    world.bus.offerMqtt({
      publish: async (topic) => {
        events.push(`begin ${topic}`);
        for (let turn = 0; turn < 3; turn++) await Promise.resolve();
        events.push(`end ${topic}`);
      },
    });
    await world.report(`${D}/d/twin/update`, update("1"));
    await world.report(`${D}/d/twin/get`, {});
    await world.twin.stop(new AbortController().signal);
    expect(events).toEqual(
      ["update/result", "update/document", "get/result"].flatMap((what) =>
        ["begin", "end"].map((word) => `${word} ${D}/d/twin/${what}`),
      ),
    );
  });
});

describe("what can never be taken", () => {
  it("is confirmed to its sender, who could not do better the next time", async () => {
    const world = await TwinWorld.start({ twin: { maxDevices: 1 }, store: { outbox: { maxBytes: 1_000 } } });
    await world.addDevices(device("d"));
    const added_devices = [device("more")];
    await world.report("$hw/events/node/n/membership/updated", { added_devices });
    await world.report("$hw/events/node/n/membership/get", {});
    expect(world.told()).toMatchObject([{ document: { devices: [{ id: "d" }] } }]);
    const wanted = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`p${i}`, { actual: { value: "1" } }]),
    );
    await world.report(`${D}/d/twin/update`, { event_id: "u", twin: wanted });
    expect(world.told()).toMatchObject([{ document: { event_id: "u", code: 500 } }]);
    expect(world.waiting()).toEqual([]);
  });
});
