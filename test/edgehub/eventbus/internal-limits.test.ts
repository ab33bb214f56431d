import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import mqtt from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { startEdge } from "../../../edgehub/index.ts";
import { certificateFiles } from "../../support/mqtt-certificates.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { recordingLogger } from "../../support/recording-logger.ts";
import { type BusWorld, closed, device, received, startBus, waitFor } from "./harness.ts";
import { connack, connectPacket, lengthBytes, publishPacket, rawClient } from "./raw-client.ts";

const urlOf = (world: BusWorld): string => `mqtt://127.0.0.1:${world.port()}`;

describe("a client is disconnected, and the others notice nothing", () => {
  const refusals: [string, (Buffer | string)[], string][] = [
    [
      "a payload that is too large",
      [connectPacket("d"), publishPacket("a/user/b", "x".repeat(2_000))],
      "not taken",
    ],
    [
      "a packet that is far too large",
      [connectPacket("d"), Buffer.from([0x32, ...lengthBytes(200 << 20)])],
      "too large",
    ],
    [
      "a topic that is not UTF-8",
      [connectPacket("d"), publishPacket(Buffer.from([0xc3, 0x28]), "x")],
      "not taken",
    ],
    ["a topic with a zero", [connectPacket("d"), publishPacket("a\0b", "x")], "not taken"],
    [
      "a topic with control characters that would go up",
      [connectPacket("d"), publishPacket("a/user/\n", "x")],
      "not taken",
    ],
    [
      "a topic too long to go up",
      [connectPacket("d"), publishPacket(`a/user/${"b".repeat(1_024)}`, "x")],
      "not taken",
    ],
    ["a topic of the broker's own", [connectPacket("d"), publishPacket("$SYS/x", "x")], "not taken"],
    ["a wildcard in a publish", [connectPacket("d"), publishPacket("a/user/+", "x")], ""],
    ["no CONNECT first", [publishPacket("a/user/b", "x")], ""],
    ["something that is not MQTT", [Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")], ""],
  ];

  it.each(refusals)("for %s", async (_what, packets, logs) => {
    const world = await startBus({ eventBus: { maxPayloadBytes: 1_000 } });
    const other = await device(urlOf(world));
    const client = await rawClient(world.port());
    for (const packet of packets) client.write(Buffer.from(packet as string));
    await client.ended;
    // Nothing was confirmed: at most the connection itself.
    expect([0, connack.length]).toContain(client.answer.length);
    if (logs !== "")
      expect(world.lines.map(({ event }) => event)).toContainEqual(expect.stringContaining(logs));
    await other.publishAsync("a/user/b", "fine", { qos: 1 });
    expect(world.outbox()).toEqual([{ topic: "a/user/b", content: "fine" }]);
    expect(world.failures).toEqual([]);
  });

  it("for a wrong password; with the right one it is let in", async () => {
    const world = await startBus({ eventBus: { internalUsername: "u", internalPassword: "secret" } });
    const wrong = device(urlOf(world), { username: "u", password: "wrong" });
    await expect(wrong).rejects.toMatchObject({ code: 4 });
    await expect(device(urlOf(world))).rejects.toMatchObject({ code: 4 });
    await device(urlOf(world), { username: "u", password: "secret" });
  });
});

describe("a full outbox", () => {
  it("confirms what it took and nothing else; the client brings the rest when there is room", async () => {
    const world = await startBus({ outbox: { maxMessages: 2 } });
    const client = await device(urlOf(world), { clean: false, clientId: "d", reconnectPeriod: 20 });
    const ended = closed(client);
    const confirmed: number[] = [];
    for (let i = 0; i < 4; i++) {
      client.publish("a/user/n", `${i}`, { qos: 1 }, (error) => void (error ?? confirmed.push(i)));
    }
    await ended;
    expect(confirmed).toEqual([0, 1]);
    expect(await world.logged("a client's message was not taken")).toMatchObject({
      topic: "a/user/n",
      error: { code: "E_OUTBOX_FULL" },
    });
    world.store.database.prepare("DELETE FROM outbox").run();
    world.store.outbox.recount();
    await waitFor("the rest is confirmed", () => confirmed.length === 4);
    expect(world.outbox().map(({ content }) => content)).toEqual(["2", "3"]);
  });

  it("takes nothing of a client behind what it refused, though there were room: the order stays", async () => {
    const world = await startBus({ outbox: { maxBytes: 10_000 } });
    const client = await device(urlOf(world), { clean: false, clientId: "d", reconnectPeriod: 20 });
    const ended = closed(client);
    const confirmed: number[] = [];
    for (const [i, size] of [6_000, 6_000, 10].entries())
      client.publish(
        "a/user/n",
        `${i}`.repeat(size),
        { qos: 1 },
        (error) => void (error ?? confirmed.push(i)),
      );
    await ended;
    expect(world.outbox()).toHaveLength(1);
    world.store.database.prepare("DELETE FROM outbox").run();
    world.store.outbox.recount();
    await waitFor("the rest is confirmed", () => confirmed.length === 3);
    expect(world.outbox().map(({ content }) => String(content)[0])).toEqual(["1", "2"]);
  });

  it("does not keep the will of a client from the others", async () => {
    const world = await startBus({ outbox: { maxMessages: 1 } });
    const watcher = await device(urlOf(world));
    const seen = received(watcher);
    await watcher.subscribeAsync("gone/+");
    const will = { topic: "gone/d", payload: Buffer.from("gone"), qos: 1 as const, retain: false };
    const client = await device(urlOf(world), { clientId: "d", will });
    const ended = closed(client);
    for (const i of ["0", "1"]) client.publish("a/user/n", i, { qos: 1 }, () => undefined);
    await ended;
    await waitFor("the will arrives", () => seen.length === 1);
    expect(seen).toEqual(["gone/d gone"]);
  });

  it("drops what was sent without a promise, and goes on", async () => {
    const world = await startBus({ outbox: { maxMessages: 1 } });
    const client = await device(urlOf(world));
    const seen = received(client);
    await client.subscribeAsync("a/user/#");
    for (const i of ["0", "1"]) await client.publishAsync("a/user/n", i, { qos: 0 });
    await waitFor("clients of the broker get both", () => seen.length === 2);
    expect(world.outbox()).toHaveLength(1);
    expect(client.connected).toBe(true);
  });
});

it("keeps so many messages for a client that is away, and says when more are dropped", async () => {
  const world = await startBus({ eventBus: { mqttSessionQueueSize: 3 } });
  const session = { clientId: "sleeper", clean: false };
  const sleeper = await device(urlOf(world), session);
  await sleeper.subscribeAsync("news", { qos: 1 });
  await sleeper.endAsync();
  const client = await device(urlOf(world));
  for (let i = 0; i < 5; i++) await client.publishAsync("news", `${i}`, { qos: 1 });
  expect(await world.logged("messages for a client's session are dropped")).toMatchObject({
    clientId: "sleeper",
  });
  const woken = mqtt.connect(urlOf(world), { ...session, reconnectPeriod: 0 });
  onTestFinished(() => void woken.end(true));
  const seen = received(woken);
  await waitFor("the kept ones arrive", () => seen.length === 3);
  await client.publishAsync("news", "5", { qos: 1 });
  await waitFor("a new one arrives", () => seen.length === 4);
  expect(seen).toEqual(["news 0", "news 1", "news 2", "news 5"]);
});

describe("listening", () => {
  it.each(["tls", "ws", "wss"] as const)("works with %s", async (scheme) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const files = await certificateFiles(path);
    const encrypted = scheme !== "ws";
    const world = await startBus({
      eventBus: {
        mqttServerInternal: `${scheme}://127.0.0.1:0`,
        ...(encrypted
          ? { internalCertFile: files.server.cert, internalPrivateKeyFile: files.server.key }
          : {}),
      },
    });
    const url = `${scheme === "tls" ? "mqtts" : scheme}://127.0.0.1:${world.port()}`;
    const client = await device(url, encrypted ? { ca: readFileSync(files.ca) } : {});
    await client.publishAsync("a/user/b", "x".repeat(100_000), { qos: 1 });
    expect(world.outbox()).toHaveLength(1);
    if (encrypted) await expect(device(url)).rejects.toThrow(/certificate/);
  });

  it("is tried again while another program has the port; the agent runs on", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, "127.0.0.1", resolve));
    const { port } = squatter.address() as { port: number };
    const log = recordingLogger();
    const edge = await startEdge(
      {
        node: "edge-1",
        dataDir: path,
        hub: { token: "x".repeat(40), server: "wss://127.0.0.1:1", join: "https://127.0.0.1:1" },
        eventBus: { mqttServerInternal: `tcp://127.0.0.1:${port}` },
      },
      { log, random: () => 0 },
    );
    onTestFinished(() => edge.close());
    expect(log.lines.find(({ event }) => event === "a module could not be started")).toMatchObject({
      module: "eventbus",
      error: { code: "E_PORT_TAKEN" },
    });
    await edge.publish({ source: "bus", group: "user", operation: "upload", resource: "t", content: 1 });
    await new Promise((resolve) => squatter.close(resolve));
    await waitFor("it listens", () => log.lines.some(({ event }) => event === "internal broker listens"));
    await device(`mqtt://127.0.0.1:${port}`);
  });
});

describe("options that cannot be", () => {
  it.each([
    [{ mqttServerInternal: "http://127.0.0.1:1884" }, "mqttServerInternal"],
    [{ mqttServerInternal: "tcp://127.0.0.1:99999" }, "mqttServerInternal"],
    [{ mqttServerInternal: "tls://127.0.0.1:1884" }, "internalCertFile"],
    [{ internalCertFile: "/x" }, "internalPrivateKeyFile"],
    [{ mqttMode: "external" as const, mqttServerExternal: "broker" }, "mqttServerExternal"],
    [{ mqttMode: "external" as const, tlsMqttCAFile: "/x" }, "tls://"],
  ])("%o", async (eventBus, names) => {
    await expect(startBus({ eventBus })).rejects.toMatchObject({
      code: "E_BAD_OPTION",
      message: expect.stringContaining(names),
    });
  });
});
