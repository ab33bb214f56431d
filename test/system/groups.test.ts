import { expect, it, onTestFinished } from "vitest";
import { startControllers } from "../../controllers/index.ts";
import {
  deployments,
  edgeApplications,
  nodeGroups,
  nodes,
  pods,
  services,
} from "../../controllers/runtime/kinds.ts";
import { isReason, type KubeObject, type ObjectsApi } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

/** Node groups and edge applications on the hub's API, with the Deployments that run them. */

const apiVersion = "apps.kubeedge.io/v1alpha1";
const shop = { namespace: "default", name: "shop" };

async function startGroups(...groups: [name: string, nodes: string[]][]): Promise<ObjectsApi> {
  const { hub } = await startWorld();
  const { objects } = hub;
  const controllers = startControllers(
    { hub, objects, clock: systemClock, log: silentLogger },
    { enable: ["workload", "group"] },
  );
  onTestFinished(() => controllers.close());
  for (const name of new Set(groups.flatMap(([, members]) => members))) {
    const status = { conditions: [{ type: "Ready", status: "True" }], allocatable: { pods: "10" } };
    await objects.create(nodes, { apiVersion: "v1", kind: "Node", metadata: { name }, status });
  }
  for (const [name, members] of groups)
    await objects.create(nodeGroups, {
      apiVersion,
      kind: "NodeGroup",
      metadata: { name },
      spec: { nodes: members },
    });
  return objects;
}

const main = { name: "main", image: "registry.io/web:1", env: [{ name: "A", value: "1" }] };

function application(container: object, workloadScope: object): KubeObject {
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
  const spec = { selector: { matchLabels: { app: "web" } }, template };
  const manifests = [
    { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", creationTimestamp: null }, spec },
    { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, spec: { ports: [{ port: 80 }] } },
  ];
  return {
    apiVersion,
    kind: "EdgeApplication",
    metadata: shop,
    spec: { workloadTemplate: { manifests }, workloadScope },
  };
}

const scope = {
  targetNodeGroups: [
    { name: "north", overriders: { replicas: 2 } },
    {
      name: "south",
      overriders: { imageOverriders: [{ component: "Registry", operator: "replace", value: "mirror.io" }] },
    },
  ],
};

/** `node image` of each pod that is not ending. */
async function running(objects: ObjectsApi): Promise<string[]> {
  const { items } = await objects.list(pods);
  return items
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map(({ spec }) => spec as { nodeName?: string; containers: { image: string }[] })
    .map(({ nodeName, containers }) => `${nodeName} ${containers[0]?.image}`)
    .sort();
}

const become = (objects: ObjectsApi, wanted: string[]) =>
  until(`pods are ${wanted.join(", ")}`, async () => `${await running(objects)}` === `${wanted}`);

it("runs an application in each group as the group has it, and follows its changes", async () => {
  const objects = await startGroups(["north", ["a", "b"]], ["south", ["c"]]);
  await objects.create(edgeApplications, application(main, scope));
  await become(objects, ["a registry.io/web:1", "b registry.io/web:1", "c mirror.io/web:1"]);
  const versions = async () =>
    (await objects.list(deployments)).items.map(({ metadata }) => metadata.generation);
  const before = await versions();

  const { env: _, ...bare } = main;
  const { spec } = application(
    { ...bare, image: "registry.io/web:2" },
    { targetNodeGroups: [{ name: "south" }] },
  );
  await objects.patch(edgeApplications, shop, "merge", { spec });
  await become(objects, ["c registry.io/web:2"]);
  const south = await objects.get(deployments, { namespace: "default", name: "web-south" });
  expect(south.spec).toMatchObject({ template: { spec: { containers: [{ image: "registry.io/web:2" }] } } });
  // What the manifest says no more is gone.
  expect(JSON.stringify(south.spec)).not.toContain('"env"');
  expect(before).toEqual([1, 1]);

  await objects.delete(edgeApplications, shop);
  const isGone = (error: unknown) => isReason(error, "NotFound");
  await until("its objects are gone", async () => {
    const name = { namespace: "default", name: "web" };
    return (
      (await objects.list(deployments)).items.length === 0 &&
      (await objects.get(services, name).catch(isGone)) === true
    );
  });
  await become(objects, []);
});

it("moves its pods when a node goes from one group to another", async () => {
  const objects = await startGroups(["north", ["a", "b"]], ["south", []]);
  const one = { targetNodeGroups: [{ name: "north" }] };
  await objects.create(edgeApplications, application(main, one));
  await until("a pod runs", async () => (await running(objects)).some((text) => /^[ab] /.test(text)));
  const [was = ""] = await running(objects);
  const left = was.startsWith("a") ? "b" : "a";
  await objects.patch(nodeGroups, { name: "north" }, "merge", { spec: { nodes: [left] } });
  await objects.patch(nodeGroups, { name: "south" }, "merge", { spec: { nodes: [was.slice(0, 1)] } });
  await become(objects, [`${left} registry.io/web:1`]);
  await until("the other group has the node", async () => {
    const { metadata } = await objects.get(nodes, { name: was.slice(0, 1) });
    return metadata.labels?.["apps.kubeedge.io/belonging-to"] === "south";
  });
  await until("the status says so", async () =>
    JSON.stringify((await objects.get(nodeGroups, { name: "south" })).status).includes('"Succeeded"'),
  );
});
