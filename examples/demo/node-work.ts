import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { contentOf, event } from "../../sdk/index.ts";
import type { Controller } from "./controller.ts";
import type { WeakLink } from "./link.ts";
import type { Listener } from "./listener.ts";
import type { Narrator } from "./narrator.ts";
import { type DeviceFacts, type NodeFacts, type PodFacts, partsIn, type ServiceFacts } from "./node-facts.ts";
import type { Ports, Programs } from "./programs.ts";
import type { Screen } from "./screen.ts";
import { until } from "./waiting.ts";

export interface NodeWorkParts {
  readonly node: string;
  readonly programs: Programs;
  readonly screen: Screen;
  readonly narrator: Narrator;
  readonly controller: Controller;
  readonly listener: Listener;
  readonly link: WeakLink;
  readonly ports: Ports;
  readonly signal: AbortSignal;
}

const device = "factory/press-07";
const strokes = 60;
const strokeEveryMs = 25;

/** Counts, and says which process it is: `$$`, which a pod writes twice, since Kubernetes reads `$$` as `$`. */
const counter = 'part=0; while :; do part=$((part+1)); echo "process $$$$ part $part"; sleep 0.1; done';
const pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: "parts-counter",
    namespace: "factory",
    uid: "7f1c5c4e-6f3b-4c0e-9a55-0d1f6f1b7a01",
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: {
    nodeName: "edge-1",
    restartPolicy: "Always",
    containers: [{ name: "counter", image: "none", command: ["/bin/sh", "-c", counter] }],
  },
};

/** What runs on the node while the cloud is away: a device, a pod, a service. */
export class NodeWork {
  readonly #parts: NodeWorkParts;
  #state = { link: "up", hub: "up", agent: "up" };

  constructor(parts: NodeWorkParts) {
    this.#parts = parts;
  }

  /** Rejects if anything is not as promised. */
  async run(): Promise<NodeFacts> {
    const { screen } = this.#parts;
    screen.show({ lines: () => ["", ...this.#lines(), ""], line: () => this.#lines().join("; ") });
    const facts = { device: await this.#device(), pod: await this.#pod(), service: await this.#service() };
    screen.close();
    return facts;
  }

  // ── the steps ──────────────────────────────────────────────────────────────────────────────────────────

  async #device(): Promise<DeviceFacts> {
    const { programs, narrator, controller, listener, link, node, signal } = this.#parts;
    const { hub } = controller;
    narrator.tell(
      "8/10",
      "CUTTING THE LINK AGAIN. A device on the node, a stock MQTT client, knows nothing of it:",
    );
    const twin = { strokes: { metadata: { type: "int" } } };
    const added = [{ id: device, name: "press-07", twin }];
    const content = { event_id: "", timestamp: Date.now(), added_devices: added, removed_devices: null };
    const route = { source: "devicecontroller", group: "twin", operation: "update", resource: "membership" };
    await hub.publish({ node, ...route, content, delivery: event() }, { until: "acked", signal });
    link.cut();
    this.#state.link = "CUT";
    const away = async () => ((await hub.nodes()).some((one) => one.connected) ? undefined : true);
    await until(away, { what: `${node} to be away`, timeoutMs: 10_000, signal });
    programs.startDevice(device, { strokes, everyMs: strokeEveryMs });
    narrator.more(`it reports ${strokes} strokes of the press to DeviceTwin, by MQTT with QoS 1.`);
    await until(() => (programs.deviceConfirmed.length >= strokes ? true : undefined), {
      what: "the device to report",
      timeoutMs: 15_000,
      signal,
    });
    const confirmed = programs.deviceConfirmed.length;
    const [takenBefore, connectedBefore] = [listener.strokes.length, (await away()) === undefined];
    if (takenBefore > 0 || connectedBefore)
      throw new Error("the link was not down while the device reported");
    narrator.more(
      `All ${confirmed} are confirmed and on the node's disk; the cloud has ${takenBefore} of them. Healing the link.`,
    );
    await narrator.read();
    link.heal();
    this.#state.link = "up";
    await until(() => (listener.strokes.length >= confirmed ? true : undefined), {
      what: "the reports to come to the cloud",
      timeoutMs: 20_000,
      signal,
    });
    const taken = [...listener.strokes];
    if (!isDeepStrictEqual(taken, programs.deviceConfirmed))
      throw new Error(`the device reported ${programs.deviceConfirmed}, the cloud has ${taken}`);
    return { confirmed, takenBefore, taken: taken.length };
  }

  async #pod(): Promise<PodFacts> {
    const { programs, narrator, controller, listener, node, ports, signal } = this.#parts;
    narrator.tell(
      "9/10",
      "A POD FOR THE NODE: it counts parts. Edged runs it as a plain process here, elsewhere in containerd.",
    );
    await controller.hub.publish(
      {
        node,
        resource: "factory/pod/parts-counter",
        operation: "insert",
        content: pod,
        resourceVersion: "next",
      },
      { signal },
    );
    const runs = () => (listener.podPhase === "Running" ? true : undefined);
    await until(runs, { what: "the pod to run", timeoutMs: 15_000, signal });
    const parts = (): number => this.#partsCounted().length;
    await until(() => (parts() >= 5 ? true : undefined), { what: "parts", timeoutMs: 10_000, signal });
    const process = this.#partsCounted()[0]?.process;
    narrator.more(
      `The cloud is told that it is Running: process ${process}. KILLING HUB AND AGENT, both with SIGKILL.`,
    );
    await programs.killHub();
    await programs.killAgent();
    this.#state = { ...this.#state, hub: "KILLED", agent: "KILLED" };
    const atKill = parts();
    await narrator.read();
    const agentPid = await programs.startAgentAgain(signal);
    this.#state.agent = `up (pid ${agentPid})`;
    narrator.more(
      "The agent is back, there is no hub to ask: it knows its pod from its own disk, and leaves it running.",
    );
    await until(() => (parts() >= atKill + 15 ? true : undefined), {
      what: "more parts",
      timeoutMs: 10_000,
      signal,
    });
    const withoutHub = this.#partsCounted();
    await programs.startHub(ports, signal);
    this.#state.hub = `up (pid ${programs.hubPid})`;
    narrator.more("The hub is back too, and the node finds it.");
    await until(
      async () => ((await controller.hub.nodes()).some((one) => one.connected) ? true : undefined),
      {
        what: `${node} to reconnect`,
        timeoutMs: 20_000,
        signal,
      },
    );
    const gaps = withoutHub.filter((one, at) => one.part !== at + 1).length;
    const processes = new Set(withoutHub.map((one) => one.process));
    if (gaps > 0 || processes.size !== 1 || process === undefined)
      throw new Error(`the pod did not run through: ${gaps} gaps, processes ${[...processes].join(", ")}`);
    return { process, atKill, withoutHub: withoutHub.length };
  }

  async #service(): Promise<ServiceFacts> {
    const { programs, narrator, controller, node, signal } = this.#parts;
    const port = await programs.startService(signal);
    const path = "/tools/tool-2";
    narrator.tell(
      "10/10",
      `A CALL FROM THE CLOUD to a REST service on the node, which listens on 127.0.0.1:${port} only.`,
    );
    const atNode = await (await fetch(`http://127.0.0.1:${port}${path}`, { signal })).text();
    const startedAt = performance.now();
    const answer = await controller.hub.request(
      {
        node,
        source: "router_servicebus",
        group: "user",
        operation: "GET",
        resource: `${port}:${path}`,
        content: { header: {}, body: null, method: "GET", url: "" },
        delivery: event({ ttlMs: 10_000 }),
      },
      { timeoutMs: 10_000, signal },
    );
    const ms = performance.now() - startedAt;
    const { status_code: status, body } = contentOf(answer) as { status_code: number; body: string };
    const text = Buffer.from(body, "base64").toString();
    narrator.more(`The SDK's request is answered with ${status}: ${text}`);
    if (text !== atNode || status !== 200)
      throw new Error(`the service says ${atNode} on the node, and ${status} ${text} in the cloud`);
    return { path, status, text, ms };
  }

  // ── looking ────────────────────────────────────────────────────────────────────────────────────────────

  /** What the pod has written, as its log on the node has it. */
  #partsCounted(): { process: number; part: number }[] {
    const logs = join(this.#parts.programs.edgeDirectory, "edged/logs");
    const folder = entriesOf(logs).find((name) => name.includes("parts-counter"));
    if (folder === undefined) return [];
    const container = join(logs, folder, "counter");
    return entriesOf(container).flatMap((name) => partsIn(readFileSync(join(container, name), "utf8")));
  }

  #lines(): string[] {
    const { programs, listener } = this.#parts;
    const { link, hub, agent } = this.#state;
    const last = this.#partsCounted().at(-1);
    return [
      `link: ${link}, hub: ${hub}, agent: ${agent}`,
      `press-07: ${programs.deviceConfirmed.length} strokes reported, ${listener.strokes.length} in the cloud`,
      last ? `parts-counter: process ${last.process}, ${last.part} parts` : "parts-counter: none",
    ];
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}
