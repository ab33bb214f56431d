import { expect, it } from "vitest";
import { configMaps, nodes, pods } from "../../controllers/runtime/kinds.ts";
import { HubError } from "../../protocol/errors.ts";
import { EdgeWorld } from "./edge-world.ts";

const named = (name: string) => ({ namespace: "default", name });

it("brings a node its pods and what these need, and nothing else", async () => {
  const world = new EdgeWorld();
  for (const name of ["needed", "other"]) await world.configMap(name);
  await world.secret("login");
  await world.pod("a", "edge-1", ["configmap/needed", "secret/login", "configmap/absent"]);
  await world.pod("b", "");
  await world.start();
  expect(
    world.hub.published.map(({ node, operation, resource }) => `${node} ${operation} ${resource}`),
  ).toEqual([
    "edge-1 insert default/configmap/needed",
    "edge-1 update default/secret/login",
    "edge-1 insert default/pod/a",
  ]);
});

it("sends no change of a status, and every other one", async () => {
  const world = await new EdgeWorld().start();
  const pod = await world.pod("a", "edge-1");
  await world.settle();
  await world.objects.patch(
    pods,
    named("a"),
    "merge",
    { status: { phase: "Running" } },
    { subresource: "status" },
  );
  await world.settle();
  expect(world.hub.news()).toEqual(["insert default/pod/a"]);
  await world.objects.patch(pods, named("a"), "merge", { metadata: { labels: { color: "red" } } });
  await world.settle();
  const [update] = world.hub.published;
  expect(update).toMatchObject({ operation: "update", content: { metadata: { uid: pod.metadata.uid } } });
  expect(update?.resourceVersion).toBe((await world.objects.get(pods, named("a"))).metadata.resourceVersion);
});

it("tells of a pod's end with its uid, and takes away what no pod needs any more", async () => {
  const world = new EdgeWorld();
  await world.configMap("needed");
  const pod = await world.pod("a", "edge-1", ["configmap/needed"]);
  await world.start();
  world.hub.news();
  await world.objects.delete(pods, named("a"));
  await world.settle();
  expect(world.hub.news()).toEqual(["update default/pod/a"]);
  await world.objects.delete(pods, named("a"), { gracePeriodSeconds: 0 });
  await world.settle();
  expect(world.hub.published[1]).toMatchObject({
    content: { kind: "Pod", metadata: { uid: pod.metadata.uid } },
  });
  expect(world.hub.news()).toEqual(["delete default/configmap/needed", "delete default/pod/a"]);
});

it("after a restart publishes the difference only", async () => {
  const world = new EdgeWorld();
  for (const name of ["same", "changed", "unneeded"]) await world.configMap(name);
  await world.pod("a", "edge-1", ["configmap/same", "configmap/changed"]);
  await world.pod("gone", "edge-1", ["configmap/unneeded"]);
  const before = await world.pod("again", "edge-1");
  await world.start();
  world.hub.news();
  await world.stop();
  await world.objects.patch(
    pods,
    named("a"),
    "merge",
    { status: { phase: "Running" } },
    { subresource: "status" },
  );
  await world.objects.patch(configMaps, named("changed"), "merge", { data: { word: "blue" } });
  for (const name of ["gone", "again"])
    await world.objects.delete(pods, named(name), { gracePeriodSeconds: 0 });
  await world.pod("again", "edge-1");
  await world.start();
  const deleted = world.hub.published.find((one) => one.resource === "default/pod/again");
  expect(deleted).toMatchObject({ operation: "delete", content: { metadata: { uid: before.metadata.uid } } });
  expect(world.hub.news().sort()).toEqual([
    "delete default/configmap/unneeded",
    "delete default/pod/again",
    "delete default/pod/gone",
    "insert default/pod/again",
    "update default/configmap/changed",
  ]);
});

it("leaves alone what others have published", async () => {
  const world = new EdgeWorld();
  const draft = {
    node: "edge-1",
    operation: "update",
    resourceVersion: "7",
    delivery: { kind: "state" },
  } as const;
  await world.hub.publish({ ...draft, resource: "default/configmap/limits" });
  await world.hub.publish({ ...draft, resource: "default/pod/theirs" });
  world.hub.news();
  await world.start();
  world.hub.link("edge-1", true);
  await world.settle();
  expect(world.hub.news()).toEqual([]);
});

it("sends again what the hub has forgotten when the node comes back, and nothing when it has not", async () => {
  const world = new EdgeWorld();
  await world.pod("a", "edge-1");
  await world.start();
  world.hub.news();
  world.hub.link("edge-1", true);
  await world.settle();
  expect(world.hub.news()).toEqual([]);
});

it("waits for a node that the hub does not know, and for a hub that cannot take it", async () => {
  const world = new EdgeWorld([]);
  await world.pod("a", "edge-9");
  await world.start();
  expect(world.hub.news()).toEqual([]);
  world.hub.join("edge-9");
  world.hub.failure = new HubError("E_BACKLOG_FULL", "full");
  world.hub.link("edge-9", true);
  await world.clock.advance(1_000);
  world.hub.failure = undefined;
  await world.clock.advance(60_000);
  expect(world.hub.news("edge-9")).toContain("insert default/pod/a");
});

it("does not try again what no repetition will bring, until it changes", async () => {
  const world = new EdgeWorld();
  world.hub.failure = new HubError("E_TOO_LARGE", "too large");
  await world.pod("a", "edge-1");
  await world.start();
  await world.clock.advance(120_000);
  expect(
    world.log.lines.filter(({ event }) => event === "an object cannot be brought to a node"),
  ).toHaveLength(1);
  world.hub.failure = undefined;
  await world.objects.patch(pods, named("a"), "merge", { metadata: { labels: { small: "yes" } } });
  await world.settle();
  expect(world.hub.news()).toEqual(["update default/pod/a"]);
});

it("gives other nodes their turn while one gets 5,000 objects", async () => {
  const world = new EdgeWorld();
  for (let i = 0; i < 5_000; i++) await world.pod(`many-${i}`, "edge-1");
  await world.pod("only", "edge-2");
  await world.start();
  for (let i = 0; i < 20; i++) await world.settle();
  const order = world.hub.published.map(({ node }) => node);
  expect(order).toHaveLength(5_001);
  expect(order.indexOf("edge-2")).toBeLessThan(200);
});

it("ends the link of a node whose Node object is deleted", async () => {
  const world = new EdgeWorld();
  await world.node("edge-1");
  await world.start();
  await world.objects.delete(nodes, { name: "edge-1" });
  await world.settle();
  expect(world.hub.news("edge-1")).toEqual(["delete namespace/node/edge-1"]);
});

it("ends although the API does not answer", async () => {
  const world = new EdgeWorld();
  world.objects.list = () => new Promise(() => {});
  await world.start();
  world.hub.says({ node: "edge-1", operation: "query", resource: "default/node/edge-1", content: null });
  world.hub.link("edge-1", true);
  await world.settle();
  const ended = world.stop();
  await world.clock.advance(5_000);
  await ended;
});
