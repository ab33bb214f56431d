import { expect, it } from "vitest";
import { nodeGroups, nodes, pods } from "../../../controllers/runtime/kinds.ts";
import { World } from "./world.ts";

const label = "apps.kubeedge.io/belonging-to";

async function world(): Promise<World> {
  const one = new World();
  await one.start();
  return one;
}

const statusesOf = async (at: World, name: string) =>
  ((await at.group(name)).status as { nodeStatuses: object[] } | undefined)?.nodeStatuses;

it("marks the nodes that a group names or matches, and says how they are", async () => {
  const at = await world();
  await at.addNode("a");
  await at.addNode("b", { place: "north" }, "False");
  await at.addNode("c", { place: "south" });
  await at.addGroup("north", { nodes: ["a", "missing"], matchLabels: { place: "north" } });
  await at.settle();
  expect((await at.labels("a"))[label]).toBe("north");
  expect((await at.labels("b"))[label]).toBe("north");
  expect((await at.labels("c"))[label]).toBeUndefined();
  expect(await statusesOf(at, "north")).toEqual([
    { nodeName: "a", readyStatus: "Ready", selectionStatus: "Succeeded" },
    { nodeName: "b", readyStatus: "NotReady", selectionStatus: "Succeeded" },
    {
      nodeName: "missing",
      readyStatus: "Unknown",
      selectionStatus: "Failed",
      selectionStatusReason: "node missing does not exist",
    },
  ]);
  expect((await at.group("north")).metadata.finalizers).toEqual(["apps.kubeedge.io/nodegroup-controller"]);
});

it("takes nodes in that come or are labelled later, and follows their health", async () => {
  const at = await world();
  await at.addGroup("north", { nodes: ["a"], matchLabels: { place: "north" } });
  await at.addNode("a", {}, "Unknown");
  await at.addNode("b");
  await at.settle();
  expect(await statusesOf(at, "north")).toMatchObject([{ nodeName: "a", readyStatus: "Unknown" }]);
  await at.objects.patch(nodes, { name: "b" }, "merge", { metadata: { labels: { place: "north" } } });
  const status = { conditions: [{ type: "Ready", status: "True" }] };
  await at.objects.patch(nodes, { name: "a" }, "merge", { status }, { subresource: "status" });
  await at.settle();
  expect(await statusesOf(at, "north")).toMatchObject([
    { nodeName: "a", readyStatus: "Ready" },
    { nodeName: "b", readyStatus: "Ready" },
  ]);
});

it("leaves a node in the group that has it; a second one gets it when the first lets it go", async () => {
  const at = await world();
  await at.addNode("a");
  await at.addGroup("first", { nodes: ["a"] });
  await at.settle();
  await at.addGroup("second", { nodes: ["a"] });
  await at.settle();
  expect((await at.labels("a"))[label]).toBe("first");
  expect(await statusesOf(at, "second")).toMatchObject([
    { selectionStatus: "Failed", selectionStatusReason: "node a belongs to node group first" },
  ]);
  await at.objects.patch(nodeGroups, { name: "first" }, "merge", { spec: { nodes: [] } });
  await at.settle(10_000);
  expect((await at.labels("a"))[label]).toBe("second");
  expect(await statusesOf(at, "second")).toMatchObject([{ selectionStatus: "Succeeded" }]);
  expect(await statusesOf(at, "first")).toEqual([]);
});

it("ends the pods that a group brought to a node that leaves it, and no others", async () => {
  const at = await world();
  await at.addNode("a");
  await at.addNode("b");
  await at.addGroup("north", { nodes: ["a", "b"] });
  const pod = (name: string, nodeName: string, nodeSelector: object) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: { nodeName, nodeSelector, containers: [], terminationGracePeriodSeconds: 0 },
  });
  await at.objects.create(pods, pod("placed", "a", { [label]: "north" }));
  await at.objects.create(pods, pod("other", "a", {}));
  await at.objects.create(pods, pod("stays", "b", { [label]: "north" }));
  await at.settle();
  await at.objects.patch(nodeGroups, { name: "north" }, "merge", { spec: { nodes: ["b"] } });
  await at.settle();
  const alive = (await at.objects.list(pods)).items.filter(({ metadata }) => !metadata.deletionTimestamp);
  expect(alive.map(({ metadata }) => metadata.name)).toEqual(["other", "stays"]);
  expect((await at.labels("a"))[label]).toBeUndefined();
});

it("lets its nodes go before it is gone, also if the controller was away when it was deleted", async () => {
  const at = await world();
  await at.addNode("a");
  await at.addGroup("north", { nodes: ["a"] });
  await at.settle();
  await at.stop();
  await at.objects.delete(nodeGroups, { name: "north" });
  await at.start();
  expect((await at.labels("a"))[label]).toBeUndefined();
  await expect(at.group("north")).rejects.toMatchObject({ reason: "NotFound" });
});

it("marks zones where that is wanted, and nobody else's", async () => {
  const zone = "topology.kubernetes.io/zone";
  const at = await world();
  await at.addNode("a");
  await at.addNode("b", { [zone]: "mine" });
  await at.addGroup("north", { nodes: ["a"], topologyEnabled: true });
  await at.addGroup("south", { nodes: ["b"] });
  await at.settle();
  expect(await at.labels("a")).toEqual({ [label]: "north", [zone]: "north" });
  expect(await at.labels("b")).toEqual({ [label]: "south", [zone]: "mine" });
  await at.objects.patch(nodeGroups, { name: "north" }, "merge", { spec: { nodes: [] } });
  await at.settle();
  expect(await at.labels("a")).toEqual({});
});

it("writes nothing while nothing changes, after a restart too", async () => {
  const at = await world();
  await at.addNode("a");
  await at.addGroup("north", { nodes: ["a"] });
  await at.settle();
  await at.stop();
  at.objects.writes.length = 0;
  await at.start();
  const status = { conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "now" }] };
  await at.objects.patch(nodes, { name: "a" }, "merge", { status }, { subresource: "status" });
  await at.settle();
  expect(at.objects.writes.filter((write) => write.includes("nodegroups"))).toEqual([]);
});
