import { describe, expect, it } from "vitest";
import { device, received, startBus, waitFor } from "./harness.ts";

/** The tables by which KubeEdge's EventBus works, row by row, through a broker. */

const twin = "DeviceTwin";
const cloud = "cloud";
const nobody = "nobody";

describe("topics of clients", () => {
  it.each([
    ["$hw/events/device/d/state/update", twin],
    ["$hw/events/device/ns/d/state/update", twin],
    ["$hw/events/device/d/twin/update", twin],
    ["$hw/events/device/ns/d/twin/get", twin],
    ["$hw/events/node/any/membership/get", twin],
    ["$hw/events/upload/a/b", cloud],
    ["$hw/events/upload", cloud],
    ["SYS/dis/upload_records", cloud],
    ["n/user/a/b", cloud],
    ["n/user", cloud],
    ["default/test/up", cloud],
    ["default/test", nobody],
    ["default/test/up/more", nobody],
    ["n/user-x", nobody],
    ["SYS/dis/upload_records/x", nobody],
    ["$hw/events/device/d/twin/update/result", nobody],
    ["$hw/events/node/any/membership/get/result", nobody],
    ["$ke/events/device/d/data/update", nobody],
    ["anything", nobody],
  ])("%s go to: %s", async (topic, to) => {
    const reports: string[] = [];
    const world = await startBus({
      report: (of, payload) => Promise.resolve(void reports.push(`${of} ${payload}`)),
    });
    await world.module.handle(world.fromCloud("subscribe", "default/test/up"), "s");
    const client = await device(`mqtt://127.0.0.1:${world.port()}`);
    await client.publishAsync(topic, "x", { qos: 1 });
    expect(reports).toEqual(to === twin ? [`${topic} x`] : []);
    expect(world.outbox()).toEqual(to === cloud ? [{ topic, content: "x" }] : []);
  });
});

describe("operations of the cloud", () => {
  const auth = "$hw/events/node/edge-1/authInfo/get/result";

  it.each([
    ["publish", "a/b", "text", "a/b text"],
    ["publish", "$hw/events/device/d/twin/update/delta", "{}", "$hw/events/device/d/twin/update/delta {}"],
    ["message", "whatever", { message: { topic: "a/b", x: 1 } }, 'a/b {"topic":"a/b","x":1}'],
    ["get_result", "auth_info", "yes", `${auth} yes`],
  ])("%s of %s is published", async (operation, resource, content, published) => {
    const world = await startBus();
    const client = await device(`mqtt://127.0.0.1:${world.port()}`);
    const seen = received(client);
    await client.subscribeAsync(["#", "$hw/#"]);
    await world.module.handle(world.fromCloud(operation, resource, content), "s");
    await waitFor("it arrives", () => seen.length > 0);
    expect(seen).toEqual([published]);
    // Nothing is answered.
    expect(world.outbox()).toEqual([]);
  });

  it("subscribe and unsubscribe change sub_topics", async () => {
    const world = await startBus();
    const rows = (): unknown[] => world.store.database.prepare("SELECT topic FROM sub_topics").pluck().all();
    for (const topic of ["b", "a", "b"]) await world.module.handle(world.fromCloud("subscribe", topic), "s");
    expect(rows()).toEqual(["a", "b"]);
    for (const topic of ["b", "never"]) await world.module.handle(world.fromCloud("unsubscribe", topic), "s");
    expect(rows()).toEqual(["a"]);
    expect(world.outbox()).toEqual([]);
  });
});
