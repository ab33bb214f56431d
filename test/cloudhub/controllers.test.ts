import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { EdgeModule, ModuleFactory } from "../../edgehub/index.ts";
import {
  connectHub,
  contentOf,
  event,
  type HubApi,
  type HubClient,
  type Incoming,
  type Rights,
  volatile,
} from "../../sdk/index.ts";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** The verbs of `HubApi`, in the hub's process and through the SDK: the same suite runs for both. */

let world: World;
const put = (node: string, name: string, version: string | "next", content: unknown = { data: 1 }) => ({
  node,
  resource: `default/configmap/${name}`,
  operation: "update",
  resourceVersion: version,
  content,
});
const everything: Rights = { nodes: ["*"], groups: ["*"], verbs: ["admin"] };

async function clientWith(rights: Rights, name = "test"): Promise<HubClient> {
  const { ca, url } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as { ca: string; url: string };
  const client = await connectHub({ url, ca, token: await world.hub.admin.createController(name, rights) });
  onTestFinished(() => client.close());
  return client;
}

async function connected(node: string, modules: readonly ModuleFactory[] = []) {
  const edge = await world.agent(node, {}, { modules });
  await until(`${node} is connected`, () => edge.status().dialect === "native");
  return edge;
}

/** Takes so many messages of a subscription, acking each. */
async function take(
  api: HubApi,
  filter: Parameters<HubApi["subscribe"]>[0],
  count: number,
): Promise<Incoming["message"][]> {
  const taken: Incoming["message"][] = [];
  for await (const { message, ack } of api.subscribe(filter)) {
    taken.push(message);
    ack();
    if (taken.length === count) break;
  }
  return taken;
}

beforeEach(async () => {
  world = await startWorld();
});

describe.each([
  ["in the hub's process", () => Promise.resolve(world.hub as HubApi)],
  ["through the SDK", () => clientWith(everything) as Promise<HubApi>],
])("%s", (_where, open) => {
  let api: HubApi;
  beforeEach(async () => {
    api = await open();
  });

  it("publishes, and says what was stored", async () => {
    await world.hub.admin.addNode("edge-1");
    expect(await api.publish(put("edge-1", "a", "5"))).toMatchObject({
      node: "edge-1",
      resource: "default/configmap/a",
      version: "5",
      stale: false,
    });
    expect(await api.publish(put("edge-1", "a", "4"))).toMatchObject({ version: "5", stale: true });
    expect(await api.publish(put("edge-1", "a", "next"))).toMatchObject({ version: "6", stale: false });
  });

  it("waits for the node's ack when asked to", async () => {
    const edge = await connected("edge-1");
    await api.publish(put("edge-1", "a", "5"), { until: "acked" });
    expect(edge.store.meta.get("default/configmap/a")?.version).toBe("5");
    expect(await api.checkpoint("edge-1", "default/configmap/a")).toMatchObject({ version: "5" });
    await api.publish(put("edge-1", "a", "5"), { until: "acked" });
  });

  it("gives up waiting when the time is over or the caller says so", async () => {
    await world.hub.admin.addNode("edge-1");
    await expect(
      api.publish(put("edge-1", "a", "5"), { until: "acked", timeoutMs: 20 }),
    ).rejects.toMatchObject({ code: "E_TIMEOUT" });
    const signal = AbortSignal.timeout(20);
    await expect(api.publish(put("edge-1", "b", "5"), { until: "acked", signal })).rejects.toMatchObject({
      code: "E_ABORTED",
    });
  });

  it("decides each message of a batch on its own", async () => {
    await world.hub.admin.addNode("edge-1");
    const outcomes = await api.publishBatch([
      put("edge-1", "a", "5"),
      put("edge-9", "a", "5"),
      put("edge-1", "b", "7"),
    ]);
    expect(outcomes.map((outcome) => (outcome.ok ? outcome.published.version : outcome.error.code))).toEqual([
      "5",
      "E_UNKNOWN_NODE",
      "7",
    ]);
  });

  it.each([
    ["an unknown node", put("edge-9", "a", "1"), "E_UNKNOWN_NODE"],
    ["no node", { ...put("", "a", "1") }, "E_NO_NODE"],
    [
      "a resource path without its node",
      { resource: "default/pod/a", operation: "update", resourceVersion: "1" },
      "E_NO_NODE",
    ],
    ["an unknown operation", { ...put("edge-1", "a", "1"), operation: "explode" }, "E_BAD_OPERATION"],
    ["a version that is no number", put("edge-1", "a", "1.5"), "E_BAD_VERSION"],
    [
      "no version",
      { ...put("edge-1", "a", "1"), resourceVersion: undefined as unknown as string },
      "E_BAD_VERSION",
    ],
    [
      "a resource that is too long",
      { ...put("edge-1", "a", "1"), resource: "x".repeat(2_000) },
      "E_BAD_RESOURCE",
    ],
    [
      "content that is no JSON",
      put("edge-1", "a", "1", new TextEncoder().encode("{not json")),
      "E_BAD_MESSAGE",
    ],
    ["content that is too large", put("edge-1", "a", "1", "x".repeat(17 << 20)), "E_TOO_LARGE"],
    [
      "a volatile message for a node that is away",
      { ...put("edge-1", "a", "1"), delivery: volatile },
      "E_LINK_LOST",
    ],
  ])("refuses %s with a code", async (_what, draft, code) => {
    await world.hub.admin.addNode("edge-1");
    await expect(api.publish(draft)).rejects.toMatchObject({ code });
    expect(await api.publish(put("edge-1", "next", "1"))).toMatchObject({ stale: false });
  });

  it("takes a node in the resource path, as KubeEdge writes it", async () => {
    await world.hub.admin.addNode("edge-1");
    const draft = {
      resource: "node/edge-1/default/pod/web",
      operation: "insert",
      resourceVersion: "3",
      content: {},
    };
    expect(await api.publish(draft)).toMatchObject({ node: "edge-1", resource: "default/pod/web" });
  });

  it("hands over what nodes send, in order, until it is acked", async () => {
    const edge = await connected("edge-1");
    for (let i = 1; i <= 20; i++)
      await edge.publish({ group: "user", operation: "upload", resource: "t", content: i });
    const taken = await take(api, { groups: ["user"] }, 20);
    expect(taken.map(contentOf)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    await until("the outbox is empty", () => edge.status().outbox.messages === 0);
  });

  it("brings a message again that was given back; what was handed out meanwhile stays", async () => {
    const edge = await connected("edge-1");
    for (const content of [1, 2, 3])
      await edge.publish({ group: "user", operation: "upload", resource: "t", content });
    const seen: unknown[] = [];
    const done = new Set<unknown>();
    for await (const { message, ack, nack } of api.subscribe({ groups: ["user"] })) {
      seen.push(contentOf(message));
      if (seen.length === 1) nack("not now");
      else {
        ack();
        done.add(contentOf(message));
      }
      if (done.size === 3) break;
    }
    expect(seen.slice(0, 1)).toEqual([1]);
    expect(seen.filter((content) => content === 1)).toHaveLength(2);
    await until("the outbox is empty", () => edge.status().outbox.messages === 0);
  });

  it("hands over only what the filter asks for", async () => {
    const edge = await connected("edge-1");
    const other = await connected("edge-2");
    const up = (from: typeof edge, group: string, resource: string) =>
      from.publish({ group, operation: "upload", resource, content: `${group} ${resource}` });
    await Promise.all([
      up(edge, "user", "sensors/t"),
      up(edge, "user", "alarms/t"),
      up(other, "user", "sensors/t"),
      up(edge, "twin", "sensors/t"),
    ]);
    const [only] = await take(api, { nodes: ["edge-1"], groups: ["user"], resources: ["sensors/*"] }, 1);
    expect(only).toMatchObject({ node: "edge-1", group: "user" });
    expect(edge.status().outbox.messages).toBeGreaterThanOrEqual(2);
  });

  it("tells of nodes that are there, that come and that go", async () => {
    await connected("edge-1");
    const told: string[] = [];
    const watching = (async () => {
      for await (const { message, ack } of api.subscribe({ groups: ["nothing"], presence: true })) {
        told.push(`${message.node} ${message.operation}`);
        ack();
        if (told.length === 3) break;
      }
    })();
    await until("the first is told", () => told.length === 1);
    const second = await connected("edge-2");
    await until("the second is told", () => told.length === 2);
    await second.close();
    await watching;
    expect(told).toEqual(["edge-1 connected", "edge-2 connected", "edge-2 disconnected"]);
  });

  it("asks a node and gets its answer", async () => {
    const answering: EdgeModule = {
      name: "servicebus",
      groups: ["user"],
      start: () => Promise.resolve(),
      handle: async (message) => {
        await edge.publish({
          parentId: message.id,
          source: "servicebus",
          group: "user",
          operation: "upload",
          resource: "",
          content: { status_code: 200 },
        });
      },
      stop: () => Promise.resolve(),
    };
    const edge = await connected("edge-1", [() => answering]);
    const draft = {
      node: "edge-1",
      resource: "8080:/health",
      operation: "GET",
      group: "user",
      source: "router_servicebus",
      content: {},
    };
    const answer = await api.request(draft, { timeoutMs: 5_000 });
    expect(contentOf(answer)).toEqual({ status_code: 200 });
    await until("the answer has left the outbox", () => edge.status().outbox.messages === 0);
  });

  it("stops waiting for an answer when its time is over", async () => {
    await world.hub.admin.addNode("edge-1");
    const draft = { node: "edge-1", resource: "8080:/health", operation: "GET", group: "user" };
    await expect(api.request(draft, { timeoutMs: 20 })).rejects.toMatchObject({ code: "E_TIMEOUT" });
  });

  it("says what each node has, and what waits", async () => {
    const edge = await connected("edge-1");
    await api.publish(put("edge-1", "a", "5"), { until: "acked" });
    await edge.close();
    await until("it is gone", async () => !(await api.nodes())[0]?.connected);
    await api.publish(put("edge-1", "a", "6"));
    await api.publish(put("edge-1", "b", "7"));
    expect(await api.resources({ node: "edge-1" })).toMatchObject([
      { resource: "default/configmap/a", checkpoint: { version: "5" }, accepted: "6", state: "waiting" },
      { resource: "default/configmap/b", accepted: "7", state: "waiting" },
    ]);
    expect(await api.resources({ node: "edge-1", resource: "*/b" })).toHaveLength(1);
    expect(await api.rollout({ resource: "default/configmap/b" })).toMatchObject({
      slowest: [{ node: "edge-1" }],
    });
    expect(await api.nodes()).toMatchObject([
      { node: "edge-1", connected: false, backlogMessages: 2, joinedAt: expect.any(Number) },
    ]);
  });
});

describe("rights", () => {
  const limited: Rights = { nodes: ["edge-*", "site=a"], groups: ["resource"], verbs: ["publish"] };

  it("deny everything to a controller without any", async () => {
    await world.hub.admin.addNode("edge-1");
    const client = await clientWith({ nodes: [], groups: [], verbs: [] });
    await expect(client.publish(put("edge-1", "a", "1"))).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    await expect(client.nodes()).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    await expect(client.admin.joinTokens()).rejects.toMatchObject({ code: "E_FORBIDDEN" });
    await expect(client.where({ node: "edge-1" })).rejects.toMatchObject({ code: "E_FORBIDDEN" });
  });

  it("cover nodes by name and by label, and groups by name", async () => {
    for (const node of ["edge-1", "other-1"]) await world.hub.admin.addNode(node);
    await world.hub.admin.addNode("other-2", { site: "a" });
    const client = await clientWith(limited);
    expect(await client.publish(put("edge-1", "a", "1"))).toMatchObject({ stale: false });
    expect(await client.publish(put("other-2", "a", "1"))).toMatchObject({ stale: false });
    await expect(client.publish(put("other-1", "a", "1"))).rejects.toMatchObject({
      code: "E_FORBIDDEN",
      message: expect.stringContaining("other-1"),
    });
    const toUser = { ...put("edge-1", "a", "1"), group: "user", delivery: event() };
    await expect(client.publish(toUser)).rejects.toMatchObject({
      code: "E_FORBIDDEN",
      message: expect.stringContaining("user"),
    });
  });

  it("let who published wait for the ack, without the right to read", async () => {
    await connected("edge-1");
    const client = await clientWith(limited);
    await client.publish(put("edge-1", "a", "1"), { until: "acked" });
    await expect(client.where({ node: "edge-1" })).rejects.toMatchObject({ code: "E_FORBIDDEN" });
  });

  it("keep messages of other nodes and groups from a subscriber", async () => {
    const edge = await connected("edge-1");
    const other = await connected("other-1");
    const client = await clientWith({
      ...limited,
      verbs: ["subscribe"],
      nodes: ["edge-1"],
      groups: ["user"],
    });
    await other.publish({ group: "user", operation: "upload", resource: "t", content: "hidden" });
    await edge.publish({ group: "twin", operation: "upload", resource: "t", content: "hidden too" });
    await edge.publish({ group: "user", operation: "upload", resource: "t", content: "for it" });
    // The one for it stands behind one nobody takes; a consumer for that one lets it come.
    const forAll = await clientWith(everything, "all");
    void take(forAll, { groups: ["twin"] }, 1);
    const [only] = await take(client, {}, 1);
    expect(contentOf(only as Incoming["message"])).toBe("for it");
  });

  it("end with the controller's revocation, at once", async () => {
    await world.hub.admin.addNode("edge-1");
    const client = await clientWith(limited);
    await client.publish(put("edge-1", "a", "1"));
    expect(await world.hub.admin.revokeController("test")).toBe(true);
    await expect(clientWithOldToken()).rejects.toMatchObject({ code: "E_BAD_TOKEN" });
    expect(await world.hub.admin.controllers()).toMatchObject([
      { name: "admin" },
      { name: "test", revokedAt: expect.any(Number), connected: false },
    ]);

    async function clientWithOldToken(): Promise<HubClient> {
      const { ca, url } = JSON.parse(readFileSync(world.hub.adminFile, "utf8")) as {
        ca: string;
        url: string;
      };
      return await connectHub({ url, ca, token: "test.not-the-token" });
    }
  });
});

describe("the operator", () => {
  it("makes tokens, lists and revokes them", async () => {
    const { admin } = world.hub;
    const { id } = await admin.createJoinToken({ ttlMs: 60_000, uses: 2, labels: { site: "a" } });
    expect(await admin.joinTokens()).toMatchObject([
      { id, usesLeft: 2, labels: { site: "a" }, revokedAt: undefined },
    ]);
    expect(await admin.revokeJoinToken(id)).toBe(true);
    expect(await admin.joinTokens()).toMatchObject([{ id, revokedAt: expect.any(Number) }]);
  });

  it("revokes a node: its link ends and it cannot come back", async () => {
    const edge = await connected("edge-1");
    expect(await world.hub.admin.revokeNode("edge-1")).toBe(1);
    await until("it is gone", () => edge.status().dialect === undefined);
    edge.hurry();
    await until("it was turned away", async () => (await world.hub.metrics()).includes('code="E_REVOKED"'));
    expect((await world.hub.nodes())[0]).toMatchObject({ connected: false });
  });

  it("forgets a node with all that waits for it", async () => {
    await world.hub.admin.addNode("edge-1");
    await world.hub.publish(put("edge-1", "a", "1"));
    expect(await world.hub.admin.removeNode("edge-1")).toBe(true);
    await expect(world.hub.publish(put("edge-1", "a", "2"))).rejects.toMatchObject({
      code: "E_UNKNOWN_NODE",
    });
    expect(await world.hub.admin.removeNode("edge-1")).toBe(false);
  });

  it("looks at a message that waits", async () => {
    await world.hub.admin.addNode("edge-1");
    await world.hub.publish(put("edge-1", "a", "1", { data: "look" }));
    const [entry] = await world.hub.where({ node: "edge-1" });
    expect(await world.hub.admin.message("edge-1", entry?.position ?? 0)).toMatchObject({
      resource: "default/configmap/a",
      content: { data: "look" },
    });
  });
});
