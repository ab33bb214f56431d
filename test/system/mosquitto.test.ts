import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  type BusOptions,
  type BusWorld,
  device,
  received,
  startBus,
  waitFor,
} from "../edgehub/eventbus/harness.ts";
import { Mosquitto, type MosquittoOptions } from "../support/mosquitto.ts";
import { certificateFiles } from "../support/mqtt-certificates.ts";
import { temporaryDirectory } from "../support/processes.ts";

const unavailable = Mosquitto.unavailable();
if (unavailable !== undefined) process.stderr.write(`no tests with mosquitto: ${unavailable}\n`);

async function startBroker(options: MosquittoOptions = {}): Promise<Mosquitto> {
  const broker = await Mosquitto.start(options);
  onTestFinished(() => broker.remove());
  return broker;
}

async function connected({ port }: Mosquitto, options: BusOptions = {}): Promise<BusWorld> {
  const world = await startBus({
    ...options,
    eventBus: { mqttMode: "external", mqttServerExternal: `tcp://127.0.0.1:${port}`, ...options.eventBus },
  });
  await world.logged("external broker connected");
  await world.module.handle(world.fromCloud("subscribe", "default/test/up"), "s");
  return world;
}

describe.skipIf(unavailable !== undefined)("Debian's mosquitto as the external broker", () => {
  it("is spoken to in MQTT 5, and sends us nothing that we published", async () => {
    const broker = await startBroker();
    const world = await connected(broker);
    expect(await world.logged("external broker connected")).toMatchObject({ version: "5" });
    const client = await device(`mqtt://127.0.0.1:${broker.port}`);
    const seen = received(client);
    await client.subscribeAsync("x/user/y", { qos: 1 });
    await world.module.handle(world.fromCloud("publish", "x/user/y", "hello"), "s");
    await waitFor("a device has it", () => seen.length === 1);
    await client.publishAsync("default/test/up", "up", { qos: 1 });
    await waitFor("what a device says goes up", () => world.outbox().length > 0);
    expect(world.outbox()).toEqual([{ topic: "default/test/up", content: "up" }]);
  });

  it("keeps the order of a burst, many to a commit", async () => {
    const broker = await startBroker();
    const world = await connected(broker);
    const client = await device(`mqtt://127.0.0.1:${broker.port}`);
    const numbers = Array.from({ length: 500 }, (_, i) => `${i}`);
    await Promise.all(numbers.map((i) => client.publishAsync("a/user/n", i, { qos: 1 })));
    await waitFor("all have come", () => world.outbox().length === numbers.length);
    expect(world.outbox().map(({ content }) => content)).toEqual(numbers);
  });

  it("keeps messages while the agent is away, through its own restart", async () => {
    const broker = await startBroker();
    const world = await connected(broker);
    await world.module.stop(new AbortController().signal);
    const client = await device(`mqtt://127.0.0.1:${broker.port}`);
    for (const i of ["0", "1", "2"]) await client.publishAsync("a/user/n", i, { qos: 1 });
    await broker.stop();
    await broker.start();
    const again = await world.restart();
    await waitFor("all have come", () => again.outbox().length === 3);
    expect(again.outbox().map(({ content }) => content)).toEqual(["0", "1", "2"]);
  });

  it("keeps what does not fit into the outbox, and gives it when there is room", async () => {
    const broker = await startBroker();
    const world = await connected(broker, { outbox: { maxMessages: 3 } });
    const client = await device(`mqtt://127.0.0.1:${broker.port}`);
    const numbers = Array.from({ length: 8 }, (_, i) => `${i}`);
    await Promise.all(numbers.map((i) => client.publishAsync("a/user/n", i, { qos: 1 })));
    await world.logged("external broker lost");
    const taken: unknown[] = [];
    await waitFor("all have come", () => {
      taken.push(...world.outbox().map(({ content }) => content));
      world.store.database.prepare("DELETE FROM outbox").run();
      world.store.outbox.recount();
      return taken.length >= numbers.length;
    });
    expect(taken).toEqual(numbers);
  });

  it("is found again after a restart, with all subscriptions", async () => {
    const broker = await startBroker();
    const world = await connected(broker);
    await broker.stop();
    await world.logged("external broker lost");
    await world.module.handle(world.fromCloud("subscribe", "later/topic"), "s");
    await broker.start();
    const client = await device(`mqtt://127.0.0.1:${broker.port}`);
    await waitFor("messages come again", async () => {
      await client.publishAsync("later/topic", "x", { qos: 1 });
      return world.outbox().length > 0;
    });
  });

  it("can ask for TLS, a client certificate, user name and password", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const tls = await certificateFiles(path);
    const user = { name: "edge", password: "secret" };
    const broker = await startBroker({ tls, user });
    const eventBus = {
      mqttServerExternal: `tls://127.0.0.1:${broker.port}`,
      tlsMqttCAFile: tls.ca,
      tlsMqttCertFile: tls.client.cert,
      tlsMqttPrivateKeyFile: tls.client.key,
      mqttUsername: user.name,
      mqttPassword: user.password,
    };
    const world = await connected(broker, { eventBus });
    const client = await device(`mqtts://127.0.0.1:${broker.port}`, {
      username: user.name,
      password: user.password,
      ca: readFileSync(tls.ca),
      cert: readFileSync(tls.client.cert),
      key: readFileSync(tls.client.key),
    });
    await client.publishAsync("a/user/b", "x", { qos: 1 });
    await waitFor("it has come", () => world.outbox().length === 1);
  });

  it.each([
    ["a wrong password", { mqttUsername: "edge", mqttPassword: "wrong" }, /[Nn]ot authorized/],
    ["no user name", {}, /[Nn]ot authorized/],
  ])("refuses %s, which is said in the log", async (_what, eventBus, text) => {
    const broker = await startBroker({ user: { name: "edge", password: "secret" } });
    const world = await startBus({
      eventBus: { mqttMode: "external", mqttServerExternal: `tcp://127.0.0.1:${broker.port}`, ...eventBus },
    });
    const { error } = await world.logged("external broker cannot be reached");
    expect((error as Error).message).toMatch(text);
    expect(world.failures).toEqual([]);
  });

  it("is not believed with a certificate of another CA", async () => {
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const tls = await certificateFiles(path);
    const broker = await startBroker({ tls });
    const world = await startBus({
      eventBus: { mqttMode: "external", mqttServerExternal: `tls://127.0.0.1:${broker.port}` },
    });
    const { error } = await world.logged("external broker cannot be reached");
    expect((error as Error).message).toMatch(/certificate/);
  });
});
