import { createConnection } from "node:net";
import { describe, expect, it } from "vitest";
import { HubError } from "../../../protocol/index.ts";
import { type BusWorld, closed, device, received, startBus, waitFor } from "./harness.ts";

const urlOf = (world: BusWorld): string => `mqtt://127.0.0.1:${world.port()}`;

describe("a message that goes up", () => {
  it("is in the outbox, as KubeEdge has it, before it is confirmed", async () => {
    const world = await startBus();
    const client = await device(urlOf(world));
    await client.publishAsync("$hw/events/upload/a", '{"t":21}', { qos: 1 });
    expect(world.outbox()).toEqual([{ topic: "$hw/events/upload/a", content: '{"t":21}' }]);
  });

  it("is not confirmed while its transaction has not ended", async () => {
    let confirm: (() => void) | undefined;
    const world = await startBus({ report: () => new Promise((resolve) => (confirm = resolve)) });
    const client = await device(urlOf(world));
    let confirmed = false;
    const publishing = client.publishAsync("$hw/events/device/d/twin/update", "{}", { qos: 1 });
    void publishing.then(() => (confirmed = true));
    // A later one of the same client comes behind it, though nothing keeps it from being confirmed.
    const local = client.publishAsync("elsewhere", "x", { qos: 1 });
    await waitFor("DeviceTwin has it", () => confirm !== undefined);
    const other = await device(urlOf(world));
    await other.publishAsync("a/user/b", "x", { qos: 1 });
    expect(confirmed).toBe(false);
    confirm?.();
    await Promise.all([publishing, local]);
  });

  it.each([
    ["SYS/dis/upload_records", true],
    ["$hw/events/upload/deep/er", true],
    ["any/user/topic", true],
    ["any/user", true],
    ["any/other/user/topic", false],
    ["$any/user/topic", false],
    ["default/test/up", false],
  ])("of topic %s: %s", async (topic, goesUp) => {
    const world = await startBus();
    const client = await device(urlOf(world));
    await client.publishAsync(topic, "x", { qos: 1 });
    expect(world.outbox()).toEqual(goesUp ? [{ topic, content: "x" }] : []);
  });

  it("keeps the order of a burst, with one commit for many", async () => {
    const world = await startBus();
    const client = await device(urlOf(world));
    const numbers = Array.from({ length: 500 }, (_, i) => `${i}`);
    await Promise.all(numbers.map((i) => client.publishAsync("a/user/n", i, { qos: 1 })));
    expect(world.outbox().map(({ content }) => content)).toEqual(numbers);
  });

  it("may be of quality 0 or 2, a will, or retained", async () => {
    const world = await startBus();
    const will = { topic: "a/user/will", payload: Buffer.from("gone"), qos: 1 as const, retain: true };
    const client = await device(urlOf(world), { will });
    await client.publishAsync("a/user/0", "x", { qos: 0 });
    await client.publishAsync("a/user/2", "x", { qos: 2 });
    await client.publishAsync("a/user/kept", "kept", { qos: 1, retain: true });
    client.stream.destroy();
    await waitFor("the will is in the outbox", () => world.outbox().length === 4);
    expect(world.outbox().map(({ topic }) => topic)).toEqual([
      "a/user/0",
      "a/user/2",
      "a/user/kept",
      "a/user/will",
    ]);
    const late = await device(urlOf(world));
    const seen = received(late);
    await late.subscribeAsync("a/user/#", { qos: 1 });
    await waitFor("retained messages arrive", () => seen.length === 2);
    expect(seen.sort()).toEqual(["a/user/kept kept", "a/user/will gone"]);
  });

  it("is no will when it is the agent that goes away", async () => {
    const world = await startBus();
    await device(urlOf(world), { will: { topic: "a/user/will", payload: Buffer.from("gone"), qos: 1 } });
    await (await world.restart()).module.stop(new AbortController().signal);
    expect(world.outbox()).toEqual([]);
  });

  it("carries bytes that are not UTF-8 without loss", async () => {
    const world = await startBus();
    const client = await device(urlOf(world));
    await client.publishAsync("a/user/b", Buffer.from([0xff, 0x00, 0xc3]), { qos: 1 });
    expect(world.outbox()).toEqual([{ topic: "a/user/b", content: { data_base64: "/wDD" } }]);
  });
});

describe("DeviceTwin's topics", () => {
  it("go there in order, and not up; the state of the link does not matter", async () => {
    const reports: string[] = [];
    const world = await startBus({
      report: (topic, payload) => Promise.resolve(void reports.push(`${topic} ${payload}`)),
    });
    const client = await device(urlOf(world));
    const topics = [
      "$hw/events/device/d/twin/update",
      "$hw/events/device/ns/d/twin/get",
      "$hw/events/device/d/state/update",
      "$hw/events/device/ns/d/state/update",
      "$hw/events/node/edge-1/membership/get",
    ];
    await Promise.all(topics.map((topic, i) => client.publishAsync(topic, `${i}`, { qos: 1 })));
    expect(reports).toEqual(topics.map((topic, i) => `${topic} ${i}`));
    expect(world.outbox()).toEqual([]);
  });

  it("disconnect a client when DeviceTwin is down, so that it tries again", async () => {
    const world = await startBus();
    world.bus.offerTwin(undefined);
    const client = await device(urlOf(world));
    const ended = closed(client);
    let confirmed = false;
    void client.publishAsync("$hw/events/device/d/twin/update", "{}", { qos: 1 }).then(
      () => (confirmed = true),
      () => undefined,
    );
    await ended;
    expect(confirmed).toBe(false);
    expect(await world.logged("a client's message was not taken")).toMatchObject({
      error: { code: "E_NO_MODULE" },
    });
  });

  it("are confirmed when DeviceTwin can never take the message", async () => {
    const world = await startBus({ report: () => Promise.reject(new HubError("E_BAD_MESSAGE", "no twin")) });
    const client = await device(urlOf(world));
    await client.publishAsync("$hw/events/device/d/twin/update", "{}", { qos: 1 });
    expect(await world.logged("DeviceTwin refused a message")).toMatchObject({
      error: { code: "E_BAD_MESSAGE" },
    });
  });

  it("stay with the broker when DeviceTwin is off", async () => {
    const world = await startBus({ report: false });
    const client = await device(urlOf(world));
    await client.publishAsync("$hw/events/device/d/twin/update", "{}", { qos: 1 });
    expect(world.outbox()).toEqual([]);
  });
});

describe("the cloud", () => {
  it("publishes text, objects and bytes to clients of the broker", async () => {
    const world = await startBus();
    const client = await device(urlOf(world));
    const seen = received(client);
    await client.subscribeAsync("down/#");
    await world.module.handle(world.fromCloud("publish", "down/text", '{"hello":"edge"}'), "s");
    await world.module.handle(world.fromCloud("publish", "down/object", { a: 1 }), "s");
    await world.module.handle(world.fromCloud("publish", "down/bytes", { data_base64: "AAE=" }), "s");
    await world.module.handle(world.fromCloud("publish", "down/empty", ""), "s");
    await waitFor("all have arrived", () => seen.length === 4);
    expect(seen).toEqual([
      'down/text {"hello":"edge"}',
      'down/object {"a":1}',
      "down/bytes \u0000\u0001",
      "down/empty ",
    ]);
  });

  it("is not told what it published itself", async () => {
    const world = await startBus();
    await world.module.handle(world.fromCloud("publish", "x/user/y", "mine"), "s");
    expect(world.outbox()).toEqual([]);
  });

  it("knows the older operations", async () => {
    const world = await startBus();
    const client = await device(urlOf(world));
    const seen = received(client);
    await client.subscribeAsync(["t", "$hw/events/node/edge-1/authInfo/get/result"]);
    await world.module.handle(world.fromCloud("message", "x", { message: { topic: "t", value: 1 } }), "s");
    await world.module.handle(world.fromCloud("get_result", "auth_info", "yes"), "s");
    await waitFor("both have arrived", () => seen.length === 2);
    expect(seen).toEqual(['t {"topic":"t","value":1}', "$hw/events/node/edge-1/authInfo/get/result yes"]);
  });

  it.each([
    ["publish", "down/+", "x", "E_BAD_RESOURCE"],
    ["publish", "down/x", null, "E_BAD_MESSAGE"],
    ["message", "x", { message: { value: 1 } }, "E_BAD_MESSAGE"],
    ["get_result", "other", "x", "E_BAD_RESOURCE"],
    ["subscribe", "a#", null, "E_BAD_RESOURCE"],
    ["update", "x", "x", "E_BAD_OPERATION"],
  ])("is refused %s of %s", async (operation, topic, content, code) => {
    const world = await startBus();
    const handling = world.module.handle(world.fromCloud(operation, topic, content), "s");
    await expect(handling).rejects.toMatchObject({ code, retryable: false });
  });

  it("subscribes to topics, also for the time after a restart, until it unsubscribes", async () => {
    let world = await startBus();
    await world.module.handle(world.fromCloud("subscribe", "default/test/up"), "s");
    world = await world.restart();
    const client = await device(urlOf(world));
    await client.publishAsync("default/test/up", '{"from":"edge"}', { qos: 1 });
    expect(world.outbox()).toEqual([{ topic: "default/test/up", content: '{"from":"edge"}' }]);
    await world.module.handle(world.fromCloud("unsubscribe", "default/test/up"), "s");
    await client.publishAsync("default/test/up", "again", { qos: 1 });
    expect(world.outbox()).toHaveLength(1);
  });

  it.each([
    [true, 1],
    [false, 0],
  ])("subscribes with wildcards only if these are on: %s", async (wildcards, count) => {
    const world = await startBus({ eventBus: { wildcards } });
    await world.module.handle(world.fromCloud("subscribe", "plant/+/temperature"), "s");
    const client = await device(urlOf(world));
    await client.publishAsync("plant/7/temperature", "21", { qos: 1 });
    expect(world.outbox()).toHaveLength(count);
  });
});

it("publishes for DeviceTwin, and is not there when it has stopped", async () => {
  const world = await startBus();
  const client = await device(urlOf(world));
  const seen = received(client);
  await client.subscribeAsync("$hw/events/device/d/twin/update/result");
  await world.bus.publish("$hw/events/device/d/twin/update/result", "{}");
  await waitFor("it has arrived", () => seen.length === 1);
  await world.module.stop(new AbortController().signal);
  await expect(world.bus.publish("t", "x")).rejects.toMatchObject({ code: "E_NO_MODULE", retryable: true });
  await new Promise<void>((resolve) =>
    createConnection(world.port(), "127.0.0.1").on("error", () => resolve()),
  );
});
