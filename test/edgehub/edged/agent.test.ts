import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ProcessRuntime } from "../../../edgehub/edged/process-runtime.ts";
import { type EdgeOptionsInput, startEdge } from "../../../edgehub/index.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { contentOf, type Message } from "../../../protocol/index.ts";
import { until } from "../../support/processes.ts";
import { startWorld, type World } from "../../support/world.ts";
import { podOf, type StatusPatch } from "./node.ts";

/** Whole agents with plain processes, and a hub. */

const edged = { enable: true, runtime: "process", syncMs: 50 } as const;
const eventBus = { enable: false };
const offline = (world: World): EdgeOptionsInput => ({
  node: "edge-1",
  dataDir: join(world.directory, "edge-1"),
  edged,
  eventBus,
  hub: {
    server: `wss://127.0.0.1:${world.hub.ports.nodes}`,
    join: `https://127.0.0.1:${world.hub.ports.join}`,
    reconnectMinMs: 20,
    reconnectMaxMs: 200,
  },
});

/** Ends the processes that an agent leaves running. */
function endPods(world: World): void {
  onTestFinished(async () => {
    const root = join(world.directory, "edge-1/edged/process");
    const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
    for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
    await runtime.close();
  });
}

/** What comes up to the hub from now on. */
function listen(world: World): Message[] {
  const heard: Message[] = [];
  void (async () => {
    for await (const { message, ack } of world.hub.subscribe({ nodes: ["edge-1"] })) {
      heard.push(message);
      ack();
    }
  })();
  return heard;
}

function phases(heard: readonly Message[]): string[] {
  const patches = heard.filter((one) => one.resource.path === "default/podpatch/ticker");
  return patches.map((one) => (JSON.parse(contentOf(one) as string) as StatusPatch).status.phase);
}

describe("an agent with pods", () => {
  it("runs one from the cloud, keeps it through its own restart without a hub, and ends it in the end", async () => {
    const world = await startWorld();
    endPods(world);
    const heard = listen(world);
    const first = await world.agent("edge-1", { edged, eventBus });
    await until("it is connected", () => first.connected);
    const pids = join(world.directory, "pids");
    const configMap = {
      kind: "ConfigMap",
      metadata: { name: "words", namespace: "default", uid: "u" },
      data: { word: "tick" },
    };
    const script = `echo $$ >> ${pids}; while :; do echo "$WORD"; sleep 0.1; done`;
    const main = {
      name: "main",
      image: "none",
      command: ["/bin/sh", "-c", script],
      env: [{ name: "WORD", valueFrom: { configMapKeyRef: { name: "words", key: "word" } } }],
    };
    const send = async (name: string, operation: string, content: unknown): Promise<void> => {
      const resource = `default/${name}`;
      const draft = { node: "edge-1", resource, operation, content, resourceVersion: "next" };
      expect((await world.hub.publishBatch([draft]))[0]).toMatchObject({ ok: true });
    };
    await send("configmap/words", "insert", configMap);
    await send(
      "pod/ticker",
      "insert",
      podOf("ticker", { containers: [main], terminationGracePeriodSeconds: 1 }),
    );
    await until("the cloud knows that it runs", () => phases(heard).at(-1) === "Running");
    expect(heard.map((one) => `${one.operation} ${one.resource.path}`)).toContain(
      "insert default/node/edge-1",
    );

    const stopped = await world.stopHub();
    await first.close();
    const logDirectory = join(world.directory, "edge-1/edged/logs/default_ticker_uid-ticker");
    const log = join(logDirectory, "main/0.log");
    const size = (): number => (existsSync(log) ? readFileSync(log).length : 0);
    const sizeBefore = size();
    const second = await startEdge(offline(world), { log: silentLogger });
    onTestFinished(() => second.close());
    await until("its log grows again", () => size() > sizeBefore);
    expect(readFileSync(log, "utf8")).toMatch(/^\S+Z stdout F tick\n/);
    expect(readFileSync(pids, "utf8").trim().split("\n")).toHaveLength(1);

    await stopped.start();
    const later = listen(world);
    const ending = { deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 1 };
    await send("pod/ticker", "update", podOf("ticker", { containers: [main] }, ending));
    await until("the cloud is told of its end", () =>
      later.some((one) => one.operation === "delete" && one.resource.path === "default/pod/ticker"),
    );
    await send("pod/ticker", "delete", podOf("ticker"));
    await until("nothing is left of it", () => !existsSync(logDirectory));
    expect(isRunning(Number(readFileSync(pids, "utf8")))).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
