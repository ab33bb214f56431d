import { describe, expect, it } from "vitest";
import { configMaps } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, type RecordedMessage, readCapture } from "./capture.ts";
import { Cloud } from "./cloud.ts";
import { eventually } from "./patience.ts";
import type { RawWebSocket } from "./raw-websocket.ts";
import { connect } from "./stock-edge.ts";
import { ackOf, newHeader, type WireJson } from "./wire-json.ts";

/** A stock edgecore with MetaServer, from its recording, against a hub with controllers. */

const capture = "g-metaserver";
/** As recorded. */
const node = "edge-m";
const cmm = { namespace: "default", name: "cmm" };
const rbac = (resource: string) => ({ group: "rbac.authorization.k8s.io", version: "v1", resource });

interface Application {
  readonly ID: string;
  readonly Key: string;
  readonly Verb: string;
  readonly Status: string;
  readonly RespBody: string | null;
  readonly Error: { readonly ErrStatus: { readonly reason?: string; readonly code?: number } };
}

/** The edge: takes and acks what is pushed, and keeps the answers. */
class Edge {
  readonly pushed: WireJson[] = [];
  readonly #answers = new Map<string, WireJson>();
  readonly #link: RawWebSocket;

  constructor(link: RawWebSocket) {
    this.#link = link;
    void this.#read();
  }

  /** `insert default/configmap/cmm`. */
  get told(): string[] {
    return this.pushed
      .filter(({ route }) => !route.resource?.endsWith("kube-root-ca.crt"))
      .map(({ route }) => `${route.operation} ${route.resource}`);
  }

  /** Says what the recorded edge said, bit for bit. */
  async says(recorded: RecordedMessage): Promise<WireJson> {
    this.#link.sendBytes(recorded.bytes);
    return await this.#answerTo(recorded.message.header.msg_id);
  }

  async asks(content: object, resource = "null"): Promise<WireJson> {
    const route = { source: "metaserver", group: "dynamiccontroller", operation: "null", resource };
    const header = newHeader();
    this.#link.send({ header, route, content });
    return await this.#answerTo(header.msg_id);
  }

  cut(): void {
    this.#link.reset();
  }

  async #answerTo(id: string): Promise<WireJson> {
    await eventually(() => this.#answers.has(id)).toBe(true);
    return this.#answers.get(id) as WireJson;
  }

  async #read(): Promise<void> {
    for await (const message of this.#link.messages()) {
      const { parent_msg_id: parent } = message.header;
      if (parent !== undefined) this.#answers.set(parent, message);
      else if (message.route.source === "dynamiccontroller") {
        this.pushed.push(message);
        this.#link.send(ackOf(message));
      }
    }
  }
}

/** What the edge asked, and what the recorded cloud answered. */
function exchange(verb: string): { asked: RecordedMessage; answered: WireJson } {
  const all = messagesOf(readCapture(capture));
  const asked = all.find(
    ({ from, message }) =>
      from === "edge" &&
      message.route.source === "metaserver" &&
      ((message.content as Partial<Application>).Verb ?? "sync") === verb,
  );
  const answered = all.find(
    ({ message }) => asked !== undefined && message.header.parent_msg_id === asked.message.header.msg_id,
  );
  if (asked === undefined || answered === undefined) throw new Error(`no ${verb} was recorded`);
  return { asked, answered: answered.message };
}

/** All but its own id, its time and what is given back must be as recorded. @returns That. */
function expectSame(answer: WireJson, recorded: WireJson): unknown {
  const { RespBody, ...content } = answer.content as Application;
  const { RespBody: theirs, ...expected } = recorded.content as Application;
  expect(answer.route).toEqual(recorded.route);
  expect(content).toEqual(expected);
  expect(RespBody === null).toBe(theirs === null);
  return RespBody === null ? null : JSON.parse(Buffer.from(RespBody, "base64").toString());
}

async function started(verbs: readonly string[] = ["*"]): Promise<{ cloud: Cloud; edge: Edge }> {
  const cloud = await Cloud.start();
  const { objects } = cloud;
  const metadata = { name: "edge-programs" };
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs }];
  await objects.create(rbac("clusterroles"), { apiVersion, kind: "ClusterRole", metadata, rules });
  await objects.create(rbac("clusterrolebindings"), {
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata,
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edge-programs" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "system:nodes" }],
  });
  await objects.create(configMaps, {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: cmm,
    data: { k: "v1" },
  });
  return { cloud, edge: new Edge(await connect(await cloud.join(node))) };
}

describe("a stock edgecore's MetaServer", () => {
  it("reads, creates and deletes as it did at a cloudcore", async () => {
    const { cloud, edge } = await started();
    const { objects } = cloud;
    const get = exchange("get");
    expect(expectSame(await edge.says(get.asked), get.answered)).toEqual(await objects.get(configMaps, cmm));
    const list = exchange("list");
    const listed = expectSame(await edge.says(list.asked), list.answered) as { items: KubeObject[] };
    expect(listed).toMatchObject({ apiVersion: "v1", kind: "ConfigMapList" });
    expect(listed.items.map(({ metadata }) => metadata.name)).toEqual(["cmm", "kube-root-ca.crt"]);
    const create = exchange("create");
    const made = { namespace: "default", name: "cmedge" };
    expect(expectSame(await edge.says(create.asked), create.answered)).toEqual(
      await objects.get(configMaps, made),
    );
    const remove = exchange("delete");
    expectSame(await edge.says(remove.asked), remove.answered);
    await expect(objects.get(configMaps, made)).rejects.toMatchObject({ reason: "NotFound" });
  });

  it("watches, also after the cloud was restarted, until it says that nobody does", async () => {
    const { cloud, edge } = await started();
    const watch = exchange("watch");
    expectSame(await edge.says(watch.asked), watch.answered);
    await eventually(() => edge.told).toEqual(["insert default/configmap/cmm"]);
    const { header, route, content } = edge.pushed.find(
      (one) => one.route.resource === "default/configmap/cmm",
    ) as WireJson;
    expect(header.resourceversion).toBe((content as KubeObject).metadata.resourceVersion);
    expect(route).toEqual({
      source: "dynamiccontroller",
      group: "resource",
      operation: "insert",
      resource: "default/configmap/cmm",
    });
    await cloud.objects.patch(configMaps, cmm, "merge", { data: { k: "v2" } });
    await eventually(() => edge.told.at(-1)).toBe("update default/configmap/cmm");
    edge.cut();
    await cloud.restart();
    const later = new Edge(await connect(await cloud.join(node)));
    await cloud.objects.delete(configMaps, cmm);
    await eventually(() => later.told).toEqual(["delete default/configmap/cmm"]);
    const sync = exchange("sync");
    const answer = await later.says(sync.asked);
    expect(answer).toMatchObject({ route: sync.answered.route, content: {} });
  });

  it("is told why something is not done", async () => {
    const { edge } = await started(["get"]);
    const list = exchange("list");
    const { content } = await edge.says(list.asked);
    expect(content).toMatchObject({
      Verb: "list",
      Status: "Rejected",
      RespBody: null,
      Error: { ErrStatus: { status: "Failure", reason: "Forbidden", code: 403 } },
    });
    const get = exchange("get");
    const asked = get.asked.message.content as Application;
    const missing = await edge.asks({ ...asked, Key: "/core/v1/configmaps/default/nope" });
    expect(missing.content).toMatchObject({
      Status: "Rejected",
      Error: { ErrStatus: { reason: "NotFound" } },
    });
    const watches = exchange("watch").asked.message.content as Application;
    const failed = await edge.asks({ [watches.ID]: watches }, "watchapp/sync");
    expect(failed.content).toMatchObject({
      [watches.ID]: { Status: "Rejected", Error: { ErrStatus: { reason: "Forbidden" } } },
    });
  });

  it.each([
    ["no object", "words"],
    ["no verb", { ID: "a", Key: "/core/v1/configmaps/default/cmm", Nodename: node }],
    ["a key with too many parts", { ID: "a", Key: "/core/v1/a/b/c/d", Verb: "get", Nodename: node }],
    [
      "options that are no JSON",
      { ID: "a", Key: "/core/v1/a/b/c", Verb: "get", Nodename: node, Option: "@@" },
    ],
    [
      "a kind that nobody knows",
      { ID: "a", Key: "/core/v1/nothings/default/x", Verb: "get", Nodename: node },
    ],
    [
      "another node's name",
      { ID: "a", Key: "/core/v1/configmaps/default/cmm", Verb: "get", Nodename: "edge-x" },
    ],
  ])("is answered when it says %s, and goes on", async (_name, content) => {
    const { edge } = await started();
    const answer = await edge.asks(content as object);
    expect(answer.content).toMatchObject({ Status: "Rejected", Error: { ErrStatus: { status: "Failure" } } });
    const get = exchange("get");
    expect((await edge.says(get.asked)).content).toMatchObject({ Status: "Approved" });
  });
});
