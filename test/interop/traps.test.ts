import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LeapingClock } from "./leaping-clock.ts";
import { eventually } from "./patience.ts";
import { Consumer } from "./replay.ts";
import { hubForTest, TestHub } from "./test-hub.ts";
import { ackOf, keepalive, newHeader } from "./wire-json.ts";

/**
 * Traps of KubeEdge's protocol that no other file here is about.
 *
 * All traps, as the wire protocol's §12 numbers them, with the tests that keep the hub and the agent out of them, by
 * file and the beginning of their names:
 *
 *  1  The websocket carries JSON text.
 *     - hub-session: goes to the edge byte for byte when it is published
 *     - agent-session: has the form of the recorded edge's own messages, byte for byte
 *  2  The keys are spelt exactly so.
 *     - as 1
 *  3  Timestamps are whole numbers in plain notation.
 *     - traps: has whole numbers as timestamps, no sync, no type
 *     - agent-session: is acked with whole numbers as timestamps
 *     - hub-bad-messages: a timestamp with an exponent
 *  4  A text ends with a newline, may come in pieces, the last of them empty.
 *     - hub-session: reads a message that the edge has cut into fragments
 *     - agent-session: is put together from Go's fragments
 *  5  No WebSocket pings, no close frames; loss is a bare close.
 *     - hub-session: hears texts only: no pings, no close frames
 *     - hub-links: may send a message without anything in it when it stops
 *     - agent-links: is dialled again at once when it %s
 *  6  ping, pong and config belong to the transport.
 *     - traps: answers the transport's own operation %s
 *     - agent-session: answers the transport's own operation %s
 *  7  Headers have underscores; Connectionuse comes twice, or is missing.
 *     - hub-refusals: with Connectionuse doubled by a failed dial
 *     - hub-refusals: without Connectionuse
 *     - agent-session: sends the headers by which a stock cloud knows it
 *  8  The path says nothing; an empty project is a redirect.
 *     - hub-refusals: on any path
 *     - hub-refusals: without a project
 *     - agent-links: 301, as for a path with two slashes
 *  9  No ALPN h2.
 *     - hub-refusals: and nothing else is refused in the TLS handshake
 *     - agent-session: offers its own dialect, finds that it is not taken
 * 10  GET /edge.crt has a body; the answers are DER.
 *     - hub-join: gives the CA and a certificate for the very requests that a stock edge sends
 *     - agent-session: asks for the CA, then for a certificate with the token's JWT
 * 11  A request that accepts some types only gets 406.
 *     - hub-join: answers whatever the client says that it accepts
 *     - agent-session: asks for the CA, then for a certificate with the token's JWT
 * 12  Private keys are SEC1.
 *     - hub-refusals: that names its node is taken from the KubeEdge cloud whose CA the hub has taken over
 * 13  The bearer token is the token without its first part.
 *     - hub-join: takes a token without its first part, the CA's hash, and only so
 *     - agent-session: asks for the CA, then for a certificate with the token's JWT
 * 14  With a client certificate no token counts.
 *     - hub-join: looks at nothing but the certificate of a client that shows one
 * 15  Status 200 with an empty body is an error.
 *     - agent-session: takes an empty answer for the refusal it is, and asks again
 * 16  An ack is a response with the parent's id; an error is none.
 *     - traps: is a response with its id as parent, whatever else is in it
 *     - hub-links: is not replaced by an error: the message goes again
 * 17  Repeats come after 5 s and keep id and timestamp.
 *     - hub-links: has the hub send the same bytes again after 5 s
 * 18  Late and double acks, and acks of what needs none, are ignored.
 *     - hub-links: is not missed any more when it comes late and three times
 *     - hub-session: in answer to a query goes out under the query's id
 * 19  A message without a version is lost without a trace.
 *     - hub-bad-messages: tells a publisher of a message that no edge could take
 * 20  A version that is no number.
 *     - hub-bad-messages: with a version that is no number
 *     - agent-bad-input: with a version that is no number
 * 21  A parent makes an object an answer; a type loses answers.
 *     - traps: is no object with a parent, which an edge would take for an answer
 *     - traps: has whole numbers as timestamps, no sync, no type
 * 22  Updates of unknown sources are not acked.
 *     - traps: goes under a source whose updates an edge acknowledges
 * 23  A patch comes back.
 *     - traps: is no patch, which an edge would send back
 *     - agent-bad-input: with an operation that is not for an edge
 * 24  What an edge says in the name of a cloud module is dropped.
 *     - traps: in the name of a module of the cloud reaches no controller
 *     - traps: cannot pass for the hub's word that the node has gone
 * 25  Acks of devices come from meta, group twin.
 *     - hub-session: of a device is settled by acks of group twin in the name of meta
 *     - agent-session: is acked as the recorded edge has acked it
 * 26  After a reconnect: updates without insert, deletions without version.
 *     - hub-links: is followed by the newest versions only, and by every deletion
 *     - agent-session: as an update of something unknown is stored
 *     - agent-session: as a deletion with nothing but name and uid, and without version
 * 27  Whom Go's cloud refuses keeps an open socket.
 *     - hub-refusals: turns away one node more than may be connected
 * 28  A second connection replaces the first.
 *     - hub-links: is served over the newest link; the older one is closed and told why
 *     - hub-links: stays connected for controllers, whatever becomes of the older link
 * 29  Only keepalives feed the timer.
 *     - traps: keeps its link alive only if it is a keepalive
 * 30  Go's edge notices a dead link only when it writes.
 *     - hub-links: loses nothing: what it did not pass goes over the next link
 *     - agent-links: is dialled again at once when it %s
 * 31  Objects whose names contain membership and the like lose their ack.
 *     - traps: is waited for though the object is called %s
 * 32  The prefix `node` is cut off whatever follows it.
 *     - traps: loses its node's prefix, and only that
 * 33  Bytes are base64 texts that nobody decodes.
 *     - traps: and is base64 text is handed on as the text it is
 * 34  Large integers are rounded.
 *     - traps: carries numbers of more than 53 bits and base64 as they came
 * 35  QUIC is Google's, and loses versions.
 *     - none: hub and agent speak no QUIC
 * 36  The packed lane needs both of its sub-messages.
 *     - none: no KubeEdge peer of ours speaks it; test/protocol/packed-codec.test.ts has it
 * 37  The keys of QUIC's headers are canonical.
 *     - none: hub and agent speak no QUIC
 * 38  sync is never on the wire.
 *     - traps: has whole numbers as timestamps, no sync, no type
 * 39  Server certificates need alternative names, of which one may be empty.
 *     - hub-join: shows a certificate with the address that edges use, and without an empty name
 *     - agent-links: is recognised by its CA alone
 * 40  keadm takes 404 for success.
 *     - hub-join: does not know a node, when newer keadm asks, until it has joined
 * 41  O=kubeEdge is not O=KubeEdge.
 *     - hub-refusals: that names no node may claim any where that is allowed
 * 42  Go's edge drops the oldest of more than 100 messages.
 *     - traps: never fills the edge's queue of 100
 */

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

it("has a test for every trap that is listed above", () => {
  const read = (file: string): string => readFileSync(join(import.meta.dirname, `${file}.test.ts`), "utf8");
  const comment = /\/\*\*[\s\S]*?\*\//g;
  const [table = ""] = read("traps").match(comment) ?? [];
  const numbers = [...table.matchAll(/^ \* +(\d+) /gm)].map(([, number]) => Number(number));
  expect(numbers).toEqual(Array.from({ length: 42 }, (_, i) => i + 1));
  const named = [...table.matchAll(/^ \* +- ([\w-]+): (.+)$/gm)].filter(([, file]) => file !== "none");
  const missing = named.filter(
    ([, file = "", name]) => !read(file).replace(comment, "").includes(`"${name}`),
  );
  expect(missing.map(([line]) => line)).toEqual([]);
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
    await eventually(async () => (await hub.where({ node, state: "persisted" })).length).toBe(10);
    expect(await link.sentSoFar()).toHaveLength(10);
  });

  it("has no version if it is a deletion that was published without one", async () => {
    const { hub, node, link } = await world.connected();
    const { resourceVersion: _version, ...draft } = configMap(node, "gone");
    await hub.publish({ ...draft, operation: "delete", content: { metadata: draft.content.metadata } });
    expect(Object.keys((await link.next()).header)).toEqual(["msg_id", "timestamp"]);
  });

  it("is no object with a parent, which an edge would take for an answer and drop", async () => {
    const { hub, node } = await world.connected();
    const draft = { ...configMap(node, "limits"), parentId: "some-query" };
    await expect(hub.publish(draft)).rejects.toMatchObject({ code: "E_BAD_MESSAGE" });
  });

  it("is no patch, which an edge would send back", async () => {
    const { hub, node, link } = await world.connected();
    const patch = { ...configMap(node, "limits"), operation: "patch" };
    await hub.publish(patch).catch(() => undefined);
    expect(await link.sentSoFar()).toEqual([]);
  });

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
    expect(await link.ended()).toMatchObject({ by: "bare" });
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

  it("in the name of a module of the cloud reaches no controller", async () => {
    const { hub, node, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node] });
    const route = { group: "resource", operation: "update", resource: "default/pod/nginx" };
    for (const source of ["cloudhub", "cloudStream", "devicecontroller", "edgecontroller", "synccontroller"])
      link.send({ header: newHeader(), route: { ...route, source }, content: {} });
    link.send({ header: newHeader(), route: { ...route, source: "edged" }, content: {} });
    expect((await consumer.next()).source).toBe("edged");
  });

  it("in answer to a call about a volume reaches a controller, though it is in the name of cloudhub", async () => {
    const { hub, node, link } = await world.connected();
    const consumer = new Consumer(hub, { nodes: [node] });
    const route = {
      source: "cloudhub",
      group: "resource",
      operation: "response",
      resource: "default/volume/v-1",
    };
    link.send({ header: { ...newHeader(), parent_msg_id: "the-call" }, route, content: "e30=" });
    expect(await consumer.next()).toMatchObject({ parentId: "the-call", content: "e30=" });
  });

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
