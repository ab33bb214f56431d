import { patiently } from "./patience.ts";
import type { EdgeParts } from "./stock-edgecore.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** A call of a service of the node, and its answer, as they are on the wire. */
export interface ServiceCall {
  readonly header: Readonly<Record<string, readonly string[]>>;
  /** Base64. */
  readonly body: string;
  readonly method: string;
  readonly url: string;
}

export interface ServiceAnswer {
  readonly header: Readonly<Record<string, readonly string[]>>;
  readonly status_code: number;
  /** Base64. */
  readonly body: string;
}

/** EventBus and ServiceBus of a stock edgecore, without broker and HTTP. Source: edge modules §6.4, §7. */
export class StockBuses {
  /** `sub_topics`. */
  readonly topics = new Set<string>();
  /** `target_urls`. */
  readonly targets = new Set<string>();
  /** What programs of the node got of the broker: topic, space, payload. */
  readonly published: string[] = [];
  /** Services of the node, by `<port>:<path>`. */
  readonly services = new Map<string, (call: ServiceCall) => ServiceAnswer>();
  readonly #ordered = new Set<string>();
  readonly #parts: EdgeParts;
  readonly #asked = new Map<string, (body: string) => void>();

  constructor(parts: EdgeParts) {
    this.#parts = parts;
  }

  /** A program publishes to the broker: it goes up if the topic is listened to. The edge keeps no copy. */
  publish(topic: string, payload: string): void {
    if (this.topics.has(topic) || topic.split("/")[1] === "user")
      this.#send("bus", { resource: topic }, payload);
  }

  /** A program asks a target in the cloud through the node's port 9060. @returns The answer's body. */
  async ask(targetURL: string, payload: unknown): Promise<string> {
    if (!this.targets.has(targetURL)) return `url ${targetURL} is not allowed`;
    const body = Buffer.from(JSON.stringify({ method: "POST", targetURL, payload })).toString("base64");
    const sent = this.#send("servicebus", { resource: targetURL }, body);
    const answer = new Promise<string>((resolve) => this.#asked.set(sent.header.msg_id, resolve));
    return await patiently(`an answer of ${targetURL}`, answer);
  }

  received(message: WireJson): void {
    const { header, route } = message;
    if (header.parent_msg_id !== undefined) this.#answered(header.parent_msg_id, message);
    else if (route.source === "router_eventbus") this.#eventBus(message);
    else if (route.source === "router_servicebus") this.#serviceBus(message);
    else this.#parts.fault("goes to both buses", message);
  }

  #eventBus(message: WireJson): void {
    const { operation, resource = "" } = message.route;
    const { content } = message;
    if (operation === "publish") {
      if (typeof content !== "string") this.#parts.fault("EventBus drops it", message);
      this.published.push(`${resource} ${content}`);
    } else if (operation === "subscribe" || operation === "unsubscribe") {
      if (content !== null) this.#parts.fault("no cloud says more", message);
      if (operation === "subscribe") this.topics.add(resource);
      else this.topics.delete(resource);
      this.#order(operation === "subscribe", message);
    } else this.#parts.fault("EventBus does not know this", message);
  }

  #serviceBus(message: WireJson): void {
    const { operation, resource = "" } = message.route;
    if (operation === "start") this.targets.add(resource);
    else if (operation === "stop") this.targets.delete(resource);
    else {
      this.#call(message);
      return;
    }
    this.#order(operation === "start", message);
  }

  /** An order may be given, and taken back, more than once; but only what was given is taken back. */
  #order(isGiven: boolean, message: WireJson): void {
    const { resource = "" } = message.route;
    if (isGiven) this.#ordered.add(resource);
    else if (!this.#ordered.has(resource)) this.#parts.fault("was never ordered", message);
  }

  #call(message: WireJson): void {
    const { operation, resource = "" } = message.route;
    const call = message.content as ServiceCall;
    if (resource.split(":").length !== 2) this.#parts.fault("ServiceBus finds no port in it", message);
    if (call.method !== operation || call.url !== "") this.#parts.fault("no call", message);
    if (typeof call.body !== "string") this.#parts.fault("a byte slice is base64", message);
    for (const values of Object.values(call.header))
      if (!Array.isArray(values)) this.#parts.fault("no header of Go", message);
    const service = this.services.get(resource);
    if (service === undefined) return;
    this.#send("servicebus", { parent: message.header.msg_id }, service(call));
  }

  #answered(parent: string, message: WireJson): void {
    const waiting = this.#asked.get(parent);
    if (waiting === undefined) {
      this.#parts.fault("an answer to nothing", message);
      return;
    }
    const { source, operation } = message.route;
    if (source !== "servicebus" || operation !== "response")
      this.#parts.fault("no answer of a target", message);
    if (typeof message.content !== "string") this.#parts.fault("no text", message);
    this.#asked.delete(parent);
    waiting(message.content as string);
  }

  #send(
    source: "bus" | "servicebus",
    { resource, parent }: { resource?: string; parent?: string },
    content: unknown,
  ): WireJson {
    const header = { ...newHeader(), ...(parent === undefined ? {} : { parent_msg_id: parent }) };
    const route = {
      source,
      group: "user",
      operation: "upload",
      ...(resource === undefined ? {} : { resource }),
    };
    const message: WireJson = { header, route, content };
    this.#parts.send(message);
    return message;
  }
}
