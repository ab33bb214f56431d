import { connect as connectTcp } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { readCertificate } from "../../platform/certificate.ts";
import { bytesOf } from "../join/vectors.ts";
import { certificateFor, future, otherCa, past, selfSigned } from "./certificates.ts";
import { eventually } from "./patience.ts";
import { ask, headOf, openPipe } from "./raw-http.ts";
import {
  type Credentials,
  joinLines,
  madeByGo,
  type StockEdge,
  upgrade,
  upgradeLines,
} from "./stock-edge.ts";
import { type Connected, expectUndisturbed, hubForTest, TestHub } from "./test-hub.ts";

/** Who is turned away from the port for nodes: what they see, that it is counted, and that nobody else notices. */

let world: TestHub;
let witness: Connected;
let edge: StockEdge;
beforeAll(async () => {
  world = await TestHub.start({}, {}, { kubeEdgeCa: true });
});
afterAll(() => world.close());
beforeEach(async () => {
  witness = await world.connected();
  edge = await world.join();
});
afterEach(() => expectUndisturbed(witness));

const refusals = (code: string) =>
  world.growthOf(`hub_connections_refused_total{port="nodes",code="${code}"}`);

describe("an upgrade request", () => {
  const without = (name: string) => (lines: string[]) => lines.filter((line) => !line.startsWith(name));
  const instead = (name: string, header: string) => (lines: string[]) =>
    lines.map((line) => (line.startsWith(name) ? header : line));

  it.each([
    ["without Node_id", without("Node_id"), 400, "E_NO_NODE"],
    ["with a Node_id that is no node's name", instead("Node_id", "Node_id: Edge One"), 400, "E_NO_NODE"],
    ["with the Node_id of another node", instead("Node_id", "Node_id: edge-other"), 403, "E_IDENTITY"],
    ["without Connectionuse", without("Connectionuse"), 400, "E_BAD_MESSAGE"],
    [
      "with the Connectionuse of another lane",
      instead("Connectionuse", "Connectionuse: str"),
      400,
      "E_BAD_MESSAGE",
    ],
    [
      "with two kinds of Connectionuse, the first a wrong one",
      instead("Connectionuse", "Connectionuse: str\r\nConnectionuse: msg"),
      400,
      "E_BAD_MESSAGE",
    ],
    ["from a page of another host", instead("User-Agent", "Origin: https://example.com"), 403, "E_FORBIDDEN"],
    ["without a key", without("Sec-WebSocket-Key"), 400, "E_BAD_FRAME"],
    ["of another version", instead("Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"), 400, "E_BAD_FRAME"],
    [
      "with a head of more than 16 KiB",
      instead("User-Agent", `User-Agent: ${"x".repeat(20_000)}`),
      400,
      "E_BAD_FRAME",
    ],
  ])("%s is refused", async (_name, change, status, code) => {
    const refused = await refusals(code);
    const answer = await upgrade(edge.port, edge.credentials, change(upgradeLines(edge.node, edge.port)));
    expect(answer.status).toBe(status);
    expect(answer.body.toString()).toMatch(new RegExp(`^${code}: .{10,}\\n$`));
    expect(await refused()).toBe(1);
  });

  it.each([
    [
      "with Connectionuse doubled by a failed dial",
      () => upgradeLines(edge.node, edge.port, { failedDials: 2 }),
    ],
    ["with Connectionuse joined by a proxy", instead("Connectionuse", "Connectionuse: msg, msg")],
    ["with the headers as they are written in code", (lines: string[]) => lines.map(asInCode)],
    ["on any path", instead("GET", "GET /somewhere/else?x=1 HTTP/1.1")],
    ["without a project", instead("GET", "GET //edge/events HTTP/1.1")],
    [
      "from a page of the hub's own host",
      (lines: string[]) => [...lines, `Origin: https://127.0.0.1:${edge.port}`],
    ],
  ])("%s is let in", async (_name, change) => {
    const answer = await upgrade(edge.port, edge.credentials, change(upgradeLines(edge.node, edge.port)));
    expect(answer.status).toBe(101);
  });

  it("that offers subprotocols and extensions is let in with none of them", async () => {
    const offers = ["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"];
    const answer = await upgrade(edge.port, edge.credentials, [
      ...upgradeLines(edge.node, edge.port),
      ...offers,
    ]);
    expect(answer.lines.map((line) => line.split(":")[0])).toEqual([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade",
      "Connection",
      "Sec-WebSocket-Accept",
    ]);
  });

  it("that is none is told what this port takes", async () => {
    const answer = await upgrade(edge.port, edge.credentials, ["GET / HTTP/1.1", "Host: hub"]);
    expect(answer.status).toBe(400);
    expect(answer.lines.map((line) => line.toLowerCase())).toContain("sec-websocket-version: 13");
  });

  it("that is no HTTP is refused", async () => {
    const refused = await refusals("E_BAD_FRAME");
    const answer = await upgrade(edge.port, edge.credentials, ["\u0016\u0003 nonsense"]);
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.body.toString()).toMatch(/^E_BAD_FRAME: /);
    expect(await refused()).toBe(1);
  });
});

describe("a client in no hurry", () => {
  const impatient = () => hubForTest({ nodes: { handshakeTimeoutMs: 300 } });
  const refused = (hub: TestHub, code: string) =>
    hub.growthOf(`hub_connections_refused_total{port="nodes",code="${code}"}`);

  it("is cut off in the middle of its upgrade, however slowly it speaks", async () => {
    const hub = await impatient();
    const { node, port, credentials } = await hub.join();
    const timeouts = await refused(hub, "E_TIMEOUT");
    const { tls } = await openPipe(port, credentials);
    const ended = new Promise((resolve) => tls.once("close", resolve).on("error", () => undefined));
    const slowly = setInterval(() => tls.write("x"), 20);
    onTestFinished(() => clearInterval(slowly));
    tls.write(`${upgradeLines(node, port).slice(0, 4).join("\r\n")}\r\nX-Slow: `);
    await ended;
    expect(await timeouts()).toBe(1);
  });

  it("is cut off in the middle of its TLS handshake", async () => {
    const hub = await impatient();
    const failures = await refused(hub, "E_IDENTITY");
    const tcp = connectTcp(hub.hub.ports.nodes, "127.0.0.1");
    await new Promise((resolve) => tcp.once("close", resolve).on("error", () => undefined));
    expect(await failures()).toBe(1);
  });
});

describe("a certificate", () => {
  it.each([
    ["of another CA", async (node: string) => certificateFor(node, { ca: await otherCa() })],
    ["that signed itself", selfSigned],
    ["that has expired", (node: string) => certificateFor(node, past)],
    ["that is not valid yet", (node: string) => certificateFor(node, future)],
    ["that is for servers only", (node: string) => certificateFor(node, { usages: ["serverAuth"] })],
    ["that is missing", () => Promise.resolve({})],
  ] as const)("%s is refused", async (_name, make) => {
    const refused = await world.growthOf('hub_connections_refused_total{port="nodes"');
    const answer = upgrade(edge.port, await make(edge.node), upgradeLines(edge.node, edge.port));
    expect(await answer.then(({ status }) => status).catch(() => "no answer")).not.toBe(101);
    await eventually(refused).toBe(1);
  });

  it("that is refused in the TLS handshake is counted as an identity that does not hold", async () => {
    const refused = await refusals("E_IDENTITY");
    const credentials = await certificateFor(edge.node, past);
    await upgrade(edge.port, credentials, upgradeLines(edge.node, edge.port)).catch(() => undefined);
    await eventually(refused).toBe(1);
  });

  it.each([
    ["of another node", () => certificateFor("edge-other"), "is of node edge-other"],
    [
      "of a controller",
      (node: string) =>
        certificateFor(node, { subject: { organization: "cloudhub:controllers", commonName: "shop" } }),
      "is of controller shop",
    ],
    [
      "that names no node, as a KubeEdge 1.15 cloud issues them",
      () => Promise.resolve(madeByGo1_15()),
      "names no node",
    ],
  ])("%s is refused at the upgrade", async (_name, make, text) => {
    const refused = await refusals("E_IDENTITY");
    const answer = await upgrade(edge.port, await make(edge.node), upgradeLines(edge.node, edge.port));
    expect(answer).toMatchObject({ status: 403 });
    expect(answer.body.toString()).toMatch(/^E_IDENTITY: /);
    expect(answer.body.toString()).toContain(text);
    expect(await refused()).toBe(1);
  });

  it("that names no node may claim any where that is allowed, and gets one that names it", async () => {
    const lenient = await hubForTest({ nodes: { allowUnboundCertificates: true } }, {}, { kubeEdgeCa: true });
    const { nodes, join } = lenient.hub.ports;
    expect(await upgrade(nodes, madeByGo1_15(), upgradeLines("edge-any", nodes))).toMatchObject({
      status: 101,
    });
    const request = bytesOf(madeByGo("release-1.15").csrDerHex);
    const lines = joinLines.certificate(join, "edge-any", { token: "", bytes: request.length });
    const renewal = headOf(lines.filter((line) => !line.startsWith("Authorization")));
    const pipe = await openPipe(join, madeByGo1_15());
    const { body } = await ask(pipe, Buffer.concat([Buffer.from(renewal), request]));
    pipe.tls.destroy();
    expect(readCertificate(body).commonName).toBe("system:node:edge-any");
  });

  it("that names its node is taken from the KubeEdge cloud whose CA the hub has taken over", async () => {
    const { certPem: cert, keyPem: key } = madeByGo("master");
    const answer = await upgrade(edge.port, { cert, key }, upgradeLines("edge-1", edge.port));
    expect(answer).toMatchObject({ status: 101 });
  });

  it("that is revoked ends the link it is used for, and opens no other", async () => {
    const refused = await refusals("E_REVOKED");
    const { hub, node, edge: revoked, link } = await world.connected();
    expect(await hub.admin.revokeNode(node)).toBe(1);
    expect(await link.ended()).toEqual({
      by: "frame",
      code: 4000,
      text: "E_REVOKED: the node's certificate has been revoked",
    });
    const answer = await upgrade(revoked.port, revoked.credentials, upgradeLines(node, revoked.port));
    expect(answer).toMatchObject({ status: 403 });
    expect(answer.body.toString()).toMatch(/^E_REVOKED: /);
    expect(await refused()).toBe(1);
  });
});

describe("a client that offers HTTP/2", () => {
  it("and nothing else is refused in the TLS handshake", async () => {
    const refused = await refusals("E_IDENTITY");
    const offer = { ...edge.credentials, ALPNProtocols: ["h2"] };
    await expect(openPipe(edge.port, offer)).rejects.toThrow(/no application protocol/i);
    await eventually(refused).toBe(1);
  });

  it("and HTTP/1.1 gets the latter", async () => {
    const offer = { ...edge.credentials, ALPNProtocols: ["h2", "http/1.1"] };
    const answer = await upgrade(edge.port, offer, upgradeLines(edge.node, edge.port));
    expect(answer).toMatchObject({ status: 101 });
  });
});

it("turns away one node more than may be connected, and takes those that come back", async () => {
  const small = await hubForTest({ nodes: { maxNodes: 1 } });
  const refused = await small.growthOf('hub_connections_refused_total{port="nodes",code="E_NODE_LIMIT"}');
  const first = await small.connected();
  const second = await small.join();
  const answer = await upgrade(second.port, second.credentials, upgradeLines(second.node, second.port));
  expect(answer).toMatchObject({ status: 503 });
  expect(answer.body.toString()).toBe("E_NODE_LIMIT: 1 nodes are connected; nodes.maxNodes allows no more\n");
  expect(await refused()).toBe(1);
  await expectUndisturbed(first);
  const again = await small.connected(first.node);
  await expectUndisturbed(again);
});

function madeByGo1_15(): Credentials {
  const { certPem: cert, keyPem: key } = madeByGo("release-1.15");
  return { cert, key };
}

const asInCode = (line: string): string =>
  line
    .replace(/^Node_id/, "node_id")
    .replace(/^Project_id/, "project_id")
    .replace(/^Connectionuse/, "ConnectionUse");
