import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../support/processes.ts";
import { D, TwinWorld } from "./twin-world.ts";

const period = 60_000;

let world: TwinWorld;
const devices = [
  { id: "d", name: "d" },
  { id: "ns/d", name: "d" },
];
beforeEach(async () => {
  world = await TwinWorld.start({ twin: { confirmTimeoutMs: period } });
  await world.addDevices(...devices);
});

const report = (value: string, name = "t", id = "d") =>
  world.report(`${D}/${id}/twin/update`, { twin: { [name]: { actual: { value } } } });
const confirm = (id: string) =>
  world.handle({ resource: "twin", operation: "response", content: "OK", parentId: id });
const twinOf = (one: { content: unknown } | undefined) =>
  (one?.content as { twin?: object } | undefined)?.twin;
const valuesOf = ({ content }: { content: unknown }) => {
  const { twin } = content as { twin: Record<string, { actual: { value: string } }> };
  return Object.fromEntries(Object.entries(twin).map(([name, { actual }]) => [name, actual.value]));
};

describe("to a KubeEdge cloud", () => {
  it("repeats what is not confirmed, under the same id, until it is", async () => {
    await world.link("kubeedge");
    await report("1");
    const [sent] = world.send();
    await world.clock.advance(period);
    expect(world.send()).toEqual([]);
    for (let again = 0; again < 3; again++) {
      await world.clock.advance(period);
      expect(world.send()).toMatchObject([
        {
          id: sent?.id,
          resource: sent?.resource,
          content: expect.objectContaining({ twin: twinOf(sent) }),
        },
      ]);
    }
    await confirm(sent?.id ?? "");
    await world.clock.advance(2 * period);
    expect(world.send()).toEqual([]);
  });

  it("does not repeat what still waits to be sent", async () => {
    await world.link("kubeedge");
    await report("1");
    await world.clock.advance(3 * period);
    expect(world.waiting()).toHaveLength(1);
  });

  it("never repeats an old value after a newer one", async () => {
    await world.link("kubeedge");
    await report("1");
    await report("5", "other");
    await report("2");
    const sent = world.send();
    await world.clock.advance(2 * period);
    expect(world.send().map((one) => [one.id, valuesOf(one)])).toEqual([
      [sent[1]?.id, { other: "5" }],
      [sent[2]?.id, { t: "2" }],
    ]);
    await confirm(sent[2]?.id ?? "");
    await world.clock.advance(period);
    expect(world.send().map(valuesOf)).toEqual([{ other: "5" }]);
  });

  it("repeats a state where clouds confirm those, and forgets devices that are removed", async () => {
    await world.link("kubeedge");
    for (const id of ["d", "ns/d"]) await world.report(`${D}/${id}/state/update`, { state: "online" });
    await report("1", "t", "ns/d");
    world.send();
    await world.clock.advance(2 * period);
    const repeated = world.send();
    expect(repeated.map(({ resource }) => resource).sort()).toEqual([
      "device/ns/d/state/update",
      "device/ns/d/twin/edge_updated",
    ]);
    const state = repeated.find(({ resource }) => resource.endsWith("state/update"));
    expect(JSON.parse(state?.content as string)).toMatchObject({ device: { state: "online" } });
    await world.handle({ resource: "membership", content: { removed_devices: [{ id: "ns/d" }] } });
    await world.clock.advance(2 * period);
    expect(world.send()).toEqual([]);
  });

  it("forgets a device that is removed for good, though one of that name comes later", async () => {
    await world.link("kubeedge");
    await report("1");
    world.send();
    await world.handle({ resource: "membership", content: { removed_devices: devices } });
    await world.addDevices(...devices);
    await world.clock.advance(3 * period);
    expect(world.send()).toEqual([]);
    expect(world.store.database.prepare("SELECT count(*) FROM twin_unconfirmed").pluck().get()).toBe(0);
  });

  it("gives a newer value a whole period too", async () => {
    await world.link("kubeedge");
    await report("1");
    await world.clock.advance(2 * period - 10);
    await report("2");
    world.send();
    await world.clock.advance(period);
    expect(world.send()).toEqual([]);
    await world.clock.advance(period);
    expect(world.send().map(valuesOf)).toEqual([{ t: "2" }]);
  });

  it("repeats nothing while the link is down, and waits a whole period after it is up again", async () => {
    await world.link("kubeedge");
    await report("1");
    world.send();
    await world.clock.advance(period);
    await world.link("down");
    await world.clock.advance(10 * period);
    expect(world.send()).toEqual([]);
    await world.link("kubeedge");
    await world.clock.advance(period);
    expect(world.send()).toEqual([]);
    await world.clock.advance(period);
    expect(world.send()).toHaveLength(1);
  });

  it("remembers across the agent's death, and what was said offline too", async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, "edge.db");
    const options = { twin: { confirmTimeoutMs: period } };
    world = new TwinWorld({ ...options, file: { file, create: true } });
    await world.twin.start();
    await world.addDevices(...devices);
    await report("1");
    await world.link("kubeedge");
    const [sent] = world.send();
    world.close();
    world = await TwinWorld.start({ ...options, file: { file, create: false } });
    await world.link("kubeedge");
    await world.clock.advance(2 * period);
    expect(world.send()).toMatchObject([{ id: sent?.id }]);
    directory.remove();
  });
});

describe("to a hub that acks", () => {
  it("repeats nothing", async () => {
    await world.link("hub");
    await report("1");
    world.send();
    await world.clock.advance(10 * period);
    expect(world.send()).toEqual([]);
  });

  it("hands over once what another cloud has not confirmed", async () => {
    await world.link("kubeedge");
    await report("1");
    const [sent] = world.send();
    await world.link("down");
    await report("2", "later");
    await world.link("hub");
    expect(world.send().map((one) => valuesOf(one))).toEqual([{ later: "2" }, { t: "1" }]);
    expect(sent).toBeDefined();
    await world.link("down");
    await world.link("kubeedge");
    await world.clock.advance(10 * period);
    expect(world.send()).toEqual([]);
  });
});

describe("after a change of the cloud", () => {
  it.each(["hub", "down"] as const)("tracks what was accepted before: %s", async (before) => {
    await world.link(before);
    await report("1");
    await world.report(`${D}/ns/d/state/update`, { state: "online" });
    await world.link("down");
    await world.link("kubeedge");
    const sent = world.send();
    await world.clock.advance(2 * period);
    const repeated = world.send().map(({ id }) => id);
    expect(repeated.toSorted()).toEqual(sent.map(({ id }) => id).toSorted());
    for (const { id } of sent) await confirm(id);
    await world.clock.advance(2 * period);
    expect(world.send()).toEqual([]);
  });

  it("tracks nothing of what the one before has acked, also if the agent died meanwhile", async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, "edge.db");
    const options = { twin: { confirmTimeoutMs: period } };
    world = new TwinWorld({ ...options, file: { file, create: true } });
    await world.twin.start();
    await world.addDevices(...devices);
    await world.link("hub");
    await report("1");
    world.send();
    world.close();
    world = await TwinWorld.start({ ...options, file: { file, create: false } });
    await world.link("kubeedge");
    await report("2", "later");
    const [later] = world.send();
    await world.clock.advance(2 * period);
    expect(world.send().map(({ id }) => id)).toEqual([later?.id]);
    directory.remove();
  });

  it("hands over every time what a KubeEdge cloud was sent last", async () => {
    await world.link("kubeedge");
    await report("1");
    world.send();
    for (const value of ["2", "3"]) {
      await world.link("hub");
      expect(world.send().map(valuesOf)).toHaveLength(1);
      await world.link("kubeedge");
      await report(value);
      expect(world.send().map(valuesOf)).toEqual([{ t: value }]);
    }
  });
});
