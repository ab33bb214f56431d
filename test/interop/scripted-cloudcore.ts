import { expect } from "vitest";
import { EdgeController, type KubeObject, type Outcome } from "./edge-controller.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { type Exchange, exchangesOf, kindOf, refusalIn, statusesAfterPatches } from "./recorded-exchanges.ts";
import { shapeOf } from "./recorded-shape.ts";
import { ackOf, keepalive, newHeader, type WireJson } from "./wire-json.ts";

/** What is done with a request. A promise: nothing, until it is kept. */
export type Treatment = "answer" | "ignore" | { readonly refusal: string } | Promise<"answer">;

/** What patches alone have, or pods that wait, and the recorded one did not, as far as the edge has told. */
const patchOnly: readonly RegExp[] = [
  /^status\.\$setElementOrder\//,
  // Of the status before: whatever that was, null removes it.
  /^status\.(reason|message|podIP)$/,
  /^status\.conditions\.\w+\.(reason|message)$/,
  // Why a container waits, and how it ended before.
  /^status\.containerStatuses\.\w+\.(state\.waiting\.message|lastState\..+)$/,
];

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
 * {@link settled} throw, unless it is in the list of `recorded-shape.ts`, or one of these:
 *
 * - The recorded edge asks for its node again and again, since kubelet's informers are polls there. Ours asks when it must.
 * - The recorded edge inserts the lease first, without its owner's uid, and is refused. Ours registers the node before.
 * - The recorded edge acks no answers to patches and deletes. Ours acks every answer; CloudHub ignores what it does not
 *   wait for, and so does the recorded one for answers that need none.
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
  readonly #recorded: readonly Exchange[];
  readonly #unacked = new Map<string, Sent>();
  readonly #acked = new Set<string>();
  readonly #seen = new Set<string>();
  #link: RawWebSocket | undefined;

  constructor(nodeNamespace: "default" | "null" = "default") {
    this.#nodeNamespace = nodeNamespace;
    this.#recorded = exchangesOf(["b-join-edged-enabled", "b-pod-lifecycle-edged"], "edge-a");
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
    const exchanges = this.#expectAsRecorded(request);
    if (exchanges.every(({ answered }) => answered === undefined)) return;
    const treatment = this.treat(request);
    if (treatment === "ignore") return;
    const answer = (): void => {
      if (this.#link === link) this.#answer(request, exchanges, treatment);
    };
    if (treatment instanceof Promise) void treatment.then(() => this.#guarded(answer));
    else answer();
  }

  /** @returns Recorded exchanges of the same kind. */
  #expectAsRecorded(request: WireJson): Exchange[] {
    const kind = kindOf(request);
    const same = this.#recorded.filter(({ asked }) => kindOf(asked) === kind);
    if (same.length === 0) throw new Error(`the recorded edge never sends ${kind}`);
    const { route } = (same[0] as Exchange).asked;
    const namespace = request.route.resource?.split("/")[0];
    const isOfNode = /node/.test(kind);
    if (isOfNode) expect(namespace, `namespace of ${kind}`).toBe(this.#nodeNamespace);
    expect({ ...request.route, resource: "" }, `route of ${kind}`).toEqual({ ...route, resource: "" });
    if (kind === "query node") expect(this.#nodeNamespace, "nodes are not asked for").toBe("default");
    if (kind.startsWith("patch ")) this.#expectPatch(kind, request.content);
    else this.#expectContent(kind, request.content, same);
    return same;
  }

  /**
   * A patch is a text. What it says is compared by tests, as the API server has it then; here it must have no field that the
   * recorded edge had not reported.
   */
  #expectPatch(kind: string, content: unknown): void {
    expect(typeof content, `content of ${kind}`).toBe("string");
    const isOfNode = kind === "patch nodepatch";
    const known = isOfNode
      ? this.#recorded
          .filter(({ asked }) => kindOf(asked) === "insert node")
          .map(({ asked }) => shapeOf("insert node", asked.content))
      : statusesAfterPatches(this.#recorded).map((status) =>
          shapeOf(kind, { metadata: { uid: "" }, status }),
        );
    const paths = new Set(known.flatMap((shape) => Object.keys(shape)));
    const ours = Object.keys(shapeOf(isOfNode ? "insert node" : kind, JSON.parse(content as string)));
    const unknown = ours.filter((path) => !paths.has(path) && !patchOnly.some((one) => one.test(path)));
    expect(unknown, `fields of ${kind} that the recorded edge does not report`).toEqual([]);
  }

  #expectContent(kind: string, content: unknown, same: readonly Exchange[]): void {
    const read = (one: unknown): unknown => (typeof one === "string" ? JSON.parse(one) : one);
    const ours = shapeOf(kind, read(content));
    // Of refused requests nobody should learn.
    const good = same.filter(({ answered }) => !answered || refusalIn(answered) !== "Invalid");
    const theirs = good.map(({ asked }) => shapeOf(kind, named(read(asked.content), read(content))));
    const isSame = theirs.some((one) => JSON.stringify(sorted(one)) === JSON.stringify(sorted(ours)));
    if (!isSame) expect(ours, `content of ${kind}, against the recorded one`).toEqual(theirs.at(-1));
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
    const recorded = this.#recorded.find(({ asked }) => kindOf(asked) === "query serviceaccounttoken");
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

/** The recorded one, under the names that ours has: pods and namespaces are the test's. */
function named(recorded: unknown, ours: unknown): unknown {
  const nameIn = (one: unknown): unknown =>
    (one as { spec?: { boundObjectRef?: { name: string } } })?.spec?.boundObjectRef?.name;
  const [from, to] = [nameIn(recorded), nameIn(ours)];
  if (typeof from !== "string" || typeof to !== "string") return recorded;
  return JSON.parse(JSON.stringify(recorded).replaceAll(`"name":"${from}"`, `"name":"${to}"`)) as unknown;
}

function sorted(shape: Record<string, unknown>): [string, unknown][] {
  return Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1));
}
