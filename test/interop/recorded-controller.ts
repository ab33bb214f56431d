import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/**
 * The recorded EdgeController behind a stock cloudcore: answers in the recorded shapes, with what it was told. What an edge
 * says that a real one would not understand is a fault.
 */
export class RecordedController {
  readonly faults: string[] = [];
  /** Requests in their order: `insert default/node/edge-b`. */
  readonly asked: string[] = [];
  readonly acked: string[] = [];
  node: KubeObject | undefined;
  lease: KubeObject | undefined;
  /** By name. */
  readonly podStatuses = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #link: RawWebSocket;
  readonly #objects: ReadonlyMap<string, KubeObject>;
  readonly #pushed = new Map<string, string>();
  #version = 1_000;

  /** @param objects What the edge may ask for, by path. */
  constructor(link: RawWebSocket, objects: ReadonlyMap<string, KubeObject>) {
    this.#link = link;
    this.#objects = objects;
    void this.#read();
  }

  push(operation: string, resource: string, object: KubeObject): void {
    const header = { ...newHeader(), resourceversion: String(++this.#version) };
    const route = { source: "edgecontroller", group: "resource", operation, resource };
    this.#pushed.set(header.msg_id, `${operation} ${resource}`);
    const metadata = { ...object.metadata, resourceVersion: header.resourceversion };
    this.#link.send({ header, route, content: { ...object, metadata } });
  }

  async #read(): Promise<void> {
    for (;;) {
      const text = await this.#link.nextText().catch((error: Error) => error);
      if (typeof text === "string") this.#received(JSON.parse(text) as WireJson);
      else if (text.message.startsWith("the connection")) return;
    }
  }

  #received(message: WireJson): void {
    const { header, route, content } = message;
    const { source, group, operation = "", resource = "" } = route;
    if (operation === "keepalive") return;
    if (operation === "response") {
      const pushed = this.#pushed.get(header.parent_msg_id ?? "");
      if (pushed !== undefined) this.acked.push(pushed);
      return;
    }
    this.asked.push(`${operation} ${resource}`);
    if (source !== "edged" || group !== "meta")
      this.#fault("EdgeController takes it from edged only", message);
    const [, type = "", name = ""] = resource.split("/");
    const answer = this.#answer(`${type} ${operation}`, name, resource, content);
    if (answer === undefined) this.#fault("nobody answers this", message);
    else this.#link.send({ ...answerTo(message), content: answer });
  }

  #answer(what: string, name: string, resource: string, content: unknown): unknown {
    switch (what) {
      case "node query":
        return this.node ?? recordedAnswer("query", "/node/");
      case "node insert":
        this.node = this.#kept(content, { name });
        return wrapped(this.node);
      case "nodepatch patch": {
        const { status = {} } = this.#patch(content);
        this.node = this.#kept(
          { ...this.node, status: { ...(this.node?.status as object), ...status } },
          { name },
        );
        return wrapped(this.node);
      }
      case "lease query":
        return this.lease === undefined ? recordedAnswer("query", "/lease/") : wrapped(this.lease);
      case "lease insert":
      case "lease update": {
        const { resourceVersion } = ((content ?? {}) as KubeObject).metadata;
        if (what.endsWith("update") && resourceVersion !== this.lease?.metadata.resourceVersion)
          this.faults.push(`a stale lease: ${resourceVersion}`);
        this.lease = this.#kept(content, { name, namespace: "kube-node-lease" });
        return wrapped(this.lease);
      }
      case "podpatch patch": {
        const { metadata, status = {} } = this.#patch(content);
        this.podStatuses.set(name, { ...this.podStatuses.get(name), ...status });
        return wrapped({ metadata: { name, ...metadata }, spec: {}, status: this.podStatuses.get(name) });
      }
      case "pod delete":
        return "OK";
      default:
        return this.#objects.get(resource);
    }
  }

  /** An API server gives a uid, once, and a version each time. */
  #kept(content: unknown, name: object): KubeObject {
    const given = content as KubeObject;
    const uid = given.metadata?.uid ?? "11111111-2222-3333-4444-555555555555";
    const metadata = { ...given.metadata, ...name, uid, resourceVersion: String(++this.#version) };
    return { ...given, apiVersion: "v1", kind: "Node", metadata };
  }

  /** Patches come as texts. */
  #patch(content: unknown): { metadata?: object; status?: object } {
    if (typeof content === "string") return JSON.parse(content) as { metadata?: object; status?: object };
    this.faults.push(`a patch that is no text: ${JSON.stringify(content)}`);
    return {};
  }

  #fault(what: string, { route }: WireJson): void {
    this.faults.push(`${what}: ${JSON.stringify(route)}`);
  }
}

/** The recorded cloud's objects have no kind in an ObjectResp. */
function wrapped(object: object): object {
  const { kind: _kind, apiVersion: _apiVersion, ...bare } = object as Partial<KubeObject>;
  return { Object: bare, Err: null };
}

function answerTo({ header, route }: WireJson): Omit<WireJson, "content"> {
  const { group: _group, ...rest } = route;
  return {
    header: { ...newHeader(), parent_msg_id: header.msg_id },
    route: { ...rest, source: "edgecontroller", group: "resource", operation: "response" },
  };
}

/** The first recorded answer to such a request: that there is no such object yet. */
function recordedAnswer(operation: string, part: string): unknown {
  const all = messagesOf(readCapture("b-join-edged-enabled"));
  const is = ({ message }: RecordedMessage): boolean =>
    message.route.operation === operation && message.route.resource?.includes(part) === true;
  const id = all.find(is)?.message.header.msg_id;
  return all.find(({ message }) => message.header.parent_msg_id === id)?.message.content;
}
