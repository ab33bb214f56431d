import { type AddressInfo, createConnection, createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { certificateFiles } from "../../support/mqtt-certificates.ts";
import { Program, temporaryDirectory } from "../../support/processes.ts";
import { type BusOptions, type BusWorld, device, received, startBus, waitFor } from "./harness.ts";
import { startMqtt5Broker } from "./mqtt5-broker.ts";

/** A broker in another process, killed with the test. */
async function startBroker(port = 0, password?: string): Promise<{ port: number; kill(): Promise<unknown> }> {
  const program = new Program("test/edgehub/eventbus/broker-process.ts", [
    String(port),
    ...(password === undefined ? [] : [password]),
  ]);
  onTestFinished(() => void program.kill());
  const { port: found } = await program.logged("listening");
  return { port: Number(found), kill: () => program.kill() };
}

const external = (port: number, options: BusOptions = {}): BusOptions => ({
  ...options,
  eventBus: { mqttMode: "external", mqttServerExternal: `tcp://127.0.0.1:${port}`, ...options.eventBus },
});

/** A way to a broker that can be cut. */
async function startWay(to: number): Promise<{ port: number; isOpen: boolean; cut(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    if (!way.isOpen) return socket.destroy();
    const other = createConnection(to, "127.0.0.1");
    for (const [from, into] of [
      [socket, other],
      [other, socket],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined).on("close", () => into.destroy());
      from.pipe(into);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const way = {
    port: (server.address() as AddressInfo).port,
    isOpen: true,
    cut(): void {
      way.isOpen = false;
      for (const socket of sockets) socket.destroy();
    },
  };
  onTestFinished(() => {
    way.cut();
    server.close();
  });
  return way;
}

async function connected(port: number, options: BusOptions = {}): Promise<BusWorld> {
  const world = await startBus(external(port, options));
  await world.logged("external broker connected");
  // Its answer comes behind those to the subscriptions that were made at once.
  await world.module.handle(world.fromCloud("subscribe", "default/test/up"), "s");
  return world;
}

describe("an external broker", () => {
  it("that knows MQTT 3.1.1 only is spoken to in that", async () => {
    const { port } = await startBroker();
    const world = await startBus(external(port));
    expect(await world.logged("external broker connected")).toMatchObject({ version: "3.1.1" });
    expect(world.lines.filter(({ event }) => event.includes("cannot"))).toEqual([]);
  });

  it("gives us what goes up, what is DeviceTwin's, and what the cloud has subscribed to", async () => {
    const { port } = await startBroker();
    const reports: string[] = [];
    const report = (topic: string): Promise<void> => Promise.resolve(void reports.push(topic));
    const world = await connected(port, { report });
    const client = await device(`mqtt://127.0.0.1:${port}`);
    for (const topic of ["a/user/b", "default/test/up", "elsewhere", "$hw/events/device/d/twin/update"])
      await client.publishAsync(topic, "x", { qos: 1 });
    await waitFor("all have come", () => reports.length === 1 && world.outbox().length === 2);
    expect(world.outbox().map(({ topic }) => topic)).toEqual(["a/user/b", "default/test/up"]);
    await world.module.handle(world.fromCloud("unsubscribe", "default/test/up"), "s");
    await client.publishAsync("default/test/up", "x", { qos: 1 });
    await client.publishAsync("a/user/last", "x", { qos: 1 });
    await waitFor("the last has come", () => world.outbox().length === 3);
    expect(world.outbox().at(-1)?.topic).toBe("a/user/last");
  });

  it("gets what the cloud publishes; that does not go up again, the same of a device does", async () => {
    const { port } = await startBroker();
    const world = await connected(port);
    const client = await device(`mqtt://127.0.0.1:${port}`);
    const seen = received(client);
    await client.subscribeAsync("x/user/y", { qos: 1 });
    await world.module.handle(world.fromCloud("publish", "x/user/y", "hello"), "s");
    await client.publishAsync("x/user/y", "hello", { qos: 1 });
    await client.publishAsync("a/user/last", "x", { qos: 1 });
    await waitFor("the last has come", () => world.outbox().some(({ topic }) => topic === "a/user/last"));
    expect(world.outbox()).toHaveLength(2);
    await waitFor("the device has both", () => seen.length === 2);
  });

  it("that has lost what it had for us echoes nothing of it: the same of a device goes up", async () => {
    const { port, kill } = await startBroker();
    const world = await connected(port);
    // The broker has it, and dies before we have heard the echo.
    const told = world.module.handle(world.fromCloud("publish", "x/user/y", "hello"), "s");
    await Promise.all([told.catch(() => undefined), kill()]);
    await world.logged("external broker lost");
    const before = world.outbox().length;
    await startBroker(port);
    const connections = () => world.lines.filter(({ event }) => event === "external broker connected").length;
    await waitFor("it is back", () => connections() === 2);
    await world.module.handle(world.fromCloud("subscribe", "default/test/later"), "s");
    const client = await device(`mqtt://127.0.0.1:${port}`);
    await client.publishAsync("x/user/y", "hello", { qos: 1 });
    await waitFor("it goes up", () => world.outbox().length === before + 1);
  });

  it("keeps what comes while the agent is away", async () => {
    const { port } = await startBroker();
    const world = await connected(port);
    await world.module.stop(new AbortController().signal);
    const client = await device(`mqtt://127.0.0.1:${port}`);
    for (const i of ["0", "1", "2"]) await client.publishAsync("a/user/n", i, { qos: 1 });
    const again = await world.restart();
    await waitFor("all have come", () => again.outbox().length === 3);
    expect(again.outbox().map(({ content }) => content)).toEqual(["0", "1", "2"]);
  });

  it("gets no confirmation before a message is durable, and does not have to wait for one with the next", async () => {
    const { port } = await startBroker();
    const reports: string[] = [];
    const report = (_topic: string, payload: string): Promise<void> => {
      reports.push(payload);
      return new Promise(() => {});
    };
    const world = await connected(port, { report });
    const client = await device(`mqtt://127.0.0.1:${port}`);
    const numbers = ["0", "1", "2", "3", "4"];
    for (const i of numbers) await client.publishAsync("$hw/events/device/d/twin/update", i, { qos: 1 });
    await waitFor("all have come", () => reports.length === numbers.length);
    await world.restart();
    await waitFor("all have come again", () => reports.length === 2 * numbers.length);
    expect(reports).toEqual([...numbers, ...numbers]);
  });

  it("keeps what does not fit into the outbox, and gives it when there is room", async () => {
    const { port } = await startBroker();
    const world = await connected(port, { outbox: { maxMessages: 3 } });
    const client = await device(`mqtt://127.0.0.1:${port}`);
    const numbers = Array.from({ length: 8 }, (_, i) => `${i}`);
    await Promise.all(numbers.map((i) => client.publishAsync("a/user/n", i, { qos: 1 })));
    expect(await world.logged("external broker lost")).toMatchObject({ error: { code: "E_OUTBOX_FULL" } });
    const taken: unknown[] = [];
    await waitFor("all have come", () => {
      taken.push(...world.outbox().map(({ content }) => content));
      world.store.database.prepare("DELETE FROM outbox").run();
      world.store.outbox.recount();
      return taken.length >= numbers.length;
    });
    expect(taken).toEqual(numbers);
  });

  it("brings again what came behind a message that was not taken, though there were room: the order stays", async () => {
    const { port } = await startBroker();
    const world = await connected(port, { outbox: { maxBytes: 10_000 } });
    const client = await device(`mqtt://127.0.0.1:${port}`);
    const sizes = [6_000, 6_000, 10, 10, 6_000];
    await Promise.all(
      sizes.map((size, i) => client.publishAsync("a/user/n", `${i}`.repeat(size), { qos: 1 })),
    );
    await world.logged("external broker lost");
    const taken: string[] = [];
    await waitFor("all have come", () => {
      taken.push(...world.outbox().map(({ content }) => String(content)[0] as string));
      world.store.database.prepare("DELETE FROM outbox").run();
      world.store.outbox.recount();
      return taken.length >= sizes.length;
    });
    expect(taken).toEqual(["0", "1", "2", "3", "4"]);
  });

  it("is tried again when it goes away; what cannot be published then is refused for now", async () => {
    const { port, kill } = await startBroker();
    const world = await connected(port);
    await kill();
    await world.logged("external broker lost");
    const publish = world.module.handle(world.fromCloud("publish", "down", "x"), "s");
    await expect(publish).rejects.toMatchObject({ code: "E_LINK_LOST", retryable: true });
    // The cloud can still subscribe; the broker hears of it later.
    await world.module.handle(world.fromCloud("subscribe", "later/topic"), "s");
    await startBroker(port);
    const client = await device(`mqtt://127.0.0.1:${port}`);
    await waitFor("messages come again", async () => {
      await client.publishAsync("later/topic", "x", { qos: 1 });
      return world.outbox().length > 0;
    });
    expect(world.failures).toEqual([]);
  });

  it("gets DeviceTwin's documents of the time it was away, in order", async () => {
    const { port } = await startBroker();
    const way = await startWay(port);
    const world = await connected(way.port);
    const client = await device(`mqtt://127.0.0.1:${port}`);
    const seen = received(client);
    const topic = "$hw/events/device/d/twin/update/delta";
    await client.subscribeAsync(topic, { qos: 1 });
    await world.bus.publish(topic, "0");
    await waitFor("the first is there", () => seen.length === 1);
    way.cut();
    await world.logged("external broker lost");
    const numbers = Array.from({ length: 200 }, (_, i) => `${i + 1}`);
    for (const i of numbers) await world.bus.publish(topic, i);
    way.isOpen = true;
    await waitFor("all are there", () => seen.length > numbers.length);
    expect(seen).toEqual(["0", ...numbers].map((i) => `${topic} ${i}`));
  });

  it("says how much was lost when the agent ends before it is back", async () => {
    const world = await startBus(external(1));
    await world.bus.publish("$hw/events/device/d/twin/update/result", "{}");
    await world.module.stop(new AbortController().signal);
    expect(world.lines).toContainEqual({
      event: "the external broker has not confirmed all documents",
      count: 1,
    });
  });

  it("that refuses us is tried again, and named in the log", async () => {
    const { port } = await startBroker(0, "secret");
    const world = await startBus(external(port, { eventBus: { mqttUsername: "u", mqttPassword: "wrong" } }));
    expect(await world.logged("external broker cannot be reached")).toMatchObject({
      error: expect.objectContaining({ message: expect.stringContaining("Not authorized") }),
    });
    expect(world.failures).toEqual([]);
    const other = await startBus(external(port, { eventBus: { mqttUsername: "u", mqttPassword: "secret" } }));
    await other.logged("external broker connected");
  });

  it("that refuses a subscription of the cloud is named in the log, and the others go on", async () => {
    const { port } = await startBroker();
    const world = await connected(port);
    await world.module.handle(world.fromCloud("subscribe", "forbidden"), "s");
    expect(await world.logged("the external broker refuses a subscription")).toMatchObject({
      filter: "forbidden",
    });
    await world.module.handle(world.fromCloud("subscribe", "allowed"), "s");
    const client = await device(`mqtt://127.0.0.1:${port}`);
    for (const topic of ["forbidden", "allowed"]) await client.publishAsync(topic, "x", { qos: 1 });
    await waitFor("it has come", () => world.outbox().length > 0);
    expect(world.outbox()).toEqual([{ topic: "allowed", content: "x" }]);
  });

  it("cannot stop us with a message that is too large", async () => {
    const { port } = await startBroker();
    const world = await connected(port, { eventBus: { maxPayloadBytes: 1_000 } });
    const client = await device(`mqtt://127.0.0.1:${port}`);
    await client.publishAsync("a/user/large", "x".repeat(5_000), { qos: 1 });
    await client.publishAsync("a/user/small", "x", { qos: 1 });
    await waitFor("the small one has come", () => world.outbox().length === 1);
    expect(world.outbox()[0]?.topic).toBe("a/user/small");
    expect(await world.logged("a message of the external broker was not taken")).toMatchObject({
      error: { code: "E_TOO_LARGE" },
    });
  });
});

describe("an external broker with limits of its own, of MQTT 5", () => {
  it("gets no more messages at once than it takes", async () => {
    const broker = await startMqtt5Broker({ receiveMaximum: 5, maximumPacketSize: 1_000 });
    const world = await startBus(external(broker.port));
    await world.logged("external broker connected");
    const numbers = Array.from({ length: 100 }, (_, i) => `${i}`);
    for (const i of numbers.slice(0, 50)) await world.bus.publish("t", i);
    const later = numbers.slice(50).map((i) => world.module.handle(world.fromCloud("publish", "t", i), "s"));
    await Promise.all(later);
    await waitFor("all have come", () => broker.published.length === numbers.length);
    expect(broker.published.map(({ payload }) => `${payload}`)).toEqual(numbers);
    expect(broker.mostUnconfirmed).toBe(5);
    expect(broker.connections).toBe(1);
  });

  it("is not sent what is too large for it, and gets what comes behind that", async () => {
    const broker = await startMqtt5Broker({ receiveMaximum: 5, maximumPacketSize: 1_000 });
    const world = await startBus(external(broker.port));
    await world.logged("external broker connected");
    await world.bus.publish("document", "x".repeat(2_000));
    const large = world.module.handle(world.fromCloud("publish", "t", "x".repeat(2_000)), "s");
    await expect(large).rejects.toMatchObject({ code: "E_TOO_LARGE", retryable: false });
    await world.module.handle(world.fromCloud("publish", "t", "x".repeat(900)), "s");
    expect(broker.published.map(({ topic }) => topic)).toEqual(["t"]);
    expect(await world.logged("a document for the external broker is lost")).toMatchObject({
      topic: "document",
    });
    expect(broker.connections).toBe(1);
  });
});

describe("an external broker behind WebSockets", () => {
  it.each(["ws", "wss"] as const)("is reached by %s", async (scheme) => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const files = await certificateFiles(path);
    const isEncrypted = scheme === "wss";
    // Another agent's, which listens there too.
    const broker = await startBus({
      eventBus: {
        mqttServerInternal: `${scheme}://127.0.0.1:0`,
        ...(isEncrypted && {
          internalCertFile: files.server.cert,
          internalPrivateKeyFile: files.server.key,
        }),
      },
    });
    const eventBus = {
      mqttMode: "external" as const,
      mqttServerExternal: `${scheme}://127.0.0.1:${broker.port()}/mqtt`,
    };
    const world = await startBus({
      eventBus: { ...eventBus, ...(isEncrypted && { tlsMqttCAFile: files.ca }) },
    });
    expect(await world.logged("external broker connected")).toMatchObject({ version: "3.1.1" });
    await world.module.handle(world.fromCloud("subscribe", "default/test/up"), "s");
    await broker.bus.publish("default/test/up", "x".repeat(100_000));
    await waitFor("it has come", () => world.outbox().length === 1);
    if (!isEncrypted) return;
    const doubting = await startBus({ eventBus });
    const { error } = await doubting.logged("external broker cannot be reached");
    expect(String(error)).toMatch(/certificate/);
  });
});

describe("both brokers", () => {
  it("are listened to and published at; one that is away misses nothing, the other gets nothing twice", async () => {
    const { port, kill } = await startBroker();
    const world = await connected(port, { eventBus: { mqttMode: "both" } });
    const inside = await device(`mqtt://127.0.0.1:${world.port()}`);
    const outside = await device(`mqtt://127.0.0.1:${port}`);
    const seen = [received(inside), received(outside)];
    for (const client of [inside, outside]) {
      await client.subscribeAsync("down", { qos: 1 });
      await client.publishAsync("a/user/b", "x", { qos: 1 });
    }
    await waitFor("both have come", () => world.outbox().length === 2);
    await world.module.handle(world.fromCloud("publish", "down", "1"), "s");
    await waitFor("both have it", () => seen.every((all) => all.length === 1));

    await kill();
    await world.logged("external broker lost");
    const message = world.fromCloud("publish", "down", "2");
    await expect(world.module.handle(message, "s")).rejects.toMatchObject({ retryable: true });
    // DeviceTwin's results are not kept from the programs inside, and wait for those outside.
    await world.bus.publish("down", "result");
    await waitFor("it arrives", () => seen[0]?.at(-1) === "down result");
    await startBroker(port);
    const later = await device(`mqtt://127.0.0.1:${port}`);
    const laterSeen = received(later);
    await later.subscribeAsync("down", { qos: 1 });
    await waitFor("the repetition is taken", () =>
      world.module.handle(message, "s").then(
        () => true,
        () => false,
      ),
    );
    await waitFor("both arrive", () => laterSeen.includes("down 2"));
    expect(seen[0]).toEqual(["down 1", "down 2", "down result"]);
  });
});
