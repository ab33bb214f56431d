import { expect } from "vitest";
import { EdgeController, type KubeObject, type Outcome } from "./edge-controller.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { RecordedEdge } from "./recorded-edge.ts";
import { type Exchange, kindOf, refusalIn } from "./recorded-exchanges.ts";
import { ackOf, keepalive, newHeader, type WireJson } from "./wire-json.ts";

/** What is done with a request. A promise: nothing, until it is kept. */
export type Treatment = "answer" | "ignore" | { readonly refusal: string } | Promise<"answer">;

/** A message that the agent has to ack, on the link on which it went. */
interface Sent {
  readonly message: WireJson;
  readonly link: RawWebSocket;
  readonly done: () => void;
}

const codes: Readonly<Record<string, number>> = {
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Forbidden: 403,
  Invalid: 422,
  InternalError: 500,
};

/**
 * The recorded cloudcore towards our agent: it answers each request in the form in which it answered the recorded edge,
 * and holds each message of the agent against what that edge sent. What differs is a fault, which {@link until} and
 * {@link settled} throw, unless the lists of `recorded-shape.ts` and `recorded-edge.ts` have it.
 */
export class ScriptedCloudcore {
  readonly kube = new EdgeController();
  /** All requests, as `insert default/node/edge-a`. */
  readonly asked: string[] = [];
  /** The requests themselves. */
  readonly requests: WireJson[] = [];
  /** When heartbeats were sent, by the agent's clock, link by link. */
  readonly beats: number[][] = [];
  readonly faults: Error[] = [];
  treat: (request: WireJson) => Treatment = () => "answer";
  /** Namespace of node messages of the cloudcore's line: `default` of 1.15, `null` of later ones. */
  readonly #nodeNamespace: "default" | "null";
  readonly #recorded: RecordedEdge;
  readonly #unacked = new Map<string, Sent>();
  readonly #acked = new Set<string>();
  readonly #seen = new Set<string>();
  #link: RawWebSocket | undefined;

  constructor(nodeNamespace: "default" | "null" = "default") {
    this.#nodeNamespace = nodeNamespace;
    this.#recorded = new RecordedEdge("edge-a", nodeNamespace);
  }

  /** Plays the cloud on this link, until it ends. */
  serve(link: RawWebSocket): void {
    this.#link = link;
    for (const [id, { link: former }] of this.#unacked) if (former !== link) this.#unacked.delete(id);
    const beats: number[] = [];
    this.beats.push(beats);
    void (async () => {
      let registered = false;
      for await (const message of link.messages()) {
        this.#guarded(() => {
          this.#checkHeader(message);
          if (message.route.operation === "keepalive") this.#beat(message, beats);
          else if (beats.length === 0) throw new Error("a link begins with a heartbeat");
          else if (message.header.parent_msg_id !== undefined) this.#ack(message);
          else {
            const kind = kindOf(message);
            if (kind === "patch nodepatch" && !registered)
              throw new Error("a status before the node is known");
            registered ||= kind === "insert node";
            this.#request(link, message);
          }
        });
      }
    })();
  }

  /** Pushes an object, as it is or as it was. Resolves when it is acked. */
  push(operation: string, type: string, object: KubeObject): Promise<void> {
    const { name, resourceVersion = "" } = object.metadata;
    const namespace = type === "node" ? this.#nodeNamespace : "default";
    const kinds: Record<string, string> = {
      pod: "Pod",
      configmap: "ConfigMap",
      secret: "Secret",
      node: "Node",
    };
    return this.#send({
      header: { ...newHeader(), resourceversion: resourceVersion },
      route: {
        source: "edgecontroller",
        group: "resource",
        operation,
        resource: `${namespace}/${type}/${name}`,
      },
      content: { kind: kinds[type], apiVersion: "v1", ...object },
    });
  }

  /**
   * Does to the objects what was done when the recorded cloudcore pushed this, and pushes it: under new versions, and with
   * the status that the agent has reported. What is gone already is not pushed. Resolves when it is acked.
   */
  async replay({ route, content }: WireJson): Promise<void> {
    const [, type = "", name = ""] = (route.resource ?? "").split("/");
    const { kind: _kind, apiVersion: _apiVersion, ...recorded } = content as KubeObject;
    const known = this.kube.get(type, name);
    if (known === undefined && route.operation !== "insert" && recorded.status) return;
    const status = known?.status ?? recorded.status;
    const object = this.kube.put(type, { ...(recorded as KubeObject), ...(status ? { status } : {}) });
    if (route.operation === "delete") this.kube.objects.delete(`${type}/${name}`);
    await this.push(route.operation ?? "", type, object);
  }

  /** Waits until something holds. Throws the first fault. */
  async until(what: string, holds: () => boolean): Promise<void> {
    for (let tries = 0; tries < 1_000; tries++) {
      this.#throwFault();
      if (holds()) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`never: ${what}; asked so far:\n${this.asked.join("\n")}`);
  }

  /** Everything is acked, and nothing was at fault. */
  async settled(): Promise<void> {
    await this.until("all is acked", () => this.#unacked.size === 0);
  }

  #throwFault(): void {
    const [fault] = this.faults;
    if (fault) throw fault;
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.faults.push(error as Error);
    }
  }

  #checkHeader({ header, route }: WireJson): void {
    const allowed = ["msg_id", "parent_msg_id", "timestamp"];
    expect(
      Object.keys(header).filter((key) => !allowed.includes(key)),
      "keys of a header",
    ).toEqual([]);
    expect(header.msg_id).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
    expect(Number.isInteger(header.timestamp)).toBe(true);
    expect(this.#seen.has(header.msg_id), `an id twice: ${route.operation} ${route.resource}`).toBe(false);
    this.#seen.add(header.msg_id);
  }

  #beat(message: WireJson, beats: number[]): void {
    const { header, ...rest } = keepalive();
    expect(message).toEqual({ header: { ...header, ...message.header }, ...rest });
    beats.push(message.header.timestamp);
  }

  #ack(message: WireJson): void {
    const parent = message.header.parent_msg_id ?? "";
    const sent = this.#unacked.get(parent);
    if (this.#acked.has(parent)) throw new Error(`acked twice: ${message.route.resource}`);
    if (sent === undefined) throw new Error(`an ack of nothing that was sent: ${message.route.resource}`);
    const { header: _header, ...rest } = ackOf(sent.message);
    expect(message).toEqual({ header: message.header, ...rest });
    this.#unacked.delete(parent);
    this.#acked.add(parent);
    sent.done();
  }

  #request(link: RawWebSocket, request: WireJson): void {
    this.asked.push(`${request.route.operation} ${request.route.resource}`);
    this.requests.push(request);
    const exchanges = this.#recorded.expectSame(request);
    if (exchanges.every(({ answered }) => answered === undefined)) return;
    const treatment = this.treat(request);
    if (treatment === "ignore") return;
    const answer = (): void => {
      if (this.#link === link) this.#answer(request, exchanges, treatment);
    };
    if (treatment instanceof Promise) void treatment.then(() => this.#guarded(answer));
    else answer();
  }

  #answer(request: WireJson, exchanges: readonly Exchange[], treatment: Treatment): void {
    const kind = kindOf(request);
    const refusal = typeof treatment === "object" && "refusal" in treatment ? treatment.refusal : undefined;
    const outcome = refusal === undefined ? this.#outcome(request) : { refusal };
    const answers = exchanges.flatMap(({ answered }) => answered ?? []);
    const taken = answers.find((one) => refusalIn(one) === undefined) ?? (answers[0] as WireJson);
    const model = answers.find((one) => refusalIn(one) === outcome.refusal);
    const { object }: Answered = outcome;
    const version = object?.metadata.resourceVersion;
    const isVersioned = model?.header.resourceversion !== undefined && version !== undefined;
    // As recorded: what the watch says of a deletion goes out on both sides of the answer.
    if (kind === "delete pod" && object) void this.push("update", "pod", object);
    void this.#send({
      header: {
        ...newHeader(),
        parent_msg_id: request.header.msg_id,
        ...(isVersioned ? { resourceversion: version } : {}),
      },
      route: { ...taken.route, resource: request.route.resource ?? "" },
      content: contentOfAnswer(taken.content, outcome),
    });
    if (kind === "patch podpatch" && object) void this.push("update", "pod", object);
    if (kind !== "delete pod" || object === undefined) return;
    this.kube.objects.delete(`pod/${object.metadata.name}`);
    void this.push("delete", "pod", object);
  }

  #outcome(request: WireJson): Outcome {
    if (kindOf(request) !== "query serviceaccounttoken") return this.kube.handle(request);
    const { spec } = request.content as { spec: { audiences: unknown } };
    const [recorded] = this.#recorded.exchangesLike(request);
    const given = recorded?.answered?.content as KubeObject;
    const expirationTimestamp = new Date(Date.now() + 3_607_000).toISOString();
    return {
      object: {
        ...given,
        spec: { ...spec, audiences: given.spec?.audiences },
        status: { ...given.status, expirationTimestamp },
      },
    };
  }

  #send(message: WireJson): Promise<void> {
    const link = this.#link;
    if (link === undefined) throw new Error("no link");
    return new Promise((done) => {
      this.#unacked.set(message.header.msg_id, { message, link, done });
      link.send(message);
    });
  }
}

interface Answered {
  readonly object?: KubeObject | undefined;
  readonly refusal?: string | undefined;
}

/** The form of an answer is that of the recorded one: bare, wrapped, or a text. */
function contentOfAnswer(recorded: unknown, { object, refusal }: Answered): unknown {
  const isWrapped = typeof recorded === "object" && recorded !== null && "Err" in recorded;
  if (refusal !== undefined) {
    const status = { metadata: {}, status: "Failure", message: `${refusal}, says the test`, reason: refusal };
    const error = { ErrStatus: { ...status, code: codes[refusal] ?? 500 } };
    return isWrapped ? { Object: null, Err: error } : error;
  }
  if (typeof recorded === "string") return recorded;
  const { kind, apiVersion } = recorded as { kind?: string; apiVersion?: string };
  return isWrapped ? { Object: object, Err: null } : { kind, apiVersion, ...object };
}
