import { describe, expect, it } from "vitest";
import { contentOf } from "../../../protocol/index.ts";
import { D, device, membershipUpdated, TwinWorld } from "./twin-world.ts";

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

  it("may come device by device, as state, so that the newest of each is all that must arrive", async () => {
    const world = await TwinWorld.start();
    const resource = "membership/device/default/lamp";
    const lamp = device("default/lamp", { twin: {} });
    await world.handle({ resource, content: content([lamp], null) });
    await world.handle({ resource, content: content([lamp], null) });
    await world.handle({ resource, operation: "delete", content: content(null, [lamp]) });
    const changes = world.told().filter(({ topic }) => topic === membershipUpdated);
    expect(changes.map(({ document }) => document.removed_devices)).toEqual([null, [expect.anything()]]);
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

  it("in detail may be the answer to the question for it", async () => {
    const world = await TwinWorld.start();
    const content = { event_id: "x", devices: [device("a")] };
    await world.handle({ resource: "membership/detail", operation: "response", parentId: "m1", content });
    expect(world.told().map(({ topic }) => topic)).toEqual([membershipUpdated]);
    await expect(world.handle({ resource: "membership/detail", content: {} })).rejects.toMatchObject({
      code: "E_BAD_MESSAGE",
    });
    await world.handle({ resource: "membership/detail", content: { devices: null } });
    expect(world.told()).toMatchObject([{ document: { removed_devices: [{ id: "a" }] } }]);
  });

  it.each([
    ["name", "a", "ns/a"],
    ["namespaced", "ns/a", "a"],
  ] as const)("of ids that are configured as %s takes %s, not %s", async (ids, good, bad) => {
    const world = await TwinWorld.start({ twin: { ids } });
    await world.addDevices(device(good));
    await expect(world.addDevices(device(bad))).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
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
