import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, readCapture } from "./capture.ts";
import { eventually } from "./patience.ts";
import type { StockEdge } from "./stock-edge.ts";
import { type Line, line115, StockEdgecore } from "./stock-edgecore.ts";
import { type ErrStatus, isPodKey, type ObjectResp } from "./stock-metamanager.ts";
import type { WireJson } from "./wire-json.ts";

const renewMs = 100;

/**
 * A stock edgecore with edged on, from the recordings of one: of the kubelet what it does with a node, its lease and its
 * pods. Whatever the cloud says in another shape than a real one is a fault.
 */
export class StockKubelet {
  readonly node: string;
  readonly edge: StockEdgecore;
  /** Of service accounts, as they were given to pods. */
  readonly tokens: string[] = [];
  readonly #line: Line;
  readonly #running = new Set<string>();
  #lease: KubeObject | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(edge: StockEdge, line: Line = line115) {
    this.edge = new StockEdgecore(edge, line);
    this.node = edge.node;
    this.#line = line;
    this.edge.meta.onPush = (operation, resource, object) => this.#told(operation, resource, object);
  }

  /** MetaManager's table: what was stored last under a key. */
  get rows(): Map<string, unknown> {
    return this.edge.meta.rows;
  }

  /** Downstream messages in their order: `insert default/pod/pb`. */
  get pushed(): string[] {
    return this.edge.meta.pushed;
  }

  /** What was not as a real cloud says it. */
  get faults(): string[] {
    return this.edge.faults;
  }

  /** Opens the link and does what an edgecore does on it, until it ends. */
  async connect(): Promise<void> {
    await this.edge.connect();
    await this.#register();
    const renew = async (): Promise<void> => {
      this.edge.beat();
      await this.#renewLease();
      await this.#syncNode();
    };
    this.#timer = setInterval(() => void renew().catch(() => undefined), renewMs);
    for (const [key, pod] of this.rows) if (isPodKey(key)) void this.#runPod(pod as KubeObject);
  }

  /** The link ends without a word; what is stored stays, and pods run on. */
  cut(): void {
    this.#rest();
    this.edge.cut();
  }

  /** The process is stopped, and its pods run on: the next one, begun by `connect`, finds them in its rows. */
  stop(): void {
    this.#rest();
    this.#lease = undefined;
    this.#running.clear();
    this.edge.stop();
  }

  /** Resolves when the cloud has ended the link. */
  async ended(): Promise<void> {
    await this.edge.ended();
    this.#rest();
  }

  #rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #request(operation: string, resource: string, content: unknown): Promise<WireJson> {
    return this.edge.meta.request(operation, resource, content);
  }

  #told(operation: string, resource: string, object: KubeObject): void {
    if (!isPodKey(resource)) return;
    if (operation !== "delete") void this.#runPod(object);
    else if (!this.rows.has(resource)) this.#running.delete(object.metadata.uid ?? "");
  }

  // ── the node and its lease ───────────────────────────────────────────────────────────────────────────────

  async #register(): Promise<void> {
    await this.#queryLease();
    await this.#queryNode();
    const recorded = messagesOf(readCapture("b-join-edged-enabled"), "edge");
    const said = recorded.find(
      ({ message }) => message.route.operation === "insert" && message.route.resource?.includes("/node/"),
    );
    const text = JSON.stringify(said?.message.content).replaceAll("edge-b", this.node);
    const inserted = await this.#request("insert", this.#nodeKey("node"), JSON.parse(text) as unknown);
    const { Err } = this.#wrapped(inserted);
    if (Err !== null && Err.ErrStatus.reason !== "AlreadyExists") this.#fault("not registered", inserted);
    await eventually(() => this.rows.has(this.#nodeKey("node"))).toBe(true);
    await this.#syncNode();
    await this.#renewLease();
  }

  async #queryNode(): Promise<KubeObject | undefined> {
    if (this.#line.readsNodeLocally) return this.rows.get(this.#nodeKey("node")) as KubeObject | undefined;
    const answer = await this.#request("query", this.#nodeKey("node"), null);
    const content = answer.content as KubeObject & { ErrStatus?: ErrStatus };
    if (content.ErrStatus !== undefined) {
      if (Object.keys(content).length > 1 || content.ErrStatus.reason !== "NotFound")
        this.#fault("no bare status error", answer);
      return undefined;
    }
    if (content.kind !== "Node" || content.apiVersion !== "v1" || "Object" in content)
      this.#fault("no bare Node", answer);
    if (answer.header.resourceversion !== content.metadata.resourceVersion) this.#fault("no version", answer);
    return content;
  }

  /** Reads the node and says what of it is wrong: an empty patch if nothing is. */
  async #syncNode(): Promise<void> {
    const node = await this.#queryNode();
    if (node === undefined) return;
    const { conditions = [] } = (node.status ?? {}) as { conditions?: { type: string; status: string }[] };
    const ready = conditions.find((one) => one.type === "Ready");
    if (ready?.status === "True" && this.#timer !== undefined) return;
    const condition = {
      type: "Ready",
      status: "True",
      reason: "EdgeReady",
      message: "edge is posting ready status",
    };
    const order = [
      ...new Set([...conditions.map(({ type }) => ({ type })), { type: "Ready" }].map((one) => one.type)),
    ];
    const status = {
      "$setElementOrder/conditions": order.map((type) => ({ type })),
      conditions: [condition],
    };
    const patch = ready?.status === "True" ? {} : { status };
    const answer = await this.#request("patch", this.#nodeKey("nodepatch"), JSON.stringify(patch));
    const { Object: patched } = this.#wrapped(answer);
    const now = (patched?.status as { conditions?: { type: string }[] } | undefined)?.conditions ?? [];
    // A list that is replaced as a whole makes the kubelet patch for ever.
    if (now.length < conditions.length) this.#fault("conditions were not merged", answer);
    if (answer.header.resourceversion !== patched?.metadata.resourceVersion)
      this.#fault("no version", answer);
    if (this.#line.readsNodeLocally) this.rows.set(this.#nodeKey("node"), patched);
  }

  async #queryLease(): Promise<void> {
    const { Object: lease, Err } = this.#wrapped(await this.#request("query", this.#leaseKey, null));
    this.#lease = Err === null ? (lease as KubeObject) : undefined;
  }

  async #renewLease(): Promise<void> {
    const spec = {
      holderIdentity: this.node,
      leaseDurationSeconds: 40,
      renewTime: new Date().toISOString().replace("Z", "000Z"),
    };
    const known = this.#lease;
    const metadata = known?.metadata ?? {
      name: this.node,
      namespace: "kube-node-lease",
      creationTimestamp: null,
    };
    const answer = await this.#request(known === undefined ? "insert" : "update", this.#leaseKey, {
      metadata,
      spec,
    });
    const { Object: lease, Err } = this.#wrapped(answer);
    if (Err !== null) {
      await this.#queryLease();
      return;
    }
    const before = known?.metadata.resourceVersion;
    const { uid, resourceVersion } = lease?.metadata ?? {};
    if (uid === undefined || resourceVersion === undefined || resourceVersion === before)
      this.#fault("the lease has not moved", answer);
    this.#lease = lease as KubeObject;
  }

  // ── pods ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the recorded kubelet did with the recorded pod, with any other likewise. */
  async #runPod(pod: KubeObject): Promise<void> {
    const uid = pod.metadata.uid ?? "";
    const spec = pod.spec as { nodeName?: string };
    if (spec.nodeName !== this.node) return;
    try {
      if (pod.metadata.deletionTimestamp !== undefined) await this.#endPod(pod);
      else if (!this.#running.has(uid)) {
        this.#running.add(uid);
        await this.#patchPod(pod, 0);
        await this.#readNeeded(pod);
        await this.#patchPod(pod, 1);
      }
    } catch (error) {
      // The link has ended: the next one finds the pod in its row.
      this.#running.delete(uid);
      if (this.edge.isConnected) this.faults.push(`${pod.metadata.name}: ${(error as Error).message}`);
    }
  }

  async #endPod(pod: KubeObject): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    await this.#patchPod(pod, 2);
    const options = { gracePeriodSeconds: 0, preconditions: { uid } };
    const answer = await this.#request("delete", `${namespace}/pod/${name}`, options);
    if (answer.content !== "OK") this.#fault("the pod may not go", answer);
  }

  async #patchPod(pod: KubeObject, step: number): Promise<void> {
    const { namespace, name, uid = "" } = pod.metadata;
    const patches = messagesOf(readCapture("b-pod-lifecycle-edged"), "edge").filter(
      ({ message }) => message.route.operation === "patch",
    );
    const recorded = patches[step]?.message.content as string;
    const theirs = (JSON.parse(recorded) as KubeObject).metadata.uid ?? "";
    const patch = recorded.replaceAll(theirs, uid);
    const answer = await this.#request("patch", `${namespace}/podpatch/${name}`, patch);
    const { Object: patched, Err } = this.#wrapped(answer);
    if (Err !== null || patched === null) return;
    if (patched.metadata.uid !== uid) this.#fault("another pod was patched", answer);
    if (answer.header.resourceversion !== patched.metadata.resourceVersion) this.#fault("no version", answer);
    const key = `${namespace}/pod/${name}`;
    if (this.rows.has(key)) this.rows.set(key, patched);
  }

  /** Every volume of the pod, and its environment. */
  async #readNeeded(pod: KubeObject): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const text = JSON.stringify(pod.spec);
    for (const [, secret] of text.matchAll(/"secretName":"([^"]+)"/g))
      await this.#readObject("Secret", `${namespace}/secret/${secret}`);
    if (text.includes('"serviceAccountToken"')) {
      const boundObjectRef = { kind: "Pod", apiVersion: "v1", name, uid };
      const spec = { audiences: null, expirationSeconds: 3607, boundObjectRef };
      const status = { token: "", expirationTimestamp: null };
      const content = { metadata: { creationTimestamp: null }, spec, status };
      const answer = await this.#request("query", `${namespace}/serviceaccounttoken/default`, content);
      const given = answer.content as {
        spec: unknown;
        status?: { token?: string; expirationTimestamp?: string };
      };
      if (!isDeepStrictEqual(given.spec, spec))
        this.#fault("the spec of the token's request has changed", answer);
      if (!given.status?.token || !given.status.expirationTimestamp) this.#fault("no token", answer);
      else this.tokens.push(given.status.token);
    }
    for (const [, configMap] of text.matchAll(/"(?:configMap|configMapRef)":\{"name":"([^"]+)"/g))
      await this.#readObject("ConfigMap", `${namespace}/configmap/${configMap}`);
  }

  async #readObject(kind: string, key: string): Promise<void> {
    const answer = await this.#request("query", key, null);
    const object = answer.content as KubeObject;
    if (object.kind !== kind || object.apiVersion !== "v1") this.#fault(`no ${kind}`, answer);
    if (answer.header.resourceversion !== object.metadata?.resourceVersion) this.#fault("no version", answer);
  }

  // ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────

  #wrapped(answer: WireJson): ObjectResp {
    const content = answer.content as ObjectResp;
    const keys = Object.keys(content ?? {}).sort();
    if (!isDeepStrictEqual(keys, ["Err", "Object"])) this.#fault("no ObjectResp", answer);
    if (content.Err !== null) {
      const { status, reason, code, message } = content.Err.ErrStatus ?? {};
      if (status !== "Failure" || !reason || !code || !message) this.#fault("no full ErrStatus", answer);
    } else if (content.Object === null) this.#fault("success without an object", answer);
    return content;
  }

  #fault(what: string, { route, content }: WireJson): void {
    this.faults.push(
      `${what}: ${route.operation} ${route.resource} ${JSON.stringify(content)?.slice(0, 300)}`,
    );
  }

  get #leaseKey(): string {
    return `kube-node-lease/lease/${this.node}`;
  }

  #nodeKey(type: "node" | "nodepatch"): string {
    return `${this.#line.nodeNamespace}/${type}/${this.node}`;
  }
}
