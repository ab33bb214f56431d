import { describe, expect, it, test } from "vitest";
import { withReport } from "../../../edgehub/metaserver/reported.ts";
import { contentOf, createMessage, type Message, state, volatile } from "../../../protocol/index.ts";
import { type TestAgent, until } from "../test-agent.ts";
import { fromCloud, startServer } from "./support.ts";

const pods = "/api/v1/namespaces/default/pods";
const utf8 = new TextEncoder();

const pod = (version: number, more: object = {}) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "default", uid: "u1", resourceVersion: String(version) },
  spec: { nodeName: "edge-1", containers: [{ name: "c", image: "i" }] },
  status: { phase: "Pending", qosClass: "BestEffort" },
  ...more,
});

const put = (agent: TestAgent, version: number, more: { operation?: string; uid?: string } = {}) => {
  const { operation = "update", uid = "u1" } = more;
  const content = pod(version);
  Object.assign(content.metadata, { uid });
  return fromCloud(agent, {
    resource: "default/pod/web",
    operation,
    resourceVersion: String(version),
    content,
  });
};

/** What Edged sends up. */
async function report(
  agent: TestAgent,
  status: object,
  { resource = "default/podpatch/web", uid = "u1" } = {},
) {
  const metadata = resource.includes("podpatch") ? { uid } : { labels: { reported: "yes" } };
  const content = JSON.stringify({ metadata, status });
  await agent.publish({
    source: "edged",
    group: "meta",
    operation: "patch",
    resource,
    content,
    delivery: state,
  });
}

const running = {
  phase: "Running",
  containerStatuses: [{ name: "c", ready: true, restartCount: 2, state: { running: {} } }],
};

describe("status of pods", () => {
  it("is what Edged reported, in get, list and tables", async () => {
    const { agent, client } = await startServer();
    await put(agent, 7);
    await report(agent, running);
    const { body } = await client.get(`${pods}/web`);
    expect(body.status).toEqual({ ...running, qosClass: "BestEffort" });
    expect(body.spec).toEqual(pod(7).spec);
    expect((await client.get(`${pods}/web/status`)).body).toEqual(body);
    const list = await client.get(`${pods}?fieldSelector=status.phase%3DRunning`);
    expect(list.body.items).toEqual([body]);
    const table = await client.get(pods, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
    expect(table.body.rows[0].cells.slice(0, 4)).toEqual(["web", "1/1", "Running", "2"]);
  });

  it("is told to watches, each time with a version of its own", async () => {
    const { agent, client } = await startServer();
    await put(agent, 7);
    const watch = await client.watch(`${pods}?watch=1`);
    await until("the pod", () => watch.events.length === 1);
    await report(agent, { phase: "Pending", message: "pulling" });
    await until("the first status", () => watch.events.length === 2);
    await report(agent, running);
    await until("the second status", () => watch.events.length === 3);
    await put(agent, 8);
    await until("the pod's new version", () => watch.events.length === 4);
    expect(watch.events.map(({ type, object }) => [type, object.status.phase])).toEqual([
      ["ADDED", "Pending"],
      ["MODIFIED", "Pending"],
      ["MODIFIED", "Running"],
      ["MODIFIED", "Running"],
    ]);
    const versions = watch.events.map(({ object }) => object.metadata.resourceVersion);
    expect(new Set(versions).size).toBe(4);
    expect((await client.get(`${pods}/web`)).body.metadata.resourceVersion).toBe(versions[3]);
  });

  it("is told to a watch that goes on from the version before it", async () => {
    const { agent, client } = await startServer();
    await put(agent, 7);
    const first = await client.watch(`${pods}?watch=1`);
    await until("the pod", () => first.events.length === 1);
    await report(agent, { phase: "Pending", message: "pulling" });
    await until("its status", () => first.events.length === 2);
    first.close();
    await report(agent, running);
    for (const { object } of first.events) {
      const next = await client.watch(`${pods}?watch=1&resourceVersion=${object.metadata.resourceVersion}`);
      await until("what came meanwhile", () => next.events.length === 1);
      expect(next.events.map((event) => [event.type, event.object.status.phase])).toEqual([
        ["MODIFIED", "Running"],
      ]);
    }
  });

  it("outlives the agent, and goes with its pod", async () => {
    const { agent } = await startServer();
    await put(agent, 7);
    await report(agent, running);
    const second = await startServer({}, agent);
    expect((await second.client.get(`${pods}/web`)).body.status.phase).toBe("Running");
    await put(agent, 8, { operation: "delete" });
    await report(agent, running);
    expect(agent.store.reports.get("default/pod/web")).toBeUndefined();
  });

  it("is not that of an earlier pod of this name", async () => {
    const { agent, client } = await startServer();
    await put(agent, 7);
    await report(agent, running);
    await put(agent, 8, { uid: "u2" });
    expect((await client.get(`${pods}/web`)).body.status.phase).toBe("Pending");
  });

  it("a write that names the version of this node's reaches the cloud with the cloud's", async () => {
    const { agent, client } = await startServer();
    await put(agent, 7);
    await report(agent, running);
    const { body } = await client.get(`${pods}/web`);
    const bodies: unknown[] = [];
    agent.connected = true;
    agent.cloud = async (question: Message) => {
      const asked = contentOf(question) as { Verb: string; ReqBody: string | null; Option: string };
      const option = JSON.parse(decoded(asked.Option));
      if (asked.Verb === "update") bodies.push(JSON.parse(decoded(asked.ReqBody)));
      if (asked.Verb === "patch") bodies.push(JSON.parse(decoded(option.Data)));
      if (asked.Verb === "delete") bodies.push({ metadata: option.preconditions });
      return createMessage(
        {
          node: "edge-1",
          operation: "applicationResponse",
          resource: "ignore/Application/ignore",
          parentId: question.id,
          content: { ...asked, Status: "Approved" },
        },
        { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
      );
    };
    const { resourceVersion } = body.metadata;
    await client.send("PUT", `${pods}/web`, JSON.stringify(body));
    const patch = JSON.stringify({ metadata: { resourceVersion, labels: { a: "b" } } });
    await client.send("PATCH", `${pods}/web`, patch, { "content-type": "application/merge-patch+json" });
    await client.send(
      "DELETE",
      `${pods}/web`,
      JSON.stringify({ preconditions: { resourceVersion, uid: "u1" } }),
    );
    const versions = bodies.map((one) => (one as typeof body).metadata.resourceVersion);
    expect(versions).toEqual(["7", "7", "7"]);
    await report(agent, { phase: "Failed" });
    await client.send("PUT", `${pods}/web`, JSON.stringify(body));
    expect((bodies.at(-1) as typeof body).metadata.resourceVersion).toBe(resourceVersion);
  });
});

it("is in what the cloud answers, of this node's pods and no others", async () => {
  const { agent, client } = await startServer();
  await put(agent, 7);
  await report(agent, running);
  agent.connected = true;
  const other = pod(8, { metadata: { name: "web", namespace: "default", uid: "other" } });
  const { kind: _, apiVersion: __, ...bare } = pod(9);
  agent.cloud = async (question: Message) => {
    const asked = contentOf(question) as { Verb: string };
    const list = {
      kind: "PodList",
      apiVersion: "v1",
      metadata: { resourceVersion: "12" },
      items: [bare, other],
    };
    const body = asked.Verb === "list" ? list : pod(9);
    const RespBody = Buffer.from(JSON.stringify(body)).toString("base64");
    return createMessage(
      {
        node: "edge-1",
        operation: "applicationResponse",
        resource: "ignore/Application/ignore",
        parentId: question.id,
        content: { ...asked, Status: "Approved", RespBody },
      },
      { id: crypto.randomUUID(), timestamp: 0, delivery: () => volatile },
    );
  };
  const { body } = await client.get(`${pods}/web`);
  expect([body.status.phase, body.metadata.resourceVersion]).toEqual(["Running", "9"]);
  const { items } = (await client.get(pods)).body;
  expect(items.map((one: typeof body) => one.status.phase)).toEqual(["Running", "Pending"]);
});

describe("the node", () => {
  const condition = (status: string) => ({ conditions: [{ type: "Ready", status, lastHeartbeatTime: "t" }] });
  const nodePatch = (agent: TestAgent, status: object, resource = "default/nodepatch/edge-1") =>
    report(agent, status, { resource });

  test.each(["default", "null"])(
    "shows the status that Edged reported, in namespace %s",
    async (namespace) => {
      const { agent, client } = await startServer();
      const content = {
        apiVersion: "v1",
        kind: "Node",
        metadata: { name: "edge-1" },
        status: condition("Unknown"),
      };
      await fromCloud(agent, { resource: `${namespace}/node/edge-1`, resourceVersion: "3", content });
      await nodePatch(agent, condition("True"));
      const { body } = await client.get("/api/v1/nodes/edge-1");
      expect(body).toMatchObject({ metadata: { labels: { reported: "yes" } }, status: condition("True") });
    },
  );

  it("is there from its registration on, though the cloud sends no nodes", async () => {
    const { agent, client } = await startServer();
    const watch = await client.watch("/api/v1/nodes?watch=1");
    const content = { apiVersion: "v1", kind: "Node", metadata: { name: "edge-1" }, spec: {} };
    await agent.publish({ operation: "insert", group: "meta", resource: "default/node/edge-1", content });
    await nodePatch(agent, condition("True"));
    await until("both", () => watch.events.length >= 1 && watch.events.at(-1)?.object.status !== undefined);
    expect(watch.events[0]?.type).toBe("ADDED");
    expect((await client.get("/api/v1/nodes")).body.items).toMatchObject([{ status: condition("True") }]);
    await fromCloud(agent, { resource: "default/node/edge-1", resourceVersion: "3", content });
    expect((await client.get("/api/v1/nodes")).body.items).toHaveLength(1);
  });

  it("of others nothing is kept", async () => {
    const { agent } = await startServer();
    await nodePatch(agent, condition("True"), "default/nodepatch/other");
    await report(agent, running, { resource: "default/podpatch/unknown" });
    expect(agent.store.database.prepare("SELECT count(*) AS count FROM report").get()).toEqual({ count: 0 });
  });
});

describe("a strategic merge patch", () => {
  const merge = (status: object, patch: object): unknown =>
    withReport(
      { apiVersion: "v1", kind: "Pod", metadata: { name: "a", uid: "u" }, status },
      utf8.encode(JSON.stringify({ status: patch })),
      "9",
    ).status;

  it("merges conditions by type, in the order that it names", () => {
    const before = {
      conditions: [
        { type: "Foreign", status: "True" },
        { type: "Ready", status: "False", reason: "x" },
      ],
    };
    const patch = {
      "$setElementOrder/conditions": [{ type: "Initialized" }, { type: "Ready" }],
      conditions: [
        { type: "Ready", status: "True", reason: null },
        { type: "Initialized", status: "True" },
      ],
    };
    expect(merge(before, patch)).toEqual({
      conditions: [
        { type: "Initialized", status: "True" },
        { type: "Ready", status: "True" },
        { type: "Foreign", status: "True" },
      ],
    });
  });

  it("removes what is null and what it deletes, and replaces lists without a key", () => {
    const before = { reason: "old", podIPs: [{ ip: "a" }, { ip: "b" }], containerStatuses: [{ name: "x" }] };
    const patch = {
      reason: null,
      podIPs: [{ ip: "c" }, { $patch: "delete", ip: "a" }],
      containerStatuses: [{ name: "y" }],
    };
    expect(merge(before, patch)).toEqual({
      podIPs: [{ ip: "b" }, { ip: "c" }],
      containerStatuses: [{ name: "y" }],
    });
  });

  test.each(["", "[]", "null", '"no json"', "{", '{"status":7}', '{"metadata":null,"status":null}'])(
    "that is none changes nothing: %s",
    (text) => {
      const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, status: { phase: "Running" } };
      expect(withReport(object, utf8.encode(text), "9")).toEqual(object);
    },
  );
});

function decoded(base64: string | null): string {
  return Buffer.from(base64 ?? "", "base64").toString();
}
