import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "./patience.ts";
import { Consumer } from "./replay.ts";
import { type Connected, expectUndisturbed, TestHub } from "./test-hub.ts";
import { frameBytes, opcodes } from "./websocket-frames.ts";
import { newHeader, type WireJson } from "./wire-json.ts";

/** What a connected edge may say wrongly: what it sees then, that it is counted, and that nobody else notices. */

let world: TestHub;
let witness: Connected;
let at: Connected;
beforeAll(async () => {
  world = await TestHub.start();
});
afterAll(() => world.close());
beforeEach(async () => {
  witness = await world.connected();
  at = await world.connected();
});
afterEach(() => expectUndisturbed(witness));

const faults = (code: string) => world.growthOf(`hub_faults_total{code="${code}"}`);
const good: WireJson = {
  header: { msg_id: "m", timestamp: 1 },
  route: { source: "edged", group: "meta", operation: "query", resource: "default/configmap/limits" },
  content: null,
};
const text = JSON.stringify(good);

describe("what Go closes the connection for", () => {
  it.each([
    ["JSON that ends early", text.slice(0, -1)],
    ["no JSON", "ping"],
    ["an empty message", ""],
    ["an array", `[${text}]`],
    ["a message id that is a number", text.replace('"m"', "7")],
    ["a parent id that is an object", text.replace('"timestamp"', '"parent_msg_id":{},"timestamp"')],
    ["a timestamp that is a text", text.replace(":1}", ':"1"}')],
    ["a timestamp with a fraction", text.replace(":1}", ":1.5}")],
    ["a timestamp with an exponent", text.replace(":1}", ":1e3}")],
    ["a timestamp of more than 64 bits", text.replace(":1}", ":99999999999999999999}")],
    ["a resource version that is a number", text.replace(":1}", ':1,"resourceversion":7}')],
    ["a sync that is a text", text.replace(":1}", ':1,"sync":"no"}')],
    ["a route that is a text", '{"header":{"msg_id":"m","timestamp":1},"route":"/","content":null}'],
    ["an operation that is a list", text.replace('"query"', '["query"]')],
  ])("%s ends the link with E_BAD_FRAME", async (_name, bad) => {
    const counted = await faults("E_BAD_FRAME");
    at.link.send(bad);
    const { code, text: reason } = await at.link.ended();
    expect({ code, reason }).toEqual({ code: 4000, reason: expect.stringMatching(/^E_BAD_FRAME: .{10,}/) });
    expect(await counted()).toBe(1);
  });

  it("ends that link only, and the node may come again", async () => {
    at.link.send("ping");
    await at.link.ended();
    await expectUndisturbed(await world.connected(at.node));
  });
});

describe("what Go reads", () => {
  it.each([
    ["unknown fields", text.replace("{", '{"more":[{}],')],
    ["names in capitals", text.replace("msg_id", "MSG_ID").replace("route", "Route")],
    ["a second value behind the first", `${text}${text}`],
    ["invalid UTF-8 inside a text", text.replace("limits", "l\udc00mits")],
  ])("is read here: %s", async (_name, odd) => {
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    at.link.send(odd);
    expect(await consumer.next()).toMatchObject({ id: "m", operation: "query" });
  });

  it("is read here: a message in a binary frame", async () => {
    const consumer = new Consumer(at.hub, { nodes: [at.node] });
    at.link.sendFrame({ opcode: opcodes.binary, payload: Buffer.from(text) });
    expect(await consumer.next()).toMatchObject({ id: "m" });
  });

  it.each(["{}", "null", '{"header":{},"route":{}}'])(
    "is read here as a message with nothing in it: %s",
    async (empty) => {
      const ignored = await world.growthOf("hub_frames_ignored_total");
      at.link.send(empty);
      expect(await at.link.sentSoFar()).toEqual([]);
      expect(await ignored()).toBe(1);
    },
  );
});

describe("a message that is well formed and cannot be used", () => {
  const withHeader = (more: object): string =>
    JSON.stringify({ ...good, header: { ...good.header, ...more } });
  const withRoute = (more: object): string => JSON.stringify({ ...good, route: { ...good.route, ...more } });

  it.each([
    ["with a version that is no number", withHeader({ resourceversion: "7a" }), "E_BAD_VERSION"],
    ["with a negative version", withHeader({ resourceversion: "-1" }), "E_BAD_VERSION"],
    [
      "with a version of more than 64 bits",
      withHeader({ resourceversion: "18446744073709551616" }),
      "E_BAD_VERSION",
    ],
    ["with an operation that nobody knows", withRoute({ operation: "explode" }), "E_BAD_OPERATION"],
    ["without an operation", withRoute({ operation: "" }), "E_BAD_OPERATION"],
    ["without an id", withHeader({ msg_id: "" }), "E_BAD_MESSAGE"],
    ["with an id of 129 characters", withHeader({ msg_id: "x".repeat(129) }), "E_BAD_MESSAGE"],
    ["with a resource of 1025 characters", withRoute({ resource: "x".repeat(1_025) }), "E_BAD_RESOURCE"],
    ["with a line break in its resource", withRoute({ resource: "a/configmap/b\nc" }), "E_BAD_RESOURCE"],
  ])("%s is refused and counted; the link goes on", async (_name, bad, code) => {
    const counted = await faults(code);
    const refused = await world.growthOf("hub_messages_refused_total");
    at.link.send(bad);
    await expectUndisturbed(at);
    expect(await counted()).toBe(1);
    expect(await refused()).toBe(1);
  });
});

describe("a message of more than 16 MiB", () => {
  const large = (mib: number) => Buffer.from(JSON.stringify({ ...good, content: "x".repeat(mib << 20) }));

  it("ends the link with the WebSocket's word for it", async () => {
    at.link.sendFrame({ payload: large(20) });
    expect(await at.link.ended()).toMatchObject({ code: 1009 });
  });

  it("ends the link before it is whole if it comes in fragments", async () => {
    const payload = Buffer.alloc(2 << 20, "x");
    for (let i = 0; i < 10; i++)
      at.link.sendFrame({ opcode: i === 0 ? opcodes.text : opcodes.continuation, fin: false, payload });
    expect(await at.link.ended()).toMatchObject({ code: 1009 });
  });

  it("ends the link as soon as it is announced", async () => {
    const announced = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]);
    at.link.sendBytes(announced);
    expect(await at.link.ended()).toMatchObject({ code: 1009 });
  });

  it("by a little ends the link with E_TOO_LARGE", async () => {
    const counted = await faults("E_TOO_LARGE");
    at.link.sendFrame({ payload: large(16) });
    expect(await at.link.ended()).toMatchObject({
      code: 4000,
      text: expect.stringMatching(/^E_TOO_LARGE: /),
    });
    expect(await counted()).toBe(1);
  });

  it("is counted, however much it is", async () => {
    const counted = await faults("E_TOO_LARGE");
    at.link.sendFrame({ payload: large(20) });
    await at.link.ended();
    await eventually(counted).toBe(1);
  });
});

describe("frames that break the rules", () => {
  const payload = Buffer.from(text);
  const plain = { opcode: opcodes.text, fin: true, isMasked: true, payload };
  const withFirstByte = (first: number) => {
    const bytes = frameBytes(plain);
    bytes[0] = first;
    return bytes;
  };
  const broken: readonly (readonly [string, Buffer])[] = [
    ["that is not masked", frameBytes({ ...plain, isMasked: false })],
    ["with a reserved bit", withFirstByte(0xc1)],
    ["of an unknown kind", withFirstByte(0x83)],
    ["that continues nothing", withFirstByte(0x80)],
    [
      "that begins a message in the middle of another",
      Buffer.concat([withFirstByte(0x01), withFirstByte(0x81)]),
    ],
    ["that is a ping in pieces", withFirstByte(0x09)],
  ];

  it.each(broken)("end the link with the WebSocket's word for it: one %s", async (_name, bytes) => {
    at.link.sendBytes(bytes);
    expect(await at.link.ended()).toMatchObject({ by: "frame", code: 1002 });
  });

  it("are counted", async () => {
    const counted = await faults("E_BAD_FRAME");
    at.link.sendBytes(frameBytes({ ...plain, isMasked: false }));
    await at.link.ended();
    await eventually(counted).toBe(1);
  });

  it("end the link at once, also for a peer that does not hang up", async () => {
    const presence = new Consumer(at.hub, { nodes: [at.node], operations: [], presence: true });
    await presence.next();
    at.link.freeze();
    at.link.sendBytes(frameBytes({ ...plain, isMasked: false }));
    expect(await presence.next()).toMatchObject({ operation: "disconnected" });
  });
});

it("closes its side of a link that the peer closes with a close frame", async () => {
  at.link.sendFrame({ opcode: opcodes.close, payload: Buffer.from([3, 0xe8]) });
  expect(await at.link.ended()).toMatchObject({ by: "frame", code: 1000 });
  await eventually(async () => (await at.hub.nodes()).find(({ node }) => node === at.node)?.connected).toBe(
    false,
  );
});

it("answers the ping of a WebSocket library", async () => {
  at.link.sendFrame({ opcode: opcodes.ping, payload: Buffer.from("here?") });
  await at.link.sentSoFar();
  expect(at.link.frames[0]).toMatchObject({ opcode: opcodes.pong, payload: Buffer.from("here?") });
});

it("tells a publisher of a message that no edge could take, and sends nothing", async () => {
  const { hub, node, link } = at;
  const draft = {
    node,
    resource: "default/configmap/limits",
    operation: "update",
    content: { kind: "ConfigMap" },
  };
  const refused = (change: object) => expect(hub.publish({ ...draft, ...change })).rejects;
  await refused({ resourceVersion: "seven" }).toMatchObject({ code: "E_BAD_VERSION" });
  await refused({}).toMatchObject({ code: "E_BAD_VERSION" });
  await refused({ operation: "explode" }).toMatchObject({ code: "E_BAD_OPERATION" });
  await refused({ resourceVersion: "7", content: Buffer.from("{") }).toMatchObject({ code: "E_BAD_MESSAGE" });
  await refused({ resourceVersion: "7", content: "x".repeat(20 << 20) }).toMatchObject({
    code: "E_TOO_LARGE",
  });
  await refused({ resourceVersion: "7", node: "edge-unknown" }).toMatchObject({ code: "E_UNKNOWN_NODE" });
  expect(await link.sentSoFar()).toEqual([]);
});

it("hands on what follows a bad message", async () => {
  const consumer = new Consumer(at.hub, { nodes: [at.node] });
  at.link.send({ ...good, route: { ...good.route, operation: "explode" } });
  const next = { ...good, header: newHeader() };
  at.link.send(next);
  expect(await consumer.next()).toMatchObject({ id: next.header.msg_id });
});
