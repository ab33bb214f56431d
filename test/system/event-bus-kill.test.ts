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

/** What waits to go up, as numbers in their order. */
function outboxIn(dataDir: string): number[] {
  const database = new Database(join(dataDir, "edge.db"), { readonly: true });
  const rows = database.prepare("SELECT packed FROM outbox ORDER BY position").pluck().all() as Uint8Array[];
  database.close();
  return rows.map((packed) => Number(contentOf(unpackMessage(packed, "edge-1" as NodeId))));
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
