import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import mqtt from "mqtt";
import { expect, it, onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import type { KubeObject, ObjectsApi } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { freePort } from "../support/free-port.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

const v1 = { group: "rules.kubeedge.io", version: "v1" };
const rules = { ...v1, resource: "rules" };
const endpoints = { ...v1, resource: "ruleendpoints" };
const letters = { group: "cloud-edge-hub.io", version: "v1", resource: "deadletters" };

/** A hub with its router, and an agent with a broker and ServiceBus. */
async function startAll() {
  const world = await startWorld();
  const [rest, broker, bus] = await Promise.all([freePort(), freePort(), freePort()]);
  const route = () => {
    const { hub } = world;
    const router = { rest: { host: "127.0.0.1", port: rest, timeoutMs: 10_000 }, retryMs: 10, attempts: 3 };
    const parts = { hub, objects: hub.objects, clock: systemClock, log: silentLogger };
    return startControllers(parts, { enable: ["router"], router });
  };
  const edge = await world.agent("edge-1", {
    eventBus: { enable: true, mqttServerInternal: `tcp://127.0.0.1:${broker}`, wildcards: true },
    serviceBus: { enable: true, port: bus },
  });
  await until("the link", () => edge.connected);
  for (const [name, type, properties] of [
    ["rest", "rest", {}],
    ["bus", "eventbus", {}],
    [
      "service",
      "servicebus",
      { service_port: String(await service((_, response) => response.end("the service"))) },
    ],
  ] as const)
    await add(world.hub.objects, endpoints, "RuleEndpoint", name, { ruleEndpointType: type, properties });
  return { world, edge, route, restUrl: `http://127.0.0.1:${rest}/edge-1/default`, broker, bus };
}

async function add(objects: ObjectsApi, resource: typeof rules, kind: string, name: string, spec: object) {
  const metadata = { name, namespace: "default" };
  await objects.create(resource, { apiVersion: "rules.kubeedge.io/v1", kind, metadata, spec });
}

async function device(port: number) {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`);
  onTestFinished(() => client.endAsync(true));
  return client;
}

async function service(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A REST target in the cloud that can be told what to answer. */
async function target() {
  const got: string[] = [];
  const answer = { code: 200 };
  const take = async (request: IncomingMessage): Promise<void> =>
    void got.push(String(await buffer(request)));
  const port = await service((request, response) => {
    take(request).then(
      () => response.writeHead(answer.code).end("from the cloud"),
      () => undefined,
    );
  });
  return { got, answer, url: `http://127.0.0.1:${port}/sink` };
}

async function deadLetters({ hub }: World): Promise<readonly KubeObject[]> {
  return (await hub.objects.list(letters)).items;
}

it("carries messages between REST, a device and a service, both ways", async () => {
  const { world, route, restUrl, broker, bus } = await startAll();
  const running = route();
  onTestFinished(() => running.close());
  const { objects } = world.hub;
  const sink = await target();
  const node_name = "edge-1";
  await add(objects, rules, "Rule", "down", {
    source: "rest",
    sourceResource: { path: "/down" },
    target: "bus",
    targetResource: { topic: "line/down" },
  });
  await add(objects, rules, "Rule", "up", {
    source: "bus",
    sourceResource: { topic: "line/+/up", node_name },
    target: "rest",
    targetResource: { resource: sink.url },
  });
  await add(objects, rules, "Rule", "call", {
    source: "rest",
    sourceResource: { path: "/svc" },
    target: "service",
    targetResource: { path: "/" },
  });
  await add(objects, rules, "Rule", "ask", {
    source: "service",
    sourceResource: { target_url: "http://cloud/ask", node_name },
    target: "rest",
    targetResource: { resource: sink.url },
  });
  const client = await device(broker);
  const heard: string[] = [];
  client.on("message", (topic, payload) => heard.push(`${topic} ${payload}`));
  await client.subscribeAsync("line/down/#", { qos: 1 });

  await until("the rule from REST", async () => (await post(`${restUrl}/down/7`, "hello")).startsWith("200"));
  await until("the message at the device", () => heard.includes("line/down/7 hello"));
  await until("the service's answer", async () => (await post(`${restUrl}/svc`, "q")) === "200 the service");
  const ask = JSON.stringify({ method: "POST", targetURL: "http://cloud/ask", payload: 1 });
  await until("the answer from the cloud", async () => {
    const answer = await post(`http://127.0.0.1:${bus}/`, ask).catch(() => "");
    return answer.includes("from the cloud");
  });
  await until("the device's message in the cloud", async () => {
    await client.publishAsync("default/line/7/up", '{"p":1}', { qos: 1 });
    return sink.got.includes('{"p":1}');
  });
});

it("loses no message of a device while the target, the router and the hub are away", async () => {
  const { world, route, broker } = await startAll();
  const sink = await target();
  await add(world.hub.objects, rules, "Rule", "up", {
    source: "bus",
    sourceResource: { topic: "up", node_name: "edge-1" },
    target: "rest",
    targetResource: { resource: sink.url },
  });
  const client = await device(broker);
  const send = (text: string) => client.publishAsync("default/up", text, { qos: 1 });
  let running = route();
  await until("the subscription", async () => {
    await send("first");
    return sink.got.length > 0;
  });

  sink.answer.code = 503;
  const troubled = "while the target is in trouble";
  await send(troubled);
  // Some of what was sent first may be among them.
  const letterOf = async () =>
    (await deadLetters(world)).find(({ spec }) => (spec as { content: unknown }).content === troubled);
  await until("the dead letter", async () => (await letterOf()) !== undefined);
  sink.answer.code = 200;

  await running.close();
  const { start } = await world.stopHub();
  await send("while the hub is away");
  await start();
  running = route();
  onTestFinished(() => running.close());
  await until("what the device said meanwhile", () => sink.got.includes("while the hub is away"));

  const letter = await letterOf();
  const name = { namespace: "default", name: letter?.metadata.name as string };
  const annotations = { "cloud-edge-hub.io/requeue": "now" };
  await world.hub.objects.patch(letters, name, "merge", { metadata: { annotations } });
  await until("the dead letter's delivery", async () => (await letterOf()) === undefined);
  expect(sink.got.filter((text) => text === troubled).length).toBeGreaterThan(1);
});

async function post(url: string, body: string): Promise<string> {
  const response = await fetch(url, { method: "POST", body });
  return `${response.status} ${await response.text()}`;
}
