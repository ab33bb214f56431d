import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deadLetters, requeueAnnotation } from "../../../controllers/router/dead-letters.ts";
import { Router, type RouterOptions } from "../../../controllers/router/router.ts";
import { ApiError, type KubeObject, type ResourceName } from "../../../kubernetes/index.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { type HubApi, HubError } from "../../../protocol/index.ts";
import { FakeObjects } from "../../support/fake-objects.ts";
import { FakeHub } from "./fake-hub.ts";

const rules: ResourceName = { group: "rules.kubeedge.io", version: "v1", resource: "rules" };
const endpoints: ResourceName = { ...rules, resource: "ruleendpoints" };

const options: RouterOptions = {
  timeoutMs: 2_000,
  attempts: 3,
  retryMs: 1,
  answerMs: 60_000,
  maxDeadLetters: 2,
  statusMs: 1,
  rest: { host: "127.0.0.1", port: 0, timeoutMs: 1_000 },
};

let hub: FakeHub;
let objects: FakeObjects;
let router: Router;
/** What the target got, and what it says. */
let got: { body: string; headers: IncomingMessage["headers"] }[];
let answer: (response: ServerResponse) => void;
let target: string;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  hub = new FakeHub();
  objects = new FakeObjects();
  got = [];
  answer = (response) => response.end("thanks");
  server = createServer(async (request, response) => {
    got.push({ body: String(await buffer(request)), headers: request.headers });
    answer(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/sink`;
  router = newRouter();
});

afterEach(async () => {
  await router.close();
  server.closeAllConnections();
  server.close();
});

function newRouter(): Router {
  const parts = { hub: hub as unknown as HubApi, objects, clock: systemClock, log: silentLogger };
  return new Router(parts, options);
}

async function add(resource: ResourceName, kind: string, name: string, spec: object): Promise<void> {
  const metadata = { name, namespace: "line" };
  await objects.create(resource, { apiVersion: "rules.kubeedge.io/v1", kind, metadata, spec });
}

async function addEndpoints(): Promise<void> {
  await add(endpoints, "RuleEndpoint", "rest", { ruleEndpointType: "rest" });
  await add(endpoints, "RuleEndpoint", "bus", { ruleEndpointType: "eventbus" });
  await add(endpoints, "RuleEndpoint", "service", {
    ruleEndpointType: "servicebus",
    properties: { service_port: "8080" },
  });
}

const upRule = () => ({
  source: "bus",
  sourceResource: { topic: "up", node_name: "edge-1" },
  target: "rest",
  targetResource: { resource: target },
});

async function apply(): Promise<void> {
  const all = await Promise.all([rules, endpoints, deadLetters].map((one) => objects.list(one)));
  const [first, second, third] = all.map(({ items }) => items) as [KubeObject[], KubeObject[], KubeObject[]];
  await router.apply(first, second, third);
}

const letters = async (): Promise<readonly KubeObject[]> => (await objects.list(deadLetters)).items;
const status = async (name: string): Promise<unknown> =>
  (await objects.get(rules, { namespace: "line", name })).status;
const orders = (): string[] =>
  hub.published.map(({ node, operation, resource }) => `${node} ${operation} ${resource}`);

describe("a rule from a topic to REST", () => {
  beforeEach(async () => {
    await addEndpoints();
    await add(rules, "Rule", "up", upRule());
    await apply();
  });

  it("makes the node subscribe, and acks it when the target has taken the message", async () => {
    expect(orders()).toEqual(["edge-1 subscribe line/up"]);
    await hub.send(hub.message({ id: "one", resource: "line/up", content: '{"p":1}' }));
    expect(got).toMatchObject([
      { body: '{"p":1}', headers: { "x-node-name": "edge-1", "x-message-id": "one" } },
    ]);
    await vi.waitFor(async () =>
      expect(await status("up")).toEqual({ successMessages: 1, failMessages: 0, errors: [] }),
    );
  });

  it("leaves messages of other topics and nodes to others", async () => {
    await expect(hub.send(hub.message({ resource: "line/down" }))).rejects.toThrow("nobody");
    await expect(hub.send(hub.message({ node: "edge-2", resource: "line/up" }))).rejects.toThrow("nobody");
  });

  it("tries again what a target that is in trouble has not taken", async () => {
    const codes = [500, 503, 200];
    answer = (response) => void response.writeHead(codes.shift() as number).end();
    await hub.send(hub.message({ resource: "line/up", content: "x" }));
    expect(got).toHaveLength(3);
    expect(await letters()).toEqual([]);
  });

  it("keeps the order of a topic while a message is tried again", async () => {
    const codes = [500, 200, 200];
    answer = (response) => void response.writeHead(codes.shift() as number).end();
    const both = ["a", "b"].map((content) => hub.send(hub.message({ resource: "line/up", content })));
    await Promise.all(both);
    expect(got.map(({ body }) => body)).toEqual(["a", "a", "b"]);
  });

  it("makes a dead letter of what a target never takes, which can be requeued", async () => {
    answer = (response) => void response.writeHead(500).end("out of order");
    await hub.send(hub.message({ id: "one", resource: "line/up", content: "x" }));
    expect(got).toHaveLength(options.attempts);
    const [letter] = await letters();
    expect(letter?.spec).toMatchObject({ rule: "up", node: "edge-1", messageId: "one", content: "x" });
    expect(letter?.status).toMatchObject({ attempts: 3, lastError: `${target}: 500: out of order` });
    await vi.waitFor(async () =>
      expect(await status("up")).toMatchObject({ failMessages: 1, errors: [`${target}: 500: out of order`] }),
    );

    answer = (response) => void response.end();
    const name = { namespace: "line", name: letter?.metadata.name as string };
    await objects.patch(deadLetters, name, "merge", {
      metadata: { annotations: { [requeueAnnotation]: "now" } },
    });
    await apply();
    await vi.waitFor(async () => expect(await letters()).toEqual([]));
    expect(got.at(-1)).toMatchObject({ body: "x", headers: { "x-message-id": "one" } });
  });

  it("says so when a requeued message is not taken again", async () => {
    answer = (response) => void response.writeHead(500).end();
    await hub.send(hub.message({ resource: "line/up", content: "x" }));
    const [letter] = await letters();
    const name = { namespace: "line", name: letter?.metadata.name as string };
    await objects.patch(deadLetters, name, "merge", {
      metadata: { annotations: { [requeueAnnotation]: "now" } },
    });
    await apply();
    await vi.waitFor(async () =>
      expect((await letters())[0]?.metadata.annotations?.[requeueAnnotation]).toBeUndefined(),
    );
    expect(got).toHaveLength(2 * options.attempts);
  });

  it("does not insist where the target says that the message is wrong", async () => {
    answer = (response) => void response.writeHead(422).end();
    await hub.send(hub.message({ resource: "line/up", content: "x" }));
    expect(got).toHaveLength(1);
    expect(await letters()).toHaveLength(1);
  });

  it("leaves at the node what finds no room among the dead letters", async () => {
    answer = (response) => void response.writeHead(422).end();
    for (const id of ["a", "b"]) await hub.send(hub.message({ id, resource: "line/up" }));
    await expect(hub.send(hub.message({ id: "c", resource: "line/up" }))).rejects.toThrow("2 dead letters");
  });

  it("makes one dead letter of a message that comes twice", async () => {
    answer = (response) => void response.writeHead(422).end();
    for (let i = 0; i < 2; i++) await hub.send(hub.message({ id: "same", resource: "line/up" }));
    expect(await letters()).toHaveLength(1);
  });

  it("gives back what it carries when it stops", async () => {
    answer = () => undefined;
    const sent = hub.send(hub.message({ resource: "line/up" }));
    sent.catch(() => undefined);
    await vi.waitFor(() => expect(got).toHaveLength(1));
    await router.close();
    await expect(sent).rejects.toThrow();
    expect(await letters()).toEqual([]);
  });

  it("follows a change of the rule", async () => {
    const rule = await objects.get(rules, { namespace: "line", name: "up" });
    const spec = { ...upRule(), sourceResource: { topic: "higher", node_name: "edge-2" } };
    await objects.update(rules, { ...rule, spec });
    await apply();
    expect(orders().slice(1)).toEqual(["edge-1 unsubscribe line/up", "edge-2 subscribe line/higher"]);
    await hub.send(hub.message({ node: "edge-2", resource: "line/higher", content: "x" }));
    expect(got).toHaveLength(1);
  });

  it("tells the node that it ends, also when the router was away meanwhile", async () => {
    await router.close();
    await objects.delete(rules, { namespace: "line", name: "up" });
    router = newRouter();
    await apply();
    expect(orders().slice(1)).toEqual(["edge-1 unsubscribe line/up"]);
    expect((await objects.list(rules)).items).toEqual([]);
  });

  it("tells it once, however often it must be tried to write that down", async () => {
    await objects.delete(rules, { namespace: "line", name: "up" });
    const conflict = new ApiError("Conflict", "it has changed since");
    const patch = vi.spyOn(objects, "patch").mockRejectedValue(conflict);
    for (let attempt = 0; attempt < 3; attempt++) await expect(apply()).rejects.toThrow(conflict);
    patch.mockRestore();
    await apply();
    expect(orders().slice(1)).toEqual(["edge-1 unsubscribe line/up"]);
    await add(rules, "Rule", "up", upRule());
    await apply();
    expect(orders().slice(2)).toEqual(["edge-1 subscribe line/up"]);
  });

  it("lets the node go on when another rule needs the same topic", async () => {
    await add(rules, "Rule", "too", upRule());
    await apply();
    await objects.delete(rules, { namespace: "line", name: "up" });
    await apply();
    expect(orders()).toEqual(["edge-1 subscribe line/up"]);
  });

  it("tells a node again when it connects", async () => {
    const presence = {
      group: "resource",
      source: "cloudhub",
      resource: "node/connection",
      operation: "connected",
    };
    await hub.send(hub.message(presence));
    await vi.waitFor(() => expect(orders()).toEqual(Array(2).fill("edge-1 subscribe line/up")));
  });
});

it("follows a topic with wildcards", async () => {
  await addEndpoints();
  const from = { topic: "press/+/up", node_name: "edge-1" };
  await add(rules, "Rule", "all", { ...upRule(), sourceResource: from });
  await apply();
  await hub.send(hub.message({ resource: "line/press/7/up", content: "x" }));
  await expect(hub.send(hub.message({ resource: "line/press/7/down" }))).rejects.toThrow("nobody");
  expect(got).toHaveLength(1);
});

it("gives the target's words to the program on the node that waits for them", async () => {
  await addEndpoints();
  const from = { target_url: "http://cloud/x", node_name: "edge-1" };
  await add(rules, "Rule", "ask", { ...upRule(), source: "service", sourceResource: from });
  await apply();
  expect(orders()).toEqual(["edge-1 start http://cloud/x"]);
  await hub.send(hub.message({ id: "q", source: "servicebus", resource: "http://cloud/x", content: "aGk=" }));
  expect(got[0]?.body).toBe("aGk=");
  expect(hub.published.at(-1)).toMatchObject({
    parentId: "q",
    operation: "response",
    source: "servicebus",
    resource: "http://cloud/x",
    content: "thanks",
  });
});

describe("a rule that cannot work", () => {
  it("says why, and works once it can", async () => {
    await add(rules, "Rule", "up", upRule());
    await apply();
    await vi.waitFor(async () =>
      expect(await status("up")).toMatchObject({
        errors: ["RuleEndpoint line/bus, the source, does not exist"],
      }),
    );
    await addEndpoints();
    await apply();
    expect(orders()).toEqual(["edge-1 subscribe line/up"]);
    await vi.waitFor(async () => expect(await status("up")).toMatchObject({ errors: [] }));
  });

  it("says so no longer when the router was away while it was put right", async () => {
    await add(rules, "Rule", "up", upRule());
    await apply();
    await vi.waitFor(async () => expect(await status("up")).toMatchObject({ errors: [expect.anything()] }));
    await router.close();
    await addEndpoints();
    router = newRouter();
    await apply();
    await vi.waitFor(async () => expect(await status("up")).toMatchObject({ errors: [] }));
  });

  it("waits for a node that is not there yet", async () => {
    hub.unknownNodes.add("edge-1");
    await addEndpoints();
    await add(rules, "Rule", "up", upRule());
    await apply();
    await vi.waitFor(async () =>
      expect(await status("up")).toMatchObject({ errors: ["there is no node edge-1"] }),
    );
    hub.unknownNodes.clear();
    await apply();
    expect(orders()).toEqual(["edge-1 subscribe line/up"]);
  });
});

describe("a rule from REST", () => {
  let url: string;
  const down = {
    source: "rest",
    sourceResource: { path: "/down" },
    target: "bus",
    targetResource: { topic: "d" },
  };
  const call = {
    source: "rest",
    sourceResource: { path: "/svc" },
    target: "service",
    targetResource: { path: "t" },
  };

  beforeEach(async () => {
    await addEndpoints();
    await add(rules, "Rule", "down", down);
    await add(rules, "Rule", "call", call);
    await apply();
    url = `http://127.0.0.1:${await router.port()}/edge-1/line`;
  });

  it("publishes on the node what is posted", async () => {
    const response = await fetch(`${url}/down/sub?x=1`, { method: "POST", body: "héllo" });
    expect([response.status, await response.text()]).toEqual([200, "message delivered"]);
    expect(hub.published).toMatchObject([
      {
        node: "edge-1",
        source: "router_eventbus",
        operation: "publish",
        resource: "d/sub?x=1",
        content: "héllo",
      },
    ]);
  });

  it("passes a service's answer on as it is", async () => {
    let asked: unknown;
    hub.answer = (draft) => {
      asked = draft;
      const body = Buffer.from([0, 255, 1]).toString("base64");
      const content = { header: { "X-T": ["1"], Connection: ["close"] }, status_code: 418, body };
      return Promise.resolve(hub.message({ resource: "a", content }));
    };
    const response = await fetch(`${url}/svc/a:b?c=d`, {
      method: "PUT",
      body: "q",
      headers: { "x-ask": "1" },
    });
    expect(response.status).toBe(418);
    expect(response.headers.get("x-t")).toBe("1");
    expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255, 1]);
    expect(asked).toMatchObject({
      operation: "PUT",
      resource: "8080:/t/a%3Ab?c=d",
      content: { header: { "X-Ask": ["1"] }, body: "cQ==", method: "PUT" },
    });
  });

  it.each([
    ["E_TIMEOUT", 408],
    ["E_UNKNOWN_NODE", 404],
    ["E_BACKLOG_FULL", 503],
    ["E_STORAGE", 500],
  ] as const)("answers %s with %d, and counts it", async (code, expected) => {
    hub.answer = () => Promise.reject(new HubError(code, "no luck"));
    const response = await fetch(`${url}/svc`, { method: "POST" });
    expect([response.status, await response.text()]).toEqual([expected, "no luck\n"]);
    await vi.waitFor(async () =>
      expect(await status("call")).toMatchObject({ failMessages: 1, errors: ["no luck"] }),
    );
  });

  it("answers 500 for an answer that is none", async () => {
    hub.answer = () => Promise.resolve(hub.message({ resource: "a", content: { status_code: "x" } }));
    expect((await fetch(`${url}/svc`)).status).toBe(400);
  });

  it("knows no other paths", async () => {
    const response = await fetch(`${url}/up`, { method: "POST", body: "x" });
    expect([response.status, await response.text()]).toEqual([404, "Request error\n"]);
  });

  it("refuses what is too large, and topics that nothing can be published to", async () => {
    const large = Buffer.alloc((12 << 20) + 1);
    expect((await fetch(`${url}/down`, { method: "POST", body: large })).status).toBe(413);
    expect((await fetch(`${url}/down/%23`, { method: "POST", body: "x" })).status).toBe(200);
    expect((await fetch(`${url}/down/+`, { method: "POST", body: "x" })).status).toBe(400);
  });

  it("gives a path to the older of two rules", async () => {
    await add(rules, "Rule", "rival", { ...down, targetResource: { topic: "other" } });
    await apply();
    await fetch(`${url}/down`, { method: "POST", body: "x" });
    expect(hub.published.at(-1)?.resource).toBe("d");
    await vi.waitFor(async () =>
      expect(await status("rival")).toMatchObject({ errors: ["rule line/down has the same path"] }),
    );
  });

  it("ends with the rule", async () => {
    await objects.delete(rules, { namespace: "line", name: "down" });
    await apply();
    expect((await fetch(`${url}/down`, { method: "POST", body: "x" })).status).toBe(404);
    await pause(1);
  });
});
