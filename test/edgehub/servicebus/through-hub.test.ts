import { expect, it } from "vitest";
import { contentOf, event } from "../../../protocol/index.ts";
import { freePort } from "../../support/free-port.ts";
import { startWorld } from "../../support/world.ts";
import { until } from "../test-agent.ts";
import { answerOf, service } from "./support.ts";

it("answers a request that a program of the cloud sends through the hub", async () => {
  const port = await service((request, response) => void response.writeHead(202).end(`at ${request.url}`));
  const world = await startWorld();
  const edge = await world.agent("edge-1", {
    serviceBus: { enable: true, port: 0 },
    eventBus: { enable: false },
  });
  await until("the link", () => edge.connected);
  const answer = await world.hub.request(
    {
      node: "edge-1",
      source: "router_servicebus",
      group: "user",
      operation: "GET",
      resource: `${port}:/status?full=1`,
      content: { header: {}, body: null, method: "GET", url: "" },
      delivery: event({ ttlMs: 10_000 }),
    },
    { timeoutMs: 10_000 },
  );
  expect(answerOf(answer)).toMatchObject({ status_code: 202, text: "at /status?full=1" });
  expect(contentOf(answer)).toHaveProperty("header.Date");
});

it("an answer that comes too late for who asked holds up nothing", async () => {
  let answer: () => void = () => {};
  const port = await service((_, response) => {
    answer = () => void response.end("late");
  });
  const world = await startWorld();
  const edge = await world.agent("edge-1", { serviceBus: { enable: true, port: 0 } });
  await until("the link", () => edge.connected);
  const request = {
    node: "edge-1",
    source: "router_servicebus",
    group: "user",
    operation: "GET",
    resource: `${port}:/`,
    content: { header: {}, body: null, method: "GET", url: "" },
    delivery: event({ ttlMs: 10_000 }),
  };
  const asked = world.hub.request(request, { timeoutMs: 100 });
  await expect(asked).rejects.toThrow(expect.objectContaining({ code: "E_TIMEOUT" }));
  answer();
  await until("the hub to take it", () => edge.counters.settled === 1);
  expect(edge.status().outbox.messages).toBe(0);
});

it("calls that wait for a service that hangs hold up no other message of the node", async () => {
  const port = await service(() => undefined);
  const world = await startWorld();
  const edge = await world.agent("edge-1", {
    serviceBus: { enable: true, port: 0, callsPerService: 1, callTimeoutMs: 600_000 },
  });
  await until("the link", () => edge.connected);
  const body = Buffer.alloc(64 << 10).toString("base64");
  const call = { node: "edge-1", source: "router_servicebus", group: "user", operation: "POST" };
  for (let i = 0; i < 40; i++) {
    const content = { header: {}, body, method: "POST", url: "" };
    await world.hub.publish({ ...call, resource: `${port}:/${i}`, content, delivery: event() });
  }
  const resource = "default/configmap/settings";
  const content = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings" } };
  await world.hub.publish({ node: "edge-1", operation: "insert", resource, resourceVersion: "1", content });
  await until("the other message", () => edge.store.meta.get(resource) !== undefined);
});

it("a program hears at once that nobody at the cloud takes its call, and no message waits behind it", async () => {
  const port = await freePort();
  const world = await startWorld();
  const edge = await world.agent("edge-1", { serviceBus: { enable: true, port, timeoutMs: 600_000 } });
  await until("the link", () => edge.connected);
  const url = "http://example.org/a";
  const start = { source: "router_servicebus", group: "user", operation: "start", resource: url };
  await world.hub.publish({ node: "edge-1", ...start, delivery: event() }, { until: "acked" });
  const response = await fetch(`http://127.0.0.1:${port}/`, {
    method: "POST",
    body: JSON.stringify({ method: "GET", targetURL: url, payload: null }),
  });
  expect(await response.json()).toMatchObject({ code: 400, msg: expect.stringMatching(/nobody takes/) });
  await until("an empty outbox", () => edge.status().outbox.messages === 0);
});
