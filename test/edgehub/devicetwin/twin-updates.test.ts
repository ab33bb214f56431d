import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { contentOf } from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { D, device, TwinWorld, update } from "./twin-world.ts";

describe("a twin update", () => {
  it("is answered with result, document and delta, and sent with its versions", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    await world.report(`${D}/d/twin/update`, { event_id: "u1", twin: { t: { expected: { value: "on" } } } });
    const now = world.clock.wallTime() - 1;
    const t = {
      expected: { value: "on", metadata: { timestamp: now } },
      optional: true,
      metadata: { type: "string" },
    };
    expect(world.told()).toEqual([
      { topic: `${D}/d/twin/update/result`, document: { event_id: "u1", timestamp: now, twin: { t } } },
      {
        topic: `${D}/d/twin/update/document`,
        document: { event_id: "u1", timestamp: now, twin: { t: { last: null, current: t } } },
      },
      {
        topic: `${D}/d/twin/update/delta`,
        document: { event_id: expect.any(String), timestamp: now, twin: { t }, delta: { t: "on" } },
      },
    ]);
    expect(world.send()).toEqual([
      {
        id: expect.any(String),
        resource: "device/d/twin/edge_updated",
        content: {
          event_id: expect.any(String),
          timestamp: now,
          twin: { t: { ...t, expected_version: { cloud: 0, edge: 1 } } },
        },
      },
    ]);
  });

  it("says which properties in the order of their names", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    const twin = Object.fromEntries(["b", "a", "_", "B"].map((name) => [name, { actual: { value: "1" } }]));
    await world.report(`${D}/d/twin/update`, { event_id: "u1", twin });
    expect(world.published[0]?.text).toMatch(/"B":.*"_":.*"a":.*"b":/);
  });

  it.each([
    ["no JSON", "{", /^Unmarshal update request body failed, please check the request$/],
    ["not UTF-8", Buffer.from([0x7b, 0xff, 0x7d]), /^Unmarshal/],
    ["nested too deep", `{"twin":${"[".repeat(100)}${"]".repeat(100)}}`, /nested 32 deep/],
    ["too large", `{"event_id":"${"x".repeat(2_000)}"}`, /1024 bytes/],
    ["a list", "[]", /^Unmarshal/],
    ["without twins", '{"event_id":"e"}', /key:twin does not exist$/],
    ["a name that is none", '{"event_id":"e","twin":{"a b":null}}', /^The key of twin/],
    [
      "a value that is none",
      '{"event_id":"e","twin":{"a":{"actual":{"value":"a b"}}}}',
      /^The value of twin/,
    ],
  ])("that is %s is answered under an empty id, and changes nothing", async (_, payload, reason) => {
    const world = await TwinWorld.start({ twin: { maxPayloadBytes: 1_024 } });
    await world.addDevices(device("d"));
    await world.report(`${D}/d/twin/update`, payload);
    expect(world.told()).toEqual([
      {
        topic: `${D}//twin/update/result`,
        document: {
          event_id: "",
          timestamp: expect.any(Number),
          code: 400,
          reason: expect.stringMatching(reason),
        },
      },
    ]);
    expect(world.waiting()).toEqual([]);
    expect(world.log.lines.filter(({ event }) => event === "a message of a device was refused")).toHaveLength(
      1,
    );
  });

  it("with a wrong value is answered on the device's topic, and nothing of it is stored", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    const twin = {
      a: { actual: { value: "1" } },
      b: { actual: { value: "warm" }, metadata: { type: "int" } },
    };
    await world.report(`${D}/d/twin/update`, { event_id: "u4", twin });
    expect(world.told()).toEqual([
      {
        topic: `${D}/d/twin/update/result`,
        document: {
          event_id: "u4",
          timestamp: expect.any(Number),
          code: 400,
          reason: "the value is not int or integer",
        },
      },
    ]);
    await world.report(`${D}/d/twin/get`, { event_id: "g" });
    expect(world.told()[0]?.document).toMatchObject({ event_id: "g", twin: {} });
    expect(world.waiting()).toEqual([]);
  });

  it("of an unknown device is answered with 404", async () => {
    const world = await TwinWorld.start();
    await world.report(`${D}/ns/ghost/twin/update`, update("1", "u5"));
    expect(world.told()).toMatchObject([
      { topic: `${D}/ns/ghost/twin/update/result`, document: { event_id: "u5", code: 404 } },
    ]);
    expect(world.waiting()).toEqual([]);
  });

  it("with more properties than a device may have is refused", async () => {
    const world = await TwinWorld.start({ twin: { maxProperties: 2 } });
    await world.addDevices(device("d"));
    for (const name of ["a", "b", "c"]) await world.report(`${D}/d/twin/update`, update("1", name, name));
    expect(world.told().at(-1)?.document).toMatchObject({ event_id: "c", code: 400, reason: /at most 2/ });
    expect(world.waiting()).toHaveLength(2);
  });

  it("that cannot be stored is answered with 500, and not confirmed to the device", async () => {
    const world = await TwinWorld.start({ store: { outbox: { maxMessages: 1 } } });
    await world.addDevices(device("d"));
    await world.report(`${D}/d/twin/update`, update("1"));
    await expect(world.report(`${D}/d/twin/update`, update("2", "u6"))).rejects.toMatchObject({
      code: "E_OUTBOX_FULL",
      retryable: true,
    });
    expect(world.told().at(-1)).toMatchObject({
      topic: `${D}/d/twin/update/result`,
      document: { event_id: "u6", code: 500 },
    });
    await world.report(`${D}/d/twin/get`, {});
    expect(world.told()[0]?.document).toMatchObject({ twin: { t: { actual: { value: "1" } } } });
  });

  it("keeps its order per device, though many share a commit", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("a"), device("b"));
    const reports = Array.from({ length: 200 }, (_, i) => {
      const payload = Buffer.from(JSON.stringify(update(String(i), `${i}`)));
      return world.bus.report(`${D}/${i % 2 === 0 ? "a" : "b"}/twin/update`, payload);
    });
    await world.clock.advance(0);
    await Promise.all(reports);
    const values = (id: string) =>
      world
        .waiting()
        .filter(({ resource }) => resource.path === `device/${id}/twin/edge_updated`)
        .map(
          (message) =>
            contentOf(message) as { twin: { t: { actual: { value: string }; actual_version: object } } },
        )
        .map(({ twin: { t } }) => [Number(t.actual.value), t.actual_version]);
    const half = Array.from({ length: 100 }, (_, i) => i);
    expect(values("a")).toEqual(half.map((i) => [2 * i, { cloud: 0, edge: i + 1 }]));
    expect(values("b")).toEqual(half.map((i) => [2 * i + 1, { cloud: 0, edge: i + 1 }]));
    await world.twin.stop(new AbortController().signal);
    const results = world.told().filter(({ topic }) => topic === `${D}/a/twin/update/result`);
    expect(results.map(({ document }) => document.event_id)).toEqual(half.map((i) => `${2 * i}`));
  });

  it("is on the disk before it is confirmed to the device, the message for the cloud with it", async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, "edge.db");
    const first = new TwinWorld({ file: { file, create: true } });
    await first.twin.start();
    await first.addDevices(device("d"));
    await first.report(`${D}/d/twin/update`, update("25"));
    // The first one never ends in order: this is what a killed process leaves.
    const second = new TwinWorld({ file: { file, create: false } });
    await second.twin.start();
    await second.report(`${D}/d/twin/get`, { event_id: "g" });
    expect(second.told()[0]?.document).toMatchObject({ twin: { t: { actual: { value: "25" } } } });
    await second.report(`${D}/d/twin/update`, update("26"));
    const versions = second.send().map(({ content }) => (content as { twin: { t: object } }).twin.t);
    expect(versions).toMatchObject([{ actual_version: { edge: 1 } }, { actual_version: { edge: 2 } }]);
    for (const world of [first, second]) world.close();
    directory.remove();
  });
});
