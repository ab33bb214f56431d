import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import mqtt from "mqtt";
import { ProcessRuntime } from "../../edgehub/edged/process-runtime.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { connectHub, contentOf, event, type HubClient, type Message } from "../../sdk/index.ts";
import { HubProgram, type Process, startAgentProgram } from "../programs.ts";
import { median, type Scenario } from "../scenario.ts";

const node = "edge-1";
const everyMs = 100;
/** Code that is used is compiled and caches are filled by then. */
const settleMs = 10_000;
const samples = 60;
/** Memory needs time to show what it does: a second of a round is a minute here. */
const stretch = 60;

const modules = {
  "eventBus.enable": true,
  "eventBus.mqttServerInternal": "tcp://127.0.0.1:0",
  "serviceBus.enable": true,
  "serviceBus.port": 0,
  "metaServer.enable": true,
  "metaServer.port": 0,
  "edged.enable": true,
  "edged.runtime": "process",
};

/** Every module of the agent runs, with a pod and a device, and a little comes and goes all the time. */
export const agentMemory: Scenario = {
  name: "agent-memory",
  describes: "resident memory of the agent with all modules, a pod and a device, at 10 messages/s",
  heavy: true,
  async run({ directory, roundMs }, say) {
    const runMs = roundMs * stretch;
    const hub = new HubProgram(join(directory, "hub"));
    await hub.start();
    const client = await connectHub(hub.admin);
    const cloud = new Cloud(client);
    const { token } = await client.admin.createJoinToken({ ttlMs: 600_000 });
    const edgeDirectory = join(directory, "edge");
    const agent = await startAgentProgram({
      node,
      dataDir: edgeDirectory,
      server: `wss://127.0.0.1:${hub.ports.nodes}`,
      join: `https://127.0.0.1:${hub.ports.join}`,
      token,
      flags: modules,
    });
    try {
      await cloud.furnish();
      const { port } = await agent.logged("internal broker listens");
      const load = await Load.start(client, Number(port));
      await pause(settleMs);
      const seen = [{ at: performance.now(), mib: agent.residentMiB() }];
      while (seen.length <= samples) {
        await pause(runMs / samples);
        seen.push({ at: performance.now(), mib: agent.residentMiB() });
        if (seen.length % 10 === 1) say(`${seen.at(-1)?.mib.toFixed(1)} MiB`);
      }
      await cloud.untilTaken(await load.stop());
      const last = seen.slice(-samples / 10).map(({ mib }) => mib);
      const after = runMs >= 60_000 ? `${runMs / 60_000} min` : `${runMs / 1_000} s`;
      say(`${median(last).toFixed(1)} MiB after ${after}`);
      const what = "RSS of the agent, all modules, 10 messages/s";
      const common = { unit: "MiB", lessIsBetter: true } as const;
      return [
        { ...common, name: `${what}, at the start`, rounds: [seen[0]?.mib ?? Number.NaN] },
        { ...common, name: `${what}, after ${after}`, rounds: last, goal: 80, kubeedge: "79–83" },
        {
          ...common,
          name: `${what}, growth per hour`,
          rounds: [slopeOf(seen.slice(samples / 2)) * 3_600_000],
        },
      ];
    } finally {
      await client.close();
      await endAll(agent, hub, edgeDirectory);
    }
  },
};

async function endAll(agent: Process, hub: HubProgram, edgeDirectory: string): Promise<void> {
  await agent.end();
  await hub.end();
  // Pods outlive their agent.
  const root = join(edgeDirectory, "edged/process");
  const runtime = new ProcessRuntime({ clock: systemClock, log: silentLogger }, root);
  for (const { sandboxId } of await runtime.pods()) await runtime.removeSandbox(sandboxId);
  await runtime.close();
}

/** MiB per ms, by least squares. */
function slopeOf(seen: readonly { at: number; mib: number }[]): number {
  const mean = (of: (one: { at: number; mib: number }) => number): number =>
    seen.reduce((sum, one) => sum + of(one), 0) / seen.length;
  const [at, mib] = [mean((one) => one.at), mean((one) => one.mib)];
  return mean((one) => (one.at - at) * (one.mib - mib)) / mean((one) => (one.at - at) ** 2);
}

/** What a cluster is to the node: it gives it a device and a pod, and takes what comes up. */
class Cloud {
  readonly #client: HubClient;
  #fromDevice = 0;
  #podRuns = false;

  constructor(client: HubClient) {
    this.#client = client;
    void this.#take();
  }

  /** Resolves when the pod runs. */
  async furnish(): Promise<void> {
    const device = { id: "press", name: "press", twin: { pressure: { metadata: { type: "float" } } } };
    const membership = { event_id: "1", timestamp: 1, added_devices: [device], removed_devices: null };
    const route = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
    await this.#client.publish(
      { node, ...route, content: membership, delivery: event() },
      { until: "acked" },
    );
    const main = { name: "main", image: "none", command: ["/bin/sh", "-c", "while :; do sleep 60; done"] };
    const content = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: "watcher",
        namespace: "default",
        uid: "a-uid",
        creationTimestamp: "2026-01-01T00:00:00Z",
      },
      spec: { nodeName: node, containers: [main] },
    };
    const resource = "default/pod/watcher";
    await this.#client.publish({ node, resource, operation: "insert", content, resourceVersion: "next" });
    while (!this.#podRuns) await pause(50);
  }

  /** Resolves when so much of the device has come. */
  async untilTaken(count: number): Promise<void> {
    const deadline = performance.now() + 30_000;
    while (this.#fromDevice < count) {
      if (performance.now() > deadline)
        throw new Error(`of ${count} messages of the device, ${this.#fromDevice} have come to the cloud`);
      await pause(50);
    }
  }

  async #take(): Promise<void> {
    for await (const { message, ack } of this.#client.subscribe({ nodes: [node] })) {
      this.#look(message);
      ack();
    }
  }

  #look(message: Message): void {
    const { path } = message.resource;
    if (path.endsWith("/twin/edge_updated") || path === "line/user/reading") this.#fromDevice++;
    if (path !== "default/podpatch/watcher") return;
    const patch = JSON.parse(String(contentOf(message))) as { status?: { phase?: string } };
    if (patch.status?.phase === "Running") this.#podRuns = true;
  }
}

/** Ten messages a second: five reports of the device, four uploads of it, one update from the cloud. */
class Load {
  readonly #client: HubClient;
  readonly #device: mqtt.MqttClient;
  readonly #timer: NodeJS.Timeout;
  #sent = 0;
  #fromDevice = 0;

  private constructor(client: HubClient, device: mqtt.MqttClient) {
    this.#client = client;
    this.#device = device;
    this.#timer = setInterval(() => this.#send(), everyMs);
  }

  static async start(client: HubClient, port: number): Promise<Load> {
    return new Load(
      client,
      await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }, false),
    );
  }

  /** @returns Messages of the device. */
  async stop(): Promise<number> {
    clearInterval(this.#timer);
    await this.#device.endAsync();
    return this.#fromDevice;
  }

  #send(): void {
    const count = this.#sent++;
    if (count % 10 === 9) this.#update(count);
    else if (count % 2 === 0) {
      const report = { event_id: "", timestamp: 0, twin: { pressure: { actual: { value: `${count}` } } } };
      this.#publish("$hw/events/device/press/twin/update", JSON.stringify(report));
    } else this.#publish("line/user/reading", `{"pressure":${count}}`);
  }

  #publish(topic: string, payload: string): void {
    this.#fromDevice++;
    this.#device.publish(topic, payload, { qos: 1 });
  }

  #update(count: number): void {
    const metadata = { name: "limits", namespace: "default" };
    const content = { apiVersion: "v1", kind: "ConfigMap", metadata, data: { pressure: `${count}` } };
    const resource = "default/configmap/limits";
    void this.#client.publish({ node, resource, operation: "update", content, resourceVersion: "next" });
  }
}
