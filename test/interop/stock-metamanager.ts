import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kubernetes/index.ts";
import { patiently } from "./patience.ts";
import type { EdgeParts } from "./stock-edgecore.ts";
import { ackOf, newHeader, type WireJson } from "./wire-json.ts";

/** An API error as Go writes it. */
export interface ErrStatus {
  readonly status: string;
  readonly reason: string;
  readonly code: number;
  readonly message: string;
}

/** What most requests are answered with: KubeEdge's `ObjectResp`. */
export interface ObjectResp {
  readonly Object: KubeObject | null;
  readonly Err: { readonly ErrStatus: ErrStatus } | null;
}

/** Sources whose updates MetaManager acks. Source: edge modules §3.2. */
const ackedSources = ["edgecontroller", "dynamiccontroller", "devicecontroller", "policycontroller"];
/** Kinds that cloudcore's controllers push to edges, by source. */
const pushedKinds: Readonly<Record<string, readonly string[]>> = {
  edgecontroller: ["pod", "configmap", "secret", "node"],
  devicecontroller: ["device", "devicemodel"],
};

/** MetaManager of a stock edgecore: its table, its acks and its requests. Source: edge modules §3. */
export class StockMetaManager {
  /** Its table: what was stored last under a key. */
  readonly rows = new Map<string, unknown>();
  /** Downstream messages in their order: `insert default/pod/pb`. */
  readonly pushed: string[] = [];
  /** Told of what was stored, or deleted, at the word of the cloud. */
  onPush: (operation: string, resource: string, object: KubeObject) => void = () => undefined;
  readonly #parts: EdgeParts;
  readonly #asked = new Map<string, (answer: WireJson) => void>();

  constructor(parts: EdgeParts) {
    this.#parts = parts;
  }

  /** What was asked is not answered any more. */
  disconnected(): void {
    this.#asked.clear();
  }

  /** Sends a request of edged and waits for the answer, which must be one. */
  async request(operation: string, resource: string, content: unknown): Promise<WireJson> {
    const came = await this.#ask({ source: "edged", operation, resource }, content, "edgecontroller");
    if (operation !== "patch" && operation !== "delete") {
      this.#storeAnswer(came);
      this.#parts.send(ackOf(came));
    }
    return came;
  }

  /** MetaServer's question for the cluster's CA, as later lines than 1.15 put it. @returns The answer's content. */
  async askForCa(): Promise<unknown> {
    const asked = { source: "metamanager", operation: "query", resource: "k8s/ca.crt" };
    return (await this.#ask(asked, null, "cloudhub")).content;
  }

  /** What edged says without waiting for an answer. */
  tell(operation: string, resource: string, content: unknown): void {
    const route = { source: "edged", group: "meta", operation, resource };
    this.#parts.send({ header: newHeader(), route, content });
  }

  async #ask(
    { source, operation, resource }: Record<"source" | "operation" | "resource", string>,
    content: unknown,
    answering: string,
  ): Promise<WireJson> {
    const message = { header: newHeader(), route: { source, group: "meta", operation, resource }, content };
    const answer = new Promise<WireJson>((resolve) => this.#asked.set(message.header.msg_id, resolve));
    this.#parts.send(message);
    const came = await patiently(`an answer to ${operation} ${resource}`, answer);
    const expected = { source: answering, group: "resource", operation: "response", resource };
    if (!isDeepStrictEqual({ ...came.route }, expected))
      this.#parts.fault("not the route of an answer", came);
    return came;
  }

  received(message: WireJson): void {
    const { header } = message;
    const { parent_msg_id: parent } = header;
    const waiting = parent === undefined ? undefined : this.#asked.get(parent);
    if (waiting !== undefined) {
      this.#asked.delete(parent as string);
      waiting(message);
    } else if (parent !== undefined) this.#parts.fault("an answer to nothing", message);
    else this.#pushed(message);
  }

  #storeAnswer({ route, content }: WireJson): void {
    const key = route.resource ?? "";
    const wrapped = content as Partial<ObjectResp> | null;
    if (content === "OK" || key.includes("/serviceaccounttoken/")) return;
    if (wrapped !== null && typeof wrapped === "object" && "Object" in wrapped && "Err" in wrapped) {
      if (wrapped.Err === null) this.rows.set(key, wrapped.Object);
      return;
    }
    this.rows.set(key, content);
  }

  #pushed(message: WireJson): void {
    const { source = "", operation = "", resource = "" } = message.route;
    this.pushed.push(`${operation} ${resource}`);
    this.#check(message);
    const object = message.content as KubeObject;
    if (operation === "delete") this.#deleted(resource, object);
    else this.rows.set(resource, object);
    if (operation !== "update" || ackedSources.includes(source)) this.#parts.send(ackOfPush(message));
    this.onPush(operation, resource, object);
  }

  #check(message: WireJson): void {
    const { header, route, content } = message;
    const { source = "", operation = "", resource = "" } = route;
    const { fault, line } = this.#parts;
    const [namespace = "", type = "", name = "", ...more] = resource.split("/");
    if (name === "" || more.length > 0) fault("no resource of an object", message);
    if (!pushedKinds[source]?.includes(type)) fault("no cloud pushes this", message);
    if (!["insert", "update", "delete"].includes(operation)) fault("MetaManager knows no such word", message);
    const object = content as KubeObject;
    if (!object?.kind || !object.apiVersion) fault("MetaServer would not find it", message);
    const named = object?.metadata;
    const isNamed = named?.name === name && (named?.namespace ?? "null") === namespace;
    if (!isNamed) fault("another object than the resource says", message);
    // A repetition has a version of its own.
    const isVersioned = Number(header.resourceversion) >= Number(named?.resourceVersion);
    if (operation !== "delete" && !isVersioned) fault("its version is not the object's", message);
    if (type === "secret" && operation === "insert") fault("secrets come as updates", message);
    if (type === "node" && (operation !== "update" || namespace !== "null" || !line.readsNodeLocally))
      fault("no cloud says so", message);
  }

  #deleted(resource: string, object: KubeObject): void {
    const row = this.rows.get(resource);
    // MetaManager looks for the uid in the stored text.
    if (isPodKey(resource) && !JSON.stringify(row ?? "").includes(object.metadata.uid ?? "")) return;
    this.rows.delete(resource);
  }
}

/** As MetaManager answers what it has stored: device inserts and deletions go round by DeviceTwin. */
export function ackOfPush(message: WireJson): WireJson {
  const { source, operation } = message.route;
  const ack = ackOf(message);
  if (source !== "devicecontroller" || operation === "update") return ack;
  return { ...ack, route: { ...ack.route, source: "meta", group: "twin" } };
}

export function isPodKey(key: string): boolean {
  return key.split("/")[1] === "pod";
}
