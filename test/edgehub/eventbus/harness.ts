import { join } from "node:path";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { onTestFinished } from "vitest";
import type { Agent, UpstreamDraft } from "../../../edgehub/agent.ts";
import type { EdgeModule } from "../../../edgehub/dispatcher.ts";
import { eventBusModule } from "../../../edgehub/eventbus/module.ts";
import { type EventBusOptions, eventBusSection } from "../../../edgehub/eventbus/options.ts";
import { LocalBus } from "../../../edgehub/local-bus.ts";
import { EdgeStore } from "../../../edgehub/store/edge-store.ts";
import type { OutboxOptions } from "../../../edgehub/store/outbox.ts";
import { systemClock } from "../../../platform/clock.ts";
import { checkOptions } from "../../../platform/config.ts";
import {
  contentOf,
  createMessage,
  event,
  type Message,
  type MessageDraft,
  type NodeId,
  unpackMessage,
} from "../../../protocol/index.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { type LoggedLine, recordingLogger } from "../../support/recording-logger.ts";

/** EventBus over a real store, with a DeviceTwin that the test plays. */
export interface BusWorld {
  readonly module: EdgeModule;
  readonly bus: LocalBus;
  readonly store: EdgeStore;
  readonly lines: readonly LoggedLine[];
  /** What was given to {@link EdgeModule} as its end. */
  readonly failures: readonly unknown[];
  /** Port of the internal broker. */
  port(): number;
  /** Topic and content of all that waits to go up. */
  outbox(): { topic: string; content: unknown }[];
  /** Waits for a log line. */
  logged(event: string): Promise<LoggedLine>;
  /** A message of the cloud. */
  fromCloud(operation: string, topic: string, content?: unknown): Message;
  /** Another EventBus on the same store, as after a restart. */
  restart(): Promise<BusWorld>;
}

export interface BusOptions {
  readonly eventBus?: Partial<EventBusOptions>;
  readonly outbox?: Partial<OutboxOptions>;
  /** Default: takes everything. `false`: DeviceTwin is off. */
  readonly report?: ((topic: string, payload: string) => Promise<void>) | false;
  /** False: the test starts it. */
  readonly start?: boolean;
}

const node = "edge-1" as NodeId;
let messages = 0;

export async function startBus(options: BusOptions = {}): Promise<BusWorld> {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const outbox = {
    maxMessages: 100_000,
    maxBytes: 1 << 30,
    whenFull: "rejectNew" as const,
    ...options.outbox,
  };
  const store = new EdgeStore(
    {
      file: join(path, "edge.db"),
      create: true,
      synchronous: "normal",
      maxBytes: 0,
      tombstoneMs: 1e6,
      outbox,
    },
    { clock: systemClock, onDrop: () => undefined },
  );
  onTestFinished(() => store.close());
  return await busOn(store, options);
}

async function busOn(store: EdgeStore, options: BusOptions): Promise<BusWorld> {
  const lines: LoggedLine[] = [];
  const failures: unknown[] = [];
  const bus = new LocalBus();
  const { report = () => Promise.resolve() } = options;
  if (report !== false)
    bus.offerTwin({ report: (topic, payload) => report(topic, new TextDecoder().decode(payload)) });
  const factory = await eventBusModule(
    {
      ...checkOptions(eventBusSection, { mqttServerInternal: "tcp://127.0.0.1:0", ...options.eventBus }),
      twin: report !== false,
    },
    bus,
  );
  const module = factory(agentOn(store, lines), (error) => failures.push(error));
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (!stopped) await module.stop(new AbortController().signal);
    stopped = true;
  };
  onTestFinished(stop);
  if (options.start !== false) await module.start();
  const logged = async (wanted: string): Promise<LoggedLine> => {
    const found = (): LoggedLine | undefined => lines.find((line) => line.event === wanted);
    await waitFor(`"${wanted}" is logged`, () => found() !== undefined);
    return found() as LoggedLine;
  };
  return {
    module,
    bus,
    store,
    lines,
    failures,
    port: () => Number(lines.find((line) => line.event === "internal broker listens")?.port),
    outbox: () => outboxOf(store),
    logged,
    fromCloud: (operation, topic, content = null) =>
      messageOf({ source: "router_eventbus", group: "user", operation, resource: topic, content }),
    async restart() {
      await stop();
      return await busOn(store, options);
    },
  };
}

function agentOn(store: EdgeStore, lines: LoggedLine[]): Agent {
  const draft: Agent["draft"] = (of) => messageOf({ source: "edged", ...of });
  return {
    node,
    store,
    clock: systemClock,
    log: recordingLogger(lines),
    random: () => 0,
    connected: false,
    draft,
    publish: async (of: UpstreamDraft) => {
      const message = draft(of);
      await store.outbox.put(message);
      return message;
    },
    request: () => Promise.reject(new Error("not in this test")),
    answerTo: () => Promise.reject(new Error("not in this test")),
  } as unknown as Agent;
}

function messageOf(draft: MessageDraft): Message {
  const stamp = { id: `message-${++messages}`, timestamp: Date.now(), delivery: () => event() };
  return createMessage({ ...draft, node }, stamp);
}

export function outboxOf(store: EdgeStore): { topic: string; content: unknown }[] {
  const rows = store.database.prepare("SELECT packed FROM outbox ORDER BY position").pluck().all();
  return (rows as Uint8Array[]).map((packed) => {
    const message = unpackMessage(packed, node);
    expectUpload(message);
    return { topic: message.resource.path, content: contentOf(message) };
  });
}

/** KubeEdge's form of an upload. */
function expectUpload({ source, group, operation }: Message): void {
  const route = `${source} ${group} ${operation}`;
  if (route !== "bus user upload") throw new Error(`a message went up as ${route}`);
}

/** A client as devices have one; it ends with the test. */
export async function device(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 0, ...options });
  onTestFinished(() => void client.end(true));
  await new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.once("close", () => reject(new Error("the broker closed the connection")));
  });
  return client;
}

/** Resolves when a client's connection has ended. */
export function closed(client: MqttClient): Promise<void> {
  return new Promise((resolve) => client.once("close", () => resolve()));
}

/** What a client receives, as `topic payload`, from now on. */
export function received(client: MqttClient): string[] {
  const all: string[] = [];
  client.on("message", (topic, payload) => all.push(`${topic} ${payload}`));
  return all;
}

export async function waitFor(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`timed out: ${what}`);
}
