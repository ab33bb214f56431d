import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LeapingClock } from "./leaping-clock.ts";
import { Consumer } from "./replay.ts";
import { hubForTest, TestHub } from "./test-hub.ts";
import { ackOf, keepalive, newHeader } from "./wire-json.ts";

/** Traps of KubeEdge's protocol that the hub must not walk into, and no other file here is about. */

let world: TestHub;
beforeAll(async () => {
  world = await TestHub.start();
});
afterAll(() => world.close());

const configMap = (node: string, name: string, resourceVersion = "7") => ({
  node,
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion,
  content: {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name, namespace: "default", uid: `uid-of-${name}` },
  },
});

describe("what the hub sends", () => {
  it("has whole numbers as timestamps, no sync, no type and a newline at its end", async () => {
    const { hub, node, link } = await world.connected();
    await hub.publish(configMap(node, "limits"));
    await hub.publish({
      node,
      group: "user",
      source: "router_eventbus",
      operation: "publish",
      resource: "a/b",
    });
    link.send({ header: newHeader(), route: { operation: "config" }, content: null });
    for (let i = 0; i < 3; i++) {
      const text = await link.nextText();
      expect(text).toMatch(/^\{"header":\{"msg_id":"[-0-9a-f]{36}",.*"timestamp":\d{13}[,}].*\}\n$/);
      expect(text).not.toMatch(/"(sync|type|destination)":/);
    }
  });

  it.each(["ping", "pong", "config"])(
    "answers the transport's own operation %s, which reaches no controller",
    async (operation) => {
      const { hub, node, link } = await world.connected();
      const consumer = new Consumer(hub, { nodes: [node] });
      const header = newHeader();
      const route = { source: "websocket", group: "resource", operation, resource: "node" };
      link.send({ header, route, content: "anything" });
      expect(await link.next()).toEqual({
        header: { msg_id: expect.any(String), parent_msg_id: header.msg_id, timestamp: expect.any(Number) },
        route: { ...route, operation: "response" },
        content: "ack",
      });
      const query = { header: newHeader(), route: { ...route, operation: "query" }, content: null };
      link.send(query);
      expect(await consumer.next()).toMatchObject({ id: query.header.msg_id });
    },
  );

  it("loses its node's prefix, and only that", async () => {
    const { hub, node, link } = await world.connected();
    const { node: _node, ...draft } = configMap(node, "limits");
    const sent = async (published: Parameters<typeof hub.publish>[0]) => {
      await hub.publish(published);
      return (await link.next()).route.resource;
    };
    expect(await sent({ ...draft, resource: `node/${node}/default/configmap/limits` })).toBe(
      "default/configmap/limits",
    );
    expect(await sent({ ...draft, node, resource: "nodes-x/configmap/limits" })).toBe(
      "nodes-x/configmap/limits",
    );
    expect(await sent({ ...draft, node, resource: "node/configmap/limits" })).toBe("node/configmap/limits");
  });

  it("carries numbers of more than 53 bits and base64 as they came, in both directions", async () => {
    const { hub, node, link } = await world.connected();
    const content = '{"big":9007199254740993,"exponent":1e400,"bytes":"aGVsbG8="}';
    await hub.publish({ ...configMap(node, "limits"), content: Buffer.from(content) });
    expect(await link.nextText()).toContain(`"content":${content}}`);
    const arrived = hub
      .subscribe({ nodes: [node] })
      [Symbol.asyncIterator]()
      .next();
    link.send(
      `{"header":{"msg_id":"m","timestamp":1},"route":{"operation":"upload","group":"user"},"content":${content}}`,
    );
    const { message } = (await arrived).value ?? {};
    expect(Buffer.from(message?.content ?? []).toString()).toBe(content);
  });

  it("goes under a source whose updates an edge acknowledges", async () => {
    const { hub, node, link } = await world.connected();
    const sourceOf = async (source: string, operation: string) => {
      await hub.publish({ ...configMap(node, `${source}-${operation}`), source, operation });
      return (await link.next()).route.source;
    };
    const known = ["edgecontroller", "dynamiccontroller", "devicecontroller", "policycontroller"];
    for (const source of known) expect(await sourceOf(source, "update")).toBe(source);
    expect(await sourceOf("shop", "update")).toBe("edgecontroller");
    expect(await sourceOf("shop", "insert")).toBe("shop");
  });

  it("never fills the edge's queue of 100: at most 64 messages are out unacknowledged", async () => {
    const { hub, node, link } = await world.connected();
    await hub.publishBatch(Array.from({ length: 150 }, (_, i) => configMap(node, `limits-${i}`)));
    const out = await link.sentSoFar();
    expect(out).toHaveLength(64);
    for (const message of out.slice(0, 10)) link.send(ackOf(message));
    await expect.poll(async () => (await hub.where({ node, state: "persisted" })).length).toBe(10);
    expect(await link.sentSoFar()).toHaveLength(10);
  });

  // BUG 5
  it("has no version if it is a deletion that was published without one", async () => {
    const { hub, node, link } = await world.connected();
    const { resourceVersion: _version, ...draft } = configMap(node, "gone");
    await hub.publish({ ...draft, operation: "delete", content: { metadata: draft.content.metadata } });
    expect(Object.keys((await link.next()).header)).toEqual(["msg_id", "timestamp"]);
  });

  // BUG 6
  it("is no object with a parent, which an edge would take for an answer and drop", async () => {
    const { hub, node } = await world.connected();
    const draft = { ...configMap(node, "limits"), parentId: "some-query" };
    await expect(hub.publish(draft)).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
  });

  // BUG 7
  it("is no patch, which an edge would send back", async () => {
    const { hub, node, link } = await world.connected();
    const patch = { ...configMap(node, "limits"), operation: "patch" };
    await hub.publish(patch).catch(() => undefined);
    expect(await link.sentSoFar()).toEqual([]);
  });

  // BUG 8
  it("is nothing when the node's own object is deleted: its link is closed", async () => {
    const { hub, node, link } = await world.connected();
    const deletion = {
      node,
      source: "edgecontroller",
      operation: "delete",
      resource: `default/node/${node}`,
    };
    await hub.publish(deletion);
    await expect(link.next()).rejects.toThrow("the connection ended");
  });
});

describe("what settles a message", () => {
  it("is a response with its id as parent, whatever else is in it", async () => {
    const { hub, node, link } = await world.connected();
    const settled = hub.publish(configMap(node, "limits"), { until: "acked" });
    const { header } = await link.next();
    link.send(
      `{"header":{"msg_id":"x","parent_msg_id":"${header.msg_id}","timestamp":1},"route":{"operation":"response"}}`,
    );
    await settled;
  });

  it("is not a message of another operation, nor the ack of another node", async () => {
    const { hub, node, link } = await world.connected();
    const other = await world.connected();
    await hub.publish(configMap(node, "limits"));
    const sent = await link.next();
    link.send({ ...ackOf(sent), route: { ...sent.route, operation: "update" } });
    other.link.send(ackOf(sent));
    await other.link.sentSoFar();
    await link.sentSoFar();
    expect(await hub.where({ node })).toMatchObject([{ state: "accepted" }]);
  });

  it.each(["membership-db", "podlist", "serviceaccounttoken-7", "twin"])(
    "is waited for though the object is called %s",
    async (name) => {
      const clock = new LeapingClock();
      const { hub, node, link } = await (await hubForTest({}, { clock })).connected();
      await hub.publish({ ...configMap(node, name), resource: `default/pod/${name}` });
      const sent = await link.nextText();
      await clock.leap(5_100);
      expect(await link.nextText()).toBe(sent);
    },
  );
});

describe("what the edge sends", () => {
  it("keeps its link alive only if it is a keepalive", async () => {
    const clock = new LeapingClock();
    const { link } = await (await hubForTest({}, { clock })).connected();
    link.send(keepalive());
    await link.sentSoFar();
    await clock.leap(20_000);
    link.send({
      header: newHeader(),
      route: { source: "edged", operation: "query", resource: "a/pod/b" },
      content: null,
    });
    await link.sentSoFar();
    await clock.leap(10_500);
    expect(await link.ended).toMatchObject({ by: "bare" });
  });

  it("and is base64 text is handed on as the text it is", async () => {
    const { hub, node, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node] });
    const route = {
      source: "servicebus",
      group: "user",
      operation: "upload",
      resource: "http://127.0.0.1/x",
    };
    link.send({ header: newHeader(), route, content: "eyJ2IjoxfQ==" });
    expect(await consumer.next()).toMatchObject({ content: "eyJ2IjoxfQ==" });
  });

  // BUG 9
  it("in the name of a module of the cloud reaches no controller", async () => {
    const { hub, node, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node] });
    const route = { group: "resource", operation: "update", resource: "default/pod/nginx" };
    for (const source of ["cloudhub", "cloudStream", "devicecontroller", "edgecontroller", "synccontroller"])
      link.send({ header: newHeader(), route: { ...route, source }, content: {} });
    link.send({ header: newHeader(), route: { ...route, source: "edged" }, content: {} });
    expect((await consumer.next()).source).toBe("edged");
  });

  // BUG 9
  it("cannot pass for the hub's word that the node has gone", async () => {
    const { hub, node, link } = await world.connected();
    const presence = new Consumer(hub, { nodes: [node], operations: [], presence: true });
    expect(await presence.next()).toMatchObject({ operation: "connected" });
    const route = {
      source: "cloudhub",
      group: "resource",
      operation: "disconnected",
      resource: "node/connection",
    };
    const lie = { header: newHeader(), route, content: { client_id: node } };
    link.send(lie);
    await link.sentSoFar();
    link.end();
    expect((await presence.next()).id).not.toBe(lie.header.msg_id);
  });

  // BUG 10
  it("and a controller wants is not held back by what nobody wants", async () => {
    const { hub, node, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node], groups: ["user"] });
    const membership = { source: "twin", group: "resource", operation: "get", resource: "membership/detail" };
    link.send({ header: newHeader(), route: membership, content: "{}" });
    const upload = { source: "bus", group: "user", operation: "upload", resource: "default/test/up" };
    link.send({ header: newHeader(), route: upload, content: "21.5" });
    expect(await consumer.next()).toMatchObject({ resource: "default/test/up" });
  });
});
