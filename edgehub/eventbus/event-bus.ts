import { OncePer } from "../../platform/logger.ts";
import type { Sequence } from "../../platform/sqlite.ts";
import {
  asHubError,
  contentOf,
  HubError,
  type Message,
  type MessageId,
  shown,
} from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { LocalBus, LocalMqtt } from "../local-bus.ts";
import type { Broker, BrokerParts } from "./broker.ts";
import { contentOfPayload, payloadOfContent } from "./payload.ts";
import { SubTopics } from "./sub-topics.ts";
import { isTopicName, ownFilters, routeOf } from "./topics.ts";

export interface EventBusParts {
  readonly agent: Agent;
  readonly bus: LocalBus;
  readonly brokers: readonly ((parts: BrokerParts) => Broker)[];
  failed(error: unknown): void;
}

export interface EventBusLimits {
  readonly maxPayloadBytes: number;
  /** Subscriptions of the cloud match with wildcards. */
  readonly wildcards: boolean;
  /** Whether DeviceTwin runs. */
  readonly twin: boolean;
}

const logEveryMs = 60_000;
/** A topic is as long as a client likes. */
const loggedLength = 200;
/** Messages that one broker has and another has not, remembered for their repetition. */
const maxHalfPublished = 1_000;

/**
 * MQTT for the programs and devices of this node. What they publish goes to DeviceTwin or up to the cloud, and is
 * confirmed to them once it is on the disk; what the cloud and DeviceTwin publish goes to the brokers.
 * Source: KubeEdge's EventBus.
 */
export class EventBus implements EdgeModule, LocalMqtt {
  readonly name = "eventbus";
  readonly groups = ["user/router_eventbus"];
  readonly #parts: EventBusParts;
  readonly #limits: EventBusLimits;
  readonly #brokers: readonly Broker[];
  readonly #once: OncePer;
  readonly #halfPublished = new Map<MessageId, Set<Broker>>();
  #topics: SubTopics | undefined;

  constructor(parts: EventBusParts, limits: EventBusLimits) {
    const { agent } = parts;
    this.#parts = parts;
    this.#limits = limits;
    this.#once = new OncePer(agent.clock, logEveryMs, 1_000);
    const brokerParts: BrokerParts = {
      agent,
      take: (topic, payload, sequence) => this.#take(topic, payload, sequence),
      takes: (topic) => this.#route(topic) !== "local",
      filters: () => [...ownFilters(limits.twin), ...this.#cloudFilters()],
      failed: parts.failed,
    };
    this.#brokers = parts.brokers.map((make) => make(brokerParts));
  }

  async start(): Promise<void> {
    this.#topics = new SubTopics(this.#parts.agent.store, this.#limits.wildcards);
    try {
      for (const broker of this.#brokers) await broker.start();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#parts.bus.offerMqtt(this);
  }

  async stop(): Promise<void> {
    this.#parts.bus.offerMqtt(undefined);
    await Promise.all(this.#brokers.map((broker) => broker.stop()));
  }

  async handle(message: Message): Promise<void> {
    const { operation, resource } = message;
    switch (operation) {
      case "publish":
        return await this.#publishFromCloud(message, resource.path, payloadOfContent(message));
      case "message":
        return await this.#publishFromCloud(message, ...innerMessage(message));
      case "get_result":
        return await this.#publishFromCloud(message, this.#authTopic(message), payloadOfContent(message));
      case "subscribe":
        await this.#topics?.add(resource.path);
        return await this.#filtersChanged();
      case "unsubscribe":
        await this.#topics?.remove(resource.path);
        return await this.#filtersChanged();
      default:
        throw new HubError(
          "E_BAD_OPERATION",
          `EventBus takes publish, subscribe and unsubscribe, not ${operation}`,
        );
    }
  }

  /** Publishes for DeviceTwin. Resolves when the brokers have it, or will get it; rejects if none will. */
  async publish(topic: string, payload: Uint8Array | string): Promise<void> {
    const results = await Promise.allSettled(this.#brokers.map((broker) => broker.tell(topic, payload)));
    if (results.some(({ status }) => status === "fulfilled")) return;
    const [first] = results;
    throw asHubError(first?.status === "rejected" ? first.reason : undefined);
  }

  /** What a client published. Never throws: what cannot be taken is a rejection. */
  #take(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> | undefined {
    const route = this.#route(topic);
    if (route === "local") return undefined;
    const { maxPayloadBytes } = this.#limits;
    if (payload.length > maxPayloadBytes) {
      const text = `${shown(topic)}: a payload has at most ${maxPayloadBytes} bytes, this one has ${payload.length}`;
      return Promise.reject(new HubError("E_TOO_LARGE", text));
    }
    return route === "twin" ? this.#report(topic, payload, sequence) : this.#upload(topic, payload, sequence);
  }

  async #upload(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> {
    const { agent } = this.#parts;
    const content = contentOfPayload(payload);
    const route = { source: "bus", group: "user", operation: "upload" };
    await agent.store.outbox.put(agent.draft({ ...route, resource: topic, content }), sequence);
  }

  /** A report that DeviceTwin can never take is done with: sent again it would be no better. */
  async #report(topic: string, payload: Uint8Array, sequence: Sequence | undefined): Promise<void> {
    const { agent, bus } = this.#parts;
    try {
      await bus.report(topic, payload, sequence);
    } catch (cause) {
      const error = asHubError(cause);
      if (error.retryable) throw error;
      const start = topic.slice(0, loggedLength);
      const held = this.#once.pass(`report ${start}`);
      if (held !== undefined) agent.log.warn("DeviceTwin refused a message", { topic: start, error, held });
    }
  }

  /** A broker that has it already, from a try that failed at another one, does not get it again. */
  async #publishFromCloud({ id }: Message, topic: string, payload: Uint8Array | string): Promise<void> {
    if (!isTopicName(topic))
      throw new HubError("E_BAD_RESOURCE", `nobody can publish to the topic ${shown(topic)}`);
    const done = this.#halfPublished.get(id) ?? new Set();
    const open = this.#brokers.filter((broker) => !done.has(broker));
    const results = await Promise.allSettled(
      open.map(async (broker) => {
        await broker.publish(topic, payload);
        done.add(broker);
      }),
    );
    this.#halfPublished.delete(id);
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    if (done.size > 0) this.#halfPublished.set(id, done);
    const [oldest] = this.#halfPublished.keys();
    if (this.#halfPublished.size > maxHalfPublished && oldest !== undefined)
      this.#halfPublished.delete(oldest);
    throw asHubError(failed.reason);
  }

  #authTopic({ resource }: Message): string {
    if (resource.path !== "auth_info")
      throw new HubError("E_BAD_RESOURCE", `get_result is of auth_info, not of ${shown(resource.path)}`);
    return `$hw/events/node/${this.#parts.agent.node}/authInfo/get/result`;
  }

  #route(topic: string): "twin" | "cloud" | "local" {
    return routeOf(topic, this.#limits.twin, (wanted) => this.#topics?.has(wanted) ?? false);
  }

  /** What the cloud subscribed to and does not get anyway. */
  #cloudFilters(): string[] {
    const { twin } = this.#limits;
    return (this.#topics?.filters ?? []).filter((filter) => routeOf(filter, twin, () => false) === "local");
  }

  async #filtersChanged(): Promise<void> {
    await Promise.all(this.#brokers.map((broker) => broker.filtersChanged()));
  }
}

/** Topic and payload of KubeEdge's older operation `message`: an object that says where it is to be published. */
function innerMessage(message: Message): [topic: string, payload: string] {
  const content = contentOf(message) as { message?: { topic?: unknown } } | null;
  const inner = content?.message;
  if (typeof inner?.topic !== "string")
    throw new HubError("E_BAD_MESSAGE", 'the content of operation message must be {"message":{"topic":…}}');
  return [inner.topic, JSON.stringify(inner)];
}
