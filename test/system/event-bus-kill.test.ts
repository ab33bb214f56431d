import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, it, onTestFinished } from "vitest";
import { contentOf, type NodeId, unpackMessage } from "../../protocol/index.ts";
import { device, waitFor } from "../edgehub/eventbus/harness.ts";
import { Program, temporaryDirectory } from "../support/processes.ts";

const kills = 4;
const messagesEach = 2_000;

function startAgent(dataDir: string, eventBus: Readonly<Record<string, string>> = {}): Program {
  const flags = {
    node: "edge-1",
    dataDir,
    "hub.server": "wss://127.0.0.1:1",
    "hub.join": "https://127.0.0.1:1",
    "hub.token": "x".repeat(64),
    "eventBus.mqttServerInternal": "tcp://127.0.0.1:0",
    ...eventBus,
  };
  return new Program(
    "edgehub/main.ts",
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  );
}

/** The contents of what waits to go up, in their order. */
function contentsIn(dataDir: string): unknown[] {
  const database = new Database(join(dataDir, "edge.db"), { readonly: true });
  const rows = database.prepare("SELECT packed FROM outbox ORDER BY position").pluck().all() as Uint8Array[];
  database.close();
  return rows.map((packed) => contentOf(unpackMessage(packed, "edge-1" as NodeId)));
}

const outboxIn = (dataDir: string): number[] => contentsIn(dataDir).map(Number);

/** A device as DeviceTwin keeps it. */
function addDevice(dataDir: string, id: string): void {
  const database = new Database(join(dataDir, "edge.db"));
  database.prepare("INSERT INTO device VALUES (?, ?, '', '', '', '{}', '{}')").run(id, id);
  database.close();
}

it("loses no message that a device got confirmed, though the agent is killed in the middle of them", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const confirmed = new Set<number>();
  let next = 0;
  for (let kill = 0; kill < kills; kill++) {
    const agent = startAgent(path);
    onTestFinished(() => void agent.kill());
    const { port } = await agent.logged("internal broker listens");
    const client = await device(`mqtt://127.0.0.1:${port}`);
    client.on("error", () => undefined);
    const enough = new Promise<void>((resolve) => {
      const goal = confirmed.size + messagesEach / 2;
      for (let i = 0; i < messagesEach; i++) {
        const number = next++;
        client.publish("a/user/n", `${number}`, { qos: 1 }, (error) => {
          if (error) return;
          confirmed.add(number);
          if (confirmed.size >= goal) resolve();
        });
      }
    });
    await enough;
    await agent.kill("SIGKILL");
  }
  const kept = outboxIn(path);
  const missing = [...confirmed].filter((number) => !kept.includes(number));
  expect(missing).toEqual([]);
  expect(kept).toEqual(kept.toSorted((a, b) => a - b));
  expect(confirmed.size).toBeGreaterThanOrEqual((kills * messagesEach) / 2);
});

it("loses no message of an external broker, though the agent is killed in the middle of them", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const broker = new Program("test/edgehub/eventbus/broker-process.ts", ["0"]);
  onTestFinished(() => void broker.kill());
  const { port } = await broker.logged("listening");
  const external = {
    "eventBus.mqttMode": "external",
    "eventBus.mqttServerExternal": `tcp://127.0.0.1:${port}`,
  };
  const client = await device(`mqtt://127.0.0.1:${port}`);
  let next = 0;
  for (let kill = 0; kill < kills; kill++) {
    const agent = startAgent(path, external);
    onTestFinished(() => void agent.kill());
    await agent.logged("external broker connected");
    // The first time: it has subscribed when a message arrives.
    while (kill === 0 && outboxIn(path).length === 0)
      await client.publishAsync("a/user/n", `${next++}`, { qos: 1 });
    const first = outboxIn(path)[0] ?? 0;
    const before = next;
    const all = Array.from({ length: 500 }, () => client.publishAsync("a/user/n", `${next++}`, { qos: 1 }));
    await waitFor("some have come", () => outboxIn(path).some((number) => number >= before));
    await agent.kill("SIGKILL");
    await Promise.all(all);
    if (kill < kills - 1) continue;
    const last = startAgent(path, external);
    onTestFinished(() => void last.kill());
    const wanted = Array.from({ length: next - first }, (_, i) => first + i);
    await waitFor("all have come", () => {
      const kept = new Set(outboxIn(path));
      return wanted.every((number) => kept.has(number));
    });
  }
});

it("loses no report to DeviceTwin that was confirmed, nor counts one twice, though the agent is killed", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const made = startAgent(path);
  await made.logged("internal broker listens");
  await made.kill("SIGTERM");
  addDevice(path, "d");
  const confirmed = new Set<string>();
  let next = 0;
  for (let kill = 0; kill < kills; kill++) {
    const agent = startAgent(path);
    onTestFinished(() => void agent.kill());
    const { port } = await agent.logged("internal broker listens");
    const client = await device(`mqtt://127.0.0.1:${port}`);
    client.on("error", () => undefined);
    const goal = confirmed.size + 200;
    const enough = Promise.withResolvers<void>();
    for (let i = 0; i < 400; i++) {
      const value = `${next++}`;
      const report = JSON.stringify({ event_id: value, twin: { t: { actual: { value } } } });
      client.publish("$hw/events/device/d/twin/update", report, { qos: 1 }, (error) => {
        if (error) return;
        confirmed.add(value);
        if (confirmed.size >= goal) enough.resolve();
      });
    }
    await enough.promise;
    await agent.kill("SIGKILL");
  }
  const kept = contentsIn(path).map((content) => {
    const { t } = (content as { twin: { t: { actual: { value: string }; actual_version: object } } }).twin;
    return { value: t.actual.value, version: t.actual_version };
  });
  const values = kept.map(({ value }) => value);
  expect([...confirmed].filter((value) => !values.includes(value))).toEqual([]);
  expect(values.map(Number)).toEqual(values.map(Number).toSorted((a, b) => a - b));
  expect(kept.map(({ version }) => version)).toEqual(values.map((_, i) => ({ cloud: 0, edge: i + 1 })));
});
