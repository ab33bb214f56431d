import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { contentOf } from "../../../protocol/index.ts";
import { messagesOf, readCapture } from "../../interop/capture.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { TwinWorld } from "./twin-world.ts";

const D = "$hw/events/device";
const membershipUpdated = "$hw/events/node/edge-a/membership/updated";
const update = (actual: string, eventId = "e", name = "t") => ({
  event_id: eventId,
  timestamp: 1,
  twin: { [name]: { actual: { value: actual }, metadata: { type: "int" } } },
});
const device = (id: string, more: object = {}) => ({ id, name: id, ...more });

describe("the recorded session of a KubeEdge edge", () => {
  interface Line {
    readonly topic: string;
    readonly text: string;
    readonly timestamp: number;
  }

  const file = new URL("../../fixtures/captures/f-device-mqtt.log", import.meta.url);
  const lines: Line[] = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const space = line.indexOf(" ");
      const text = line.slice(space + 1);
      return { topic: line.slice(0, space), text, timestamp: (JSON.parse(text) as Line).timestamp };
    });
  const isRequest = ({ topic }: Line) =>
    /(membership\/get|twin\/get|twin\/update|state\/update)$/.test(topic);
  const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
  const withoutIds = (text: string) => text.replace(uuid, "an-id");
  /** Its own time: an edge sends a moment after it has decided. */
  const withoutTime = (text: string) =>
    withoutIds(text).replace(/"timestamp":\d+,"twin"/, '"timestamp":0,"twin"');

  it("is published byte for byte, and sent to the cloud as it was", async () => {
    vi.stubEnv("TZ", "UTC");
    const clock = new FakeClock(lines[0]?.timestamp ?? 0);
    const world = await TwinWorld.start({ clock });
    const capture = messagesOf(readCapture("f-device"));
    const memberships = capture.filter(
      ({ from, message }) => from === "cloud" && message.route.resource === "membership",
    );
    const published: string[] = [];
    for (const [at, line] of lines.entries()) {
      const answer = lines[at + 1];
      if (line.topic === membershipUpdated || isRequest(line)) {
        const due = line.topic === membershipUpdated ? line : answer;
        await clock.advance((due?.timestamp ?? 0) - clock.wallTime());
      }
      if (line.topic === membershipUpdated) {
        const { content } = memberships.shift()?.message ?? {};
        await world.handle({ resource: "membership", content });
      } else if (isRequest(line)) await world.report(line.topic, line.text);
      published.push(...world.published.splice(0).map(({ topic, text }) => `${topic} ${withoutIds(text)}`));
    }
    const wanted = lines.filter((line) => !isRequest(line));
    expect(published).toEqual(wanted.map(({ topic, text }) => `${topic} ${withoutIds(text)}`));

    const sent = capture.filter(({ from, message }) => from === "edge" && message.route.source === "twin");
    expect(world.waiting().map((message) => [message.operation, message.group, message.source])).toEqual(
      sent.map(({ message }) => [message.route.operation, message.route.group, message.route.source]),
    );
    expect(
      world
        .waiting()
        .map((message) => [message.resource.path, withoutTime(Buffer.from(message.content).toString())]),
    ).toEqual(
      sent.map(({ message }) => [message.route.resource, withoutTime(JSON.stringify(message.content))]),
    );
  });
});

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

describe("membership from the cloud", () => {
  const content = (added: object[] | null, removed: object[] | null) => ({
    event_id: "m",
    timestamp: 1,
    added_devices: added,
    removed_devices: removed,
  });

  it("tells one message per device, without versions, whether it comes as an object or as its text", async () => {
    const world = await TwinWorld.start();
    const twin = { t: { expected: { value: "1" }, expected_version: { cloud: 1, edge: 0 } } };
    const added = content([device("a", { twin, extra: 1, description: "" }), device("b")], null);
    await world.handle({ resource: "membership", content: JSON.stringify(added) });
    await world.handle({ resource: "membership", content: content(null, [device("a"), device("ghost")]) });
    const changes = world.told().filter(({ topic }) => topic === membershipUpdated);
    const ofA = [{ id: "a", name: "a", twin: { t: { expected: { value: "1" } } } }];
    const seen = changes.map(({ document }) => [document.added_devices, document.removed_devices]);
    expect(seen).toHaveLength(3);
    // Devices do not wait for each other.
    expect(seen).toContainEqual([[{ id: "b", name: "b" }], null]);
    expect(seen.filter((one) => JSON.stringify(one).includes('"a"'))).toEqual([
      [ofA, null],
      [null, [{ id: "a", name: "a" }]],
    ]);
  });

  it("of a known device replaces its attributes, syncs its twins, and is an error to programs without twins", async () => {
    const world = await TwinWorld.start();
    const attributes = { gone: { value: "1", optional: false }, kept: { value: "1" } };
    await world.addDevices(device("d", { attributes }));
    await world.handle({
      resource: "membership",
      content: content([device("d", { attributes: { kept: { value: "2" } } })], null),
    });
    expect(world.told()).toMatchObject([
      {
        topic: `${D}/d/updated`,
        document: { event_id: "", attributes: { gone: null, kept: { value: "2" } } },
      },
      { topic: `${D}/d/twin/update/result`, document: { event_id: "", code: 400 } },
    ]);
    const twin = { t: { expected: { value: "1" }, expected_version: { cloud: 1, edge: 0 } } };
    await world.handle({ resource: "membership", content: content([device("d", { twin })], null) });
    expect(world.told().map(({ topic }) => topic)).toEqual([
      `${D}/d/updated`,
      `${D}/d/twin/update/document`,
      `${D}/d/twin/update/delta`,
    ]);
  });

  it("in detail removes what it does not name", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(device("a"), device("b"));
    await world.handle({
      resource: "membership/detail",
      content: { event_id: "x", devices: [device("b", { twin: {} }), device("c")] },
    });
    const changes = world.told().filter(({ topic }) => topic === membershipUpdated);
    expect(changes.map(({ document }) => [document.added_devices, document.removed_devices])).toEqual([
      [[{ id: "c", name: "c" }], null],
      [null, [{ id: "a" }]],
    ]);
  });

  it.each([
    ["an id that is none", content([device("a/b/c")], null), "E_BAD_MESSAGE"],
    ["no id", content([{ name: "a" }], null), "E_BAD_MESSAGE"],
    ["no list", { added_devices: {} }, "E_BAD_MESSAGE"],
    ["text that is no JSON", "nonsense", "E_BAD_MESSAGE"],
    [
      "too many devices",
      content(
        ["a", "b", "c"].map((id) => device(id)),
        null,
      ),
      "E_REFUSED",
    ],
  ])("with %s is refused as a whole", async (_, bad, code) => {
    const world = await TwinWorld.start({ twin: { maxDevices: 2 } });
    await expect(world.handle({ resource: "membership", content: bad })).rejects.toMatchObject({ code });
    await world.report("$hw/events/node/n/membership/get", {});
    expect(world.told()[0]?.document).toMatchObject({ devices: [] });
  });

  it("is asked for at each connect", async () => {
    const world = await TwinWorld.start();
    for (const peer of ["hub", "down", "kubeedge"] as const) await world.link(peer);
    expect(world.volatile).toHaveLength(2);
    const [asked] = world.volatile;
    expect(asked).toMatchObject({ source: "twin", group: "resource", operation: "get" });
    expect(asked?.resource.path).toBe("membership/detail");
    expect(JSON.parse(contentOf(asked as never) as string)).toEqual({
      event_type: "group_membership_event",
      event_id: expect.any(String),
      group_id: "edge-a",
      operation: "detail",
      timestamp: expect.any(Number),
    });
  });
});

describe("other messages of the cloud", () => {
  const wish = (value: string, cloud: number, edge: number) => ({
    event_id: "c",
    timestamp: 1,
    twin: { t: { expected: { value }, expected_version: { cloud, edge } } },
  });

  it.each(["d", "ns/d"])("sync the twins of %s; a refused one is answered with ours", async (id) => {
    const world = await TwinWorld.start();
    await world.addDevices(device(id));
    await world.handle({ resource: `device/${id}/twin/cloud_updated`, content: wish("1", 1, 0) });
    expect(world.told()).toMatchObject([
      { topic: `${D}/${id}/twin/update/document`, document: { event_id: "c" } },
      { topic: `${D}/${id}/twin/update/delta`, document: { delta: { t: "1" } } },
    ]);
    expect(world.waiting()).toEqual([]);
    await world.handle({ resource: `device/${id}/twin/cloud_updated`, content: wish("2", 0, 0) });
    expect(world.send()).toMatchObject([
      {
        resource: `device/${id}/twin/edge_updated`,
        content: { twin: { t: { expected: { value: "1" }, expected_version: { cloud: 1, edge: 0 } } } },
      },
    ]);
  });

  it("change attributes", async () => {
    const world = await TwinWorld.start();
    await world.addDevices(
      device("d", { attributes: { a: { value: "1" }, b: { value: "1", optional: false } } }),
    );
    const attributes = { a: null, b: null, c: { value: "3", metadata: { type: "int" } } };
    await world.handle({
      resource: "device/d",
      operation: "updated",
      content: { event_id: "x", attributes },
    });
    expect(world.told()).toEqual([
      {
        topic: `${D}/d/updated`,
        document: {
          event_id: "x",
          timestamp: expect.any(Number),
          attributes: { a: null, c: { value: "3", optional: true, metadata: { type: "int" } } },
        },
      },
    ]);
  });

  it.each([
    ["device/ghost/twin/cloud_updated", "update", wish("1", 1, 0), "E_NOT_FOUND"],
    ["device/ghost", "updated", { attributes: { a: { value: "1" } } }, "E_NOT_FOUND"],
    ["device/d/twin/cloud_updated", "update", { twin: { "a b": {} } }, "E_BAD_MESSAGE"],
    ["device/d/twin/cloud_updated", "update", null, "E_BAD_MESSAGE"],
    ["device/a/b/c/twin/cloud_updated", "update", wish("1", 1, 0), "E_BAD_RESOURCE"],
    ["something/else", "update", {}, "E_BAD_RESOURCE"],
  ])("about %s are refused if they cannot be used (%s)", async (resource, operation, content, code) => {
    const world = await TwinWorld.start();
    await world.addDevices(device("d"));
    await expect(world.handle({ resource, operation, content })).rejects.toMatchObject({
      code,
      retryable: false,
    });
  });

  it("are understood by MQTT too", async () => {
    const world = await TwinWorld.start();
    await world.report("$hw/events/node/n/membership/updated", { added_devices: [device("d")] });
    await world.report(`${D}/d/twin/cloud_updated`, wish("1", 1, 0));
    await world.report(`${D}/d/updated`, { attributes: { a: { value: "1" } } });
    await world.report(`${D}/d/twin/cloud_updated`, "{");
    await world.report("$hw/events/node/n/membership/detail/result", { devices: [] });
    expect(world.told().map(({ topic }) => topic)).toEqual([
      membershipUpdated,
      `${D}/d/twin/update/document`,
      `${D}/d/twin/update/delta`,
      `${D}/d/updated`,
      `${D}//twin/update/result`,
      membershipUpdated,
    ]);
  });
});

describe("without a broker", () => {
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
});
