import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import type { KubeObject } from "../../kubernetes/index.ts";
import { messagesOf, readCapture } from "./capture.ts";
import { Cloud } from "./cloud.ts";
import { eventually } from "./patience.ts";
import type { ServiceAnswer, ServiceCall } from "./stock-buses.ts";
import { type Line, lines, StockEdgecore } from "./stock-edgecore.ts";
import type { WireJson } from "./wire-json.ts";

/** The session recorded with rules, repeated: rules and endpoints are objects, the edge is the scripted one. */

const v1 = { group: "rules.kubeedge.io", version: "v1" };
const rules = { ...v1, resource: "rules" };
const endpoints = { ...v1, resource: "ruleendpoints" };
const apiVersion = "rules.kubeedge.io/v1";

const recorded = messagesOf(readCapture("e-router")).map(({ message }) => message);
const recordedOne = (operation: string, source: string): WireJson =>
  recorded.find(({ route }) => route.operation === operation && route.source === source) as WireJson;

/** Without what no two runs have in common. */
const saidBy = ({ header, route, content }: WireJson): unknown => ({
  hasParent: header.parent_msg_id !== undefined,
  isVersioned: header.resourceversion !== undefined,
  route,
  content,
});

async function start(line: Line) {
  const cloud = await Cloud.start();
  const edge = new StockEdgecore(await cloud.join("edge-a"), line);
  await edge.connect();
  for (const [name, properties] of [
    ["rest", {}],
    ["eventbus", {}],
    ["servicebus", { service_port: "28081" }],
  ] as const)
    await cloud.objects.create(endpoints, {
      apiVersion,
      kind: "RuleEndpoint",
      metadata: { name, namespace: "default" },
      spec: { ruleEndpointType: name, properties },
    });
  return { cloud, edge, restUrl: `${cloud.restUrl}/edge-a/default` };
}

type Pair = [endpoint: string, resource: Readonly<Record<string, string>>];

async function addRule(cloud: Cloud, name: string, [source, from]: Pair, [target, to]: Pair): Promise<void> {
  const spec = { source, sourceResource: from, target, targetResource: to };
  await cloud.objects.create(rules, {
    apiVersion,
    kind: "Rule",
    metadata: { name, namespace: "default" },
    spec,
  });
}

const statusOf = async (cloud: Cloud, name: string): Promise<unknown> =>
  ((await cloud.objects.get(rules, { namespace: "default", name })) as KubeObject).status;

/** A program in the cloud that answers as the recorded one did. */
async function cloudApp() {
  const app = { got: [] as string[], code: 200, url: "" };
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      app.got.push(String(body));
      response.writeHead(app.code).end(`cloud-app got ${body}`);
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  app.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sink`;
  return app;
}

async function post(url: string, body: string): Promise<{ status: number; text: string; headers: Headers }> {
  // As curl does it.
  const headers = { "content-type": "application/x-www-form-urlencoded", "user-agent": "curl/7.88.1" };
  const answer = await fetch(url, { method: "POST", body, headers }).catch(() => undefined);
  return {
    status: answer?.status ?? 0,
    text: (await answer?.text()) ?? "",
    headers: answer?.headers ?? new Headers(),
  };
}

const ofRouter = (edge: StockEdgecore): WireJson[] =>
  edge.received.filter(({ route }) => route.group === "user");

const up: [Pair, Pair] = [
  ["eventbus", { topic: "test/up", node_name: "edge-a" }],
  ["rest", {}],
];

describe.each(lines)("rules with an edgecore of %s", (_name, line) => {
  it("publish to topics of the edge what is posted, as recorded", async () => {
    const { cloud, edge, restUrl } = await start(line);
    await addRule(cloud, "down", ["rest", { path: "/down" }], ["eventbus", { topic: "test/down" }]);
    const [plain, deeper] = recorded.filter(({ route }) => route.operation === "publish");
    await eventually(async () => (await post(`${restUrl}/down`, plain?.content as string)).status).toBe(200);
    expect(await post(`${restUrl}/down/sub/path`, deeper?.content as string)).toMatchObject({
      status: 200,
      text: "message delivered",
    });
    await eventually(() => ofRouter(edge).map(saidBy)).toEqual(
      [plain, deeper].map((one) => saidBy(one as WireJson)),
    );
    expect(edge.buses.published).toEqual(['test/down {"hello":"edge"}', "test/down/sub/path plain text"]);
    await eventually(() => statusOf(cloud, "down")).toMatchObject({ successMessages: 2 });
    expect(edge.faults).toEqual([]);
  });

  it("call services of the edge, and hand on what they answer, whatever it is", async () => {
    const { cloud, edge, restUrl } = await start(line);
    const answer = recorded.find(
      ({ route, header }) => route.source === "servicebus" && header.parent_msg_id && !route.resource,
    )?.content as ServiceAnswer;
    const calls: ServiceCall[] = [];
    edge.buses.services.set("28081:/target", (call) => {
      calls.push(call);
      return calls.length === 1 ? answer : { ...answer, status_code: 418 };
    });
    await addRule(cloud, "call", ["rest", { path: "/svc" }], ["servicebus", { path: "/target" }]);
    await eventually(async () => (await fetch(`${restUrl}/other`).catch(() => undefined))?.status).toBe(404);
    const got = await post(`${restUrl}/svc`, '{"q":1}');
    expect([got.status, got.text]).toEqual([200, 'edge-app got {"q":1}']);
    expect(got.headers.get("x-oracle")).toBe("yes");
    expect((await post(`${restUrl}/svc`, '{"q":1}')).status).toBe(418);
    const { content, ...told } = recordedOne("POST", "router_servicebus");
    const [ours] = ofRouter(edge);
    expect(ours?.route).toEqual(told.route);
    const { header: _headers, ...asked } = content as ServiceCall;
    expect(calls[0]).toMatchObject({
      ...asked,
      header: {
        "Content-Length": ["7"],
        "Content-Type": ["application/x-www-form-urlencoded"],
        "User-Agent": ["curl/7.88.1"],
      },
    });
    expect(edge.faults).toEqual([]);
  });

  it("bring up what programs of the edge publish and ask, as recorded, until they are deleted", async () => {
    const { cloud, edge } = await start(line);
    const app = await cloudApp();
    const target = recordedOne("start", "router_servicebus").route.resource as string;
    await addRule(cloud, "up", up[0], ["rest", { resource: app.url }]);
    await addRule(
      cloud,
      "ask",
      ["servicebus", { target_url: target, node_name: "edge-a" }],
      ["rest", { resource: app.url }],
    );
    await eventually(() => edge.buses.targets.size + edge.buses.topics.size).toBe(2);
    const orders = [recordedOne("subscribe", "router_eventbus"), recordedOne("start", "router_servicebus")];
    expect(ofRouter(edge).map(saidBy)).toEqual(expect.arrayContaining(orders.map(saidBy)));

    edge.buses.publish("default/test/up", '{"from":"edge"}');
    await eventually(() => app.got).toEqual(['{"from":"edge"}']);
    await eventually(() => statusOf(cloud, "up")).toMatchObject({
      successMessages: 1,
      failMessages: 0,
      errors: [],
    });

    const asked = await edge.buses.ask(target, { v: 1 });
    const response = recordedOne("response", "servicebus");
    const inBase64 = (text: string): string => text.replace("cloud-app got ", "");
    const said = (text: unknown): unknown =>
      JSON.parse(Buffer.from(inBase64(text as string), "base64").toString());
    expect(said(asked)).toEqual(said(response.content));
    expect(ofRouter(edge).at(-1)?.route).toEqual(response.route);

    for (const name of ["up", "ask"]) await cloud.objects.delete(rules, { namespace: "default", name });
    await eventually(() => [...edge.buses.topics, ...edge.buses.targets]).toEqual([]);
    const taken = ofRouter(edge).slice(-2).map(saidBy);
    expect(taken).toContainEqual(saidBy(recordedOne("unsubscribe", "router_eventbus")));
    await eventually(async () => (await cloud.objects.list(rules)).items).toEqual([]);
    expect(edge.faults).toEqual([]);
  });

  it("reach an edge that was away when they were made, and one that was away when they were deleted", async () => {
    const { cloud, edge } = await start(line);
    const app = await cloudApp();
    edge.cut();
    await addRule(cloud, "up", up[0], ["rest", { resource: app.url }]);
    await edge.connect();
    await eventually(() => [...edge.buses.topics]).toEqual(["default/test/up"]);
    edge.stop();
    await cloud.restart();
    await edge.connect();
    await eventually(() => ofRouter(edge).length).toBeGreaterThan(1);
    edge.buses.publish("default/test/up", "again");
    await eventually(() => app.got).toEqual(["again"]);
    edge.cut();
    await cloud.objects.delete(rules, { namespace: "default", name: "up" });
    await edge.connect();
    await eventually(() => edge.buses.topics.size).toBe(0);
    expect(edge.faults).toEqual([]);
  });

  it("lose nothing that the hub has taken while the target answers 500", async () => {
    const { cloud, edge } = await start(line);
    const app = await cloudApp();
    app.code = 500;
    await addRule(
      cloud,
      "up",
      ["eventbus", { topic: "user/t1", node_name: "edge-a" }],
      ["rest", { resource: app.url }],
    );
    await eventually(() => edge.buses.topics.size).toBe(1);
    edge.buses.publish("default/user/t1", '{"offline":3}');
    await eventually(() => app.got.length).toBeGreaterThan(1);
    app.code = 200;
    await eventually(() => statusOf(cloud, "up")).toMatchObject({ successMessages: 1, errors: [] });
    expect(new Set(app.got)).toEqual(new Set(['{"offline":3}']));
    expect(edge.faults).toEqual([]);
  });
});
