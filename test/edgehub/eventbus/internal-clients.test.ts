import { describe, expect, it, onTestFinished } from "vitest";
import { parseBrokerUrl } from "../../../edgehub/eventbus/broker-url.ts";
import { EmbeddedBroker } from "../../../edgehub/eventbus/embedded-broker.ts";
import { systemClock } from "../../../platform/clock.ts";
import type { NodeId } from "../../../protocol/index.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { type BusWorld, closed, device, received, startBus, waitFor } from "./harness.ts";
import {
  connack,
  connectPacket,
  connectPacket5,
  lengthBytes,
  publishPacket,
  rawClient,
  subscribePacket,
} from "./raw-client.ts";

const urlOf = (world: BusWorld): string => `mqtt://127.0.0.1:${world.port()}`;
const suback = (...granted: number[]): Buffer =>
  Buffer.from([0x90, ...lengthBytes(granted.length + 2), 0, 1, ...granted]);

describe("a client of MQTT 5", () => {
  it("is refused with the code that MQTT 3.1.1 has for it, and named in the log", async () => {
    const world = await startBus();
    const client = await rawClient(world.port());
    client.write(connectPacket5("d"));
    await client.ended;
    expect(client.answer).toEqual(Buffer.from([0x20, 2, 0, 1]));
    await world.logged("a client speaks MQTT 5, the internal broker 3.1.1 at most");
    await expect(device(urlOf(world), { protocolVersion: 5 })).rejects.toThrow();
    await device(urlOf(world), { protocolVersion: 4 });
  });
});

describe("a subscription", () => {
  it.each(["a+", "+a", "a#", "a\ufffd"])("to %j is refused; the client stays", async (filter) => {
    const world = await startBus();
    const client = await rawClient(world.port());
    client.write(Buffer.concat([connectPacket("d"), subscribePacket("fine/+", filter)]));
    await waitFor("it is answered", () => client.answer.length >= 10);
    expect(client.answer).toEqual(Buffer.concat([connack, suback(1, 0x80)]));
    await world.logged("a client cannot subscribe to what is no filter");
  });

  it.each(["a/b+/c", "a/#/b", "", `${"a/".repeat(100)}b`])("to %j ends the connection", async (filter) => {
    const world = await startBus();
    const client = await rawClient(world.port());
    client.write(Buffer.concat([connectPacket("d"), subscribePacket(filter)]));
    await client.ended;
    expect(await world.logged("a client was disconnected")).toMatchObject({ clientId: "d" });
    expect(world.failures).toEqual([]);
  });

  it("is one of 1,000 at most, though it comes with thousands in one packet and outlives the connection", async () => {
    const world = await startBus();
    const client = await rawClient(world.port());
    const filters = Array.from({ length: 8_000 }, (_, i) => `filter/${i}`);
    client.write(connectPacket("d", { clean: false }));
    client.write(subscribePacket(...filters));
    const answer = Buffer.concat([connack, suback(...filters.map((_, i) => (i < 1_000 ? 1 : 0x80)))]);
    await waitFor("it is answered", () => client.answer.length >= answer.length);
    expect(client.answer.equals(answer)).toBe(true);
    // A session comes back with as many, and the agent is not busy with the others.
    client.end();
    await client.ended;
    const again = await rawClient(world.port());
    again.write(connectPacket("d", { clean: false }));
    await waitFor("it is answered", () => again.answer.length > 0);
    expect(again.answer[2]).toBe(1);
    const other = await device(urlOf(world));
    for (const topic of ["filter/999", "filter/1000"]) await other.publishAsync(topic, "x", { qos: 1 });
    await waitFor("one arrives", () => again.answer.includes("filter/999"));
    expect(again.answer.includes("filter/1000")).toBe(false);
  });

  it("of a packet that is too large for any client ends the connection at its first bytes", async () => {
    const world = await startBus();
    const client = await rawClient(world.port());
    client.write(Buffer.concat([connectPacket("d"), Buffer.from([0x82, ...lengthBytes(200 << 10)])]));
    await client.ended;
    await world.logged("a client sent a packet that is too large");
  });
});

describe("a client", () => {
  it.each([
    ["wrong", 0],
    ["secret", 1],
  ])("with the password %s that says something at once is heard so often: %i", async (password, count) => {
    const world = await startBus({ eventBus: { internalUsername: "u", internalPassword: "secret" } });
    const client = await rawClient(world.port());
    // So large that it comes in pieces behind the CONNECT.
    const message = publishPacket("a/user/b", "x".repeat(100_000));
    client.write(connectPacket("d", { password }));
    client.write(message);
    if (count === 0) await client.ended;
    else await waitFor("it is confirmed", () => client.answer.length > connack.length);
    expect(world.outbox()).toHaveLength(count);
    if (count === 0) expect(client.answer).toEqual(Buffer.from([0x20, 2, 0, 4]));
  });

  it("that comes with the id of another takes its place; the other's will is published", async () => {
    const world = await startBus();
    const watcher = await device(urlOf(world));
    const seen = received(watcher);
    await watcher.subscribeAsync("will");
    const will = { topic: "will", payload: Buffer.from("gone"), qos: 1 as const };
    const first = await device(urlOf(world), { clientId: "d", will });
    const ended = closed(first);
    const second = await device(urlOf(world), { clientId: "d" });
    await ended;
    await waitFor("the will arrives", () => seen.length === 1);
    await second.publishAsync("a/user/b", "x", { qos: 1 });
    expect(world.outbox()).toHaveLength(1);
  });

  it("that floods waits for what it has said, whatever it says of quality", async () => {
    const taken: string[] = [];
    const report = (topic: string): Promise<void> => {
      taken.push(topic);
      return new Promise(() => {});
    };
    const world = await startBus({ report });
    const client = await rawClient(world.port());
    client.write(connectPacket("d"));
    await waitFor("it is let in", () => client.answer.length > 0);
    const flood = publishPacket("$hw/events/device/d/twin/update", "x".repeat(100));
    client.write(Buffer.concat(Array.from({ length: 50_000 }, () => flood)));
    await waitFor("some are taken", () => taken.length > 0);
    const other = await device(urlOf(world));
    for (let i = 0; i < 20; i++) await other.publishAsync("a/user/b", `${i}`, { qos: 1 });
    expect(world.outbox()).toHaveLength(20);
    expect(taken.length).toBeLessThan(5_000);
  });

  it("that never reads is disconnected; until then the senders wait, and not in memory", async () => {
    const log = recordingLogger();
    const agent = { node: "edge-1" as NodeId, clock: systemClock, log, random: () => 0 };
    const broker = new EmbeddedBroker(
      {
        agent,
        take: () => undefined,
        takes: () => false,
        filters: () => [],
        failed: (error) => expect.unreachable(String(error)),
      },
      {
        url: parseBrokerUrl("tcp://127.0.0.1:0", "url"),
        tls: () => ({ cert: undefined, key: undefined }),
        credentials: undefined,
        maxClients: 10,
        maxPayloadBytes: 1 << 20,
        sessionQueueSize: 10,
        qos: 0,
        retain: false,
        drainTimeoutMs: 300,
      },
    );
    await broker.start();
    onTestFinished(() => broker.stop());
    const port = Number(log.lines[0]?.port);
    const mute = await rawClient(port);
    mute.write(Buffer.concat([connectPacket("mute"), subscribePacket("news")]));
    await waitFor("it has subscribed", () => mute.answer.length > connack.length);
    mute.pause();
    const reader = await device(`mqtt://127.0.0.1:${port}`);
    let read = 0;
    reader.on("message", () => read++);
    await reader.subscribeAsync("news");
    const count = 500;
    const bytes = count * 100_000;
    const writer = await rawClient(port);
    writer.write(connectPacket("writer"));
    await waitFor("it is let in", () => writer.answer.length > 0);
    const packet = publishPacket("news", "x".repeat(100_000));
    for (let i = 0; i < count; i++) writer.write(packet);
    let unsent = bytes;
    const isOut = (): boolean => log.lines.some(({ clientId }) => clientId === "mute");
    await waitFor("it is disconnected", () => {
      if (!isOut()) unsent = writer.unsent;
      return isOut();
    });
    expect(unsent).toBeGreaterThan(bytes / 2);
    await waitFor("the others get all of it", () => read === count);
  });
});

describe("what the agent publishes", () => {
  it("is retained if so configured, and waits for sessions with a quality", async () => {
    const world = await startBus({ eventBus: { mqttRetain: true, mqttQOS: 1 } });
    const session = { clientId: "sleeper", clean: false };
    const sleeper = await device(urlOf(world), session);
    await sleeper.subscribeAsync("$hw/#", { qos: 1 });
    await sleeper.endAsync();
    const topic = "$hw/events/device/d/twin/update/delta";
    for (const text of ["1", "2"]) await world.bus.publish(topic, text);
    const late = await device(urlOf(world));
    const seen = received(late);
    await late.subscribeAsync("$hw/#");
    await waitFor("the last one arrives", () => seen.length === 1);
    expect(seen).toEqual([`${topic} 2`]);
    const woken = await rawClient(world.port());
    woken.write(connectPacket("sleeper", { clean: false }));
    // CONNACK with a session, and both with packet ids.
    const length = connack.length + 2 * (2 + 2 + topic.length + 2 + 1);
    await waitFor("both arrive", () => woken.answer.length >= length);
    expect(woken.answer[2]).toBe(1);
  });
});

describe("a restart of the agent", () => {
  it("ends sessions and retained messages; what was to go up is there", async () => {
    const world = await startBus();
    const session = { clientId: "sleeper", clean: false };
    const sleeper = await device(urlOf(world), session);
    await sleeper.subscribeAsync(["news", "a/user/#"], { qos: 1 });
    await sleeper.endAsync();
    const client = await device(urlOf(world));
    for (const topic of ["news", "a/user/b"]) await client.publishAsync(topic, "x", { qos: 1, retain: true });
    const again = await world.restart();
    expect(again.outbox()).toEqual([{ topic: "a/user/b", content: "x" }]);
    const woken = await rawClient(again.port());
    woken.write(connectPacket("sleeper", { clean: false }));
    await waitFor("it is answered", () => woken.answer.length > 0);
    // No session is there any more, and nothing waits.
    expect(woken.answer).toEqual(connack);
    const late = await device(urlOf(again));
    const seen = received(late);
    await late.subscribeAsync("#", { qos: 1 });
    await late.publishAsync("last", "x", { qos: 1 });
    await waitFor("the last arrives", () => seen.length > 0);
    expect(seen).toEqual(["last x"]);
  });
});
