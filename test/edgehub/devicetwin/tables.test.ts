import { describe, expect, it } from "vitest";
import { contentOf, event } from "../../../protocol/index.ts";
import { D, device, membershipUpdated, TwinWorld } from "./twin-world.ts";

/** The tables by which KubeEdge's DeviceTwin works, row by row, from what is published to what is answered. */

const N = "$hw/events/node/edge-a";
const bothForms = ["d", "ns/d"] as const;

async function worldWith(...devices: object[]): Promise<TwinWorld> {
  const world = await TwinWorld.start();
  await world.addDevices(...devices);
  return world;
}

const topicsOf = (world: TwinWorld): string[] => world.told().map(({ topic }) => topic);

describe.each(bothForms)("topics of %s", (id) => {
  const at = `${D}/${id}`;
  const wish = { t: { expected: { value: "1" } } };

  it.each([
    [
      `${at}/twin/update`,
      { twin: wish },
      [`${at}/twin/update/result`, `${at}/twin/update/document`, `${at}/twin/update/delta`],
    ],
    [
      `${at}/twin/update`,
      { twin: { t: { actual: { value: "1" } } } },
      [`${at}/twin/update/result`, `${at}/twin/update/document`],
    ],
    [`${at}/twin/get`, { event_id: "g" }, [`${at}/twin/get/result`]],
    [`${at}/state/update`, { state: "online" }, [`${at}/state/update/result`]],
    [`${at}/state/get`, {}, []],
    [`${N}/membership/get`, {}, [`${N}/membership/get/result`]],
    ["$hw/events/node/another/membership/get", {}, [`${N}/membership/get/result`]],
    [`${at}/updated`, { attributes: { a: { value: "1" } } }, [`${at}/updated`]],
    [`${N}/membership/updated`, { added_devices: [device("new")] }, [membershipUpdated]],
    [`${N}/membership/detail/result`, { devices: [device(id, { twin: {} })] }, []],
    [
      `${at}/twin/cloud_updated`,
      { twin: { t: { expected: { value: "1" }, expected_version: { cloud: 1, edge: 0 } } } },
      [`${at}/twin/update/document`, `${at}/twin/update/delta`],
    ],
  ])("%s %j is answered at %j", async (topic, payload, answers) => {
    const world = await worldWith(device(id));
    await world.report(topic, payload);
    expect(topicsOf(world)).toEqual(answers);
  });
});

describe("types", () => {
  it.each([
    ["string", "anything", undefined],
    ["", "anything", undefined],
    ["int", "-9223372036854775808", undefined],
    ["integer", "12", undefined],
    ["int", "1.5", "the value is not int or integer"],
    ["integer", "9223372036854775808", "the value is not int or integer"],
    ["float", "1.5", undefined],
    ["float", "x", "the value is not float"],
    ["boolean", "true", undefined],
    ["boolean", "TRUE", "the bool value must be true or false"],
    ["double", "1.5", "the value type is not allowed"],
    ["bytes", "x", "the value type is not allowed"],
    ["INT", "1", "the value type is not allowed"],
    ["deleted", "x", "the value type is not allowed"],
  ])("%j with %j: %s", async (type, value, reason) => {
    const world = await worldWith(device("d"));
    await world.report(`${D}/d/twin/update`, {
      event_id: "e",
      twin: { t: { actual: { value }, metadata: { type } } },
    });
    const [{ topic, document } = { topic: "", document: {} }] = world.told();
    expect([topic, document.code, document.reason]).toEqual([
      `${D}/d/twin/update/result`,
      reason === undefined ? undefined : 400,
      reason,
    ]);
    expect(world.waiting()).toHaveLength(reason === undefined ? 1 : 0);
  });
});

describe("error codes", () => {
  const good = { event_id: "e", twin: { t: { actual: { value: "1" } } } };

  it.each([
    ["d/twin/update", "{", "/twin/update/result", "", 400],
    ["d/twin/update", { event_id: "e" }, "/twin/update/result", "", 400],
    ["d/twin/update", { event_id: "e", twin: { "a b": null } }, "/twin/update/result", "", 400],
    [
      "d/twin/update",
      { event_id: "e", twin: { t: { actual: { value: "x" }, metadata: { type: "int" } } } },
      "d/twin/update/result",
      "e",
      400,
    ],
    ["ghost/twin/update", good, "ghost/twin/update/result", "e", 404],
    ["ns/ghost/twin/update", good, "ns/ghost/twin/update/result", "e", 404],
    ["d/twin/get", "[", "d/twin/get/result", "", 400],
    ["ghost/twin/get", { event_id: "e" }, "ghost/twin/get/result", "e", 404],
    ["ghost/twin/cloud_updated", good, "ghost/twin/update/result", "e", 404],
  ])("%s %j: at %s, event %j, code %i", async (topic, payload, answer, eventId, code) => {
    const world = await worldWith(device("d"));
    await world.report(`${D}/${topic}`, payload);
    expect(world.told()).toEqual([
      {
        topic: `${D}/${answer}`,
        document: {
          event_id: eventId,
          timestamp: expect.any(Number),
          code,
          reason: expect.stringMatching(/./),
        },
      },
    ]);
  });
});

describe("versions", () => {
  /** A wish of version 2, and a value that the device has said twice: cloud 2, edge 2. */
  async function settled(): Promise<TwinWorld> {
    const version = { cloud: 2, edge: 0 };
    const t = { expected: { value: "0" }, expected_version: version, actual: { value: "0" } };
    const world = await worldWith(device("d", { twin: { t: { ...t, actual_version: version } } }));
    for (const value of ["1", "2"])
      await world.report(`${D}/d/twin/update`, { twin: { t: { expected: { value }, actual: { value } } } });
    world.told();
    world.send();
    return world;
  }
  const stored = async (world: TwinWorld): Promise<unknown> => {
    const { twins } = world.store.database.prepare("SELECT twins FROM device").get() as { twins: string };
    const { t } = JSON.parse(twins) as { t: Record<"expected" | "actual", { value: string }> };
    return [t.expected.value, t.actual.value];
  };
  const wish = (expected: object | undefined, actual: object | undefined) => ({
    twin: {
      t: {
        expected: { value: "E" },
        actual: { value: "A" },
        ...(expected && { expected_version: expected }),
        ...(actual && { actual_version: actual }),
      },
    },
  });
  const same = { cloud: 2, edge: 2 };

  it.each([
    ["the same", same, same, ["E", "A"], []],
    ["newer", { cloud: 3, edge: 2 }, { cloud: 3, edge: 3 }, ["E", "A"], []],
    ["an older cloud's", { cloud: 1, edge: 2 }, same, ["2", "2"], ["expected"]],
    ["an older edge's", { cloud: 9, edge: 1 }, same, ["2", "2"], ["expected"]],
    ["none", undefined, same, ["2", "2"], ["expected"]],
    ["an older one of the value only", same, { cloud: 1, edge: 2 }, ["E", "2"], ["actual"]],
  ])("of the cloud that are %s: %j, %j", async (_, expected, actual, values, refused) => {
    const world = await settled();
    await world.handle({ resource: "device/d/twin/cloud_updated", content: wish(expected, actual) });
    expect(await stored(world)).toEqual(values);
    const told = world.send().map(({ resource, content }) => {
      const { t } = (content as { twin: { t: object } }).twin;
      return [resource, Object.keys(t).filter((key) => key === "expected" || key === "actual")];
    });
    expect(told).toEqual(refused.length === 0 ? [] : [["device/d/twin/edge_updated", refused]]);
  });

  it("of a device are never refused: its count goes up, also for the same value", async () => {
    const world = await settled();
    for (let i = 0; i < 2; i++)
      await world.report(`${D}/d/twin/update`, { twin: { t: { actual: { value: "2" } } } });
    expect(world.send().map(({ content }) => content)).toMatchObject(
      [3, 4].map((edge) => ({ twin: { t: { actual_version: { cloud: 2, edge } } } })),
    );
  });
});

describe("deletion", () => {
  const t = (optional: boolean) => ({
    t: { expected: { value: "1" }, optional, expected_version: { cloud: 1, edge: 0 } },
  });
  const byCloud = (cloud: number) => ({
    twin: { t: { metadata: { type: "deleted" }, expected_version: { cloud, edge: 0 } } },
  });

  it.each([
    ["null of a device", true, `${D}/d/twin/update`, { twin: { t: null } }, true],
    ["null of a device, if it must stay", false, `${D}/d/twin/update`, { twin: { t: null } }, false],
    ["the type deleted of the cloud", true, `${D}/d/twin/cloud_updated`, byCloud(1), true],
    ["an older one of the cloud", true, `${D}/d/twin/cloud_updated`, byCloud(0), false],
  ])("by %s", async (_, optional, topic, payload, gone) => {
    const world = await worldWith(device("d", { twin: t(optional) }));
    await world.report(topic, payload);
    world.told();
    await world.report(`${D}/d/twin/get`, {});
    expect(Object.keys(world.told()[0]?.document.twin ?? {})).toEqual(gone ? [] : ["t"]);
    world.send();
    await world.report(`${D}/d/twin/update`, { twin: { t: { expected: { value: "x" } } } });
    const { content } = world.send()[0] as { content: unknown };
    // Versions go on behind the deletion; the node's own counts too.
    const edge = gone && topic.endsWith("/twin/update") ? 2 : 1;
    expect(content).toMatchObject({ twin: { t: { expected_version: { cloud: 1, edge } } } });
  });
});

describe("states", () => {
  const rows: [string, boolean, boolean][] = [
    ["online", true, true],
    ["offline", true, true],
    ["ok", true, true],
    ["unknown", true, true],
    ["disconnected", true, false],
    ["unhealthy", false, true],
    ["OnLine", true, true],
    ["on", false, false],
  ];

  it.each(rows)("%s: <name> %s, <namespace>/<name> %s", async (state, ofName, ofNamespaced) => {
    const world = await worldWith(device("d"), device("ns/d", { name: "d" }));
    for (const [id, accepted] of [
      ["d", ofName],
      ["ns/d", ofNamespaced],
    ] as const) {
      await world.report(`${D}/${id}/state/update`, { event_id: "s", state });
      const told = world.told();
      const sent = world.send();
      expect([told.length, sent.length]).toEqual(accepted ? [1, 1] : [0, 0]);
      if (!accepted) continue;
      const isUp = /^(online|ok)$/i.test(state);
      const lastOnline =
        id === "d"
          ? { last_online: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/) }
          : isUp
            ? { lastOnlineTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) }
            : {};
      expect(told[0]?.document.device).toEqual({ name: "d", state, ...lastOnline });
      expect(sent[0]).toMatchObject({
        resource: `device/${id}/state/update`,
        content: JSON.stringify(told[0]?.document),
      });
    }
  });
});

describe("messages with the cloud", () => {
  it.each([
    ["membership/detail", "update", { devices: [] }, [`${N}/membership/updated`]],
    ["membership", "update", { added_devices: [device("x")] }, [`${N}/membership/updated`]],
    ["membership", "update", { removed_devices: [device("d")] }, [`${N}/membership/updated`]],
    [
      "device/d/twin/cloud_updated",
      "update",
      { twin: { t: { actual: { value: "1" }, actual_version: { cloud: 1, edge: 0 } } } },
      [`${D}/d/twin/update/document`],
    ],
    ["device/d", "updated", { attributes: { a: { value: "1" } } }, [`${D}/d/updated`]],
  ])("down: %s, %s, as an object and as its text", async (resource, operation, content, topics) => {
    for (const form of [content, JSON.stringify(content)]) {
      const world = await worldWith(device("d"));
      await world.handle({ resource, operation, content: form });
      expect(topicsOf(world)).toEqual(topics);
    }
  });

  it("up: an object for twins, a text for states, both kept, with source twin and group resource", async () => {
    const world = await worldWith(device("d"));
    await world.report(`${D}/d/twin/update`, { twin: { t: { actual: { value: "1" } } } });
    await world.report(`${D}/d/state/update`, { state: "ok" });
    const sent = world.waiting();
    expect(
      sent.map(({ source, group, operation, resource }) => [source, group, operation, resource.path]),
    ).toEqual([
      ["twin", "resource", "update", "device/d/twin/edge_updated"],
      ["twin", "resource", "update", "device/d/state/update"],
    ]);
    expect(sent.map((message) => typeof contentOf(message))).toEqual(["object", "string"]);
    for (const { delivery } of sent) expect(delivery).toEqual(event());
  });

  it("with a parent are confirmations, whatever they contain", async () => {
    const world = await worldWith(device("d"));
    await world.handle({ resource: "twin", operation: "response", content: "OK", parentId: "m1" });
    await world.handle({ resource: "membership", content: "nonsense", parentId: "m2" });
    expect(world.told()).toEqual([]);
  });
});
