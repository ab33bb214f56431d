import { expect, it } from "vitest";
import {
  configMaps,
  deployments,
  edgeApplications,
  events,
  services,
} from "../../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { ApiError } from "../../../kubernetes/index.ts";
import { deployment, World } from "./world.ts";

const belongs = "apps.kubeedge.io/belonging-to";
const scope = {
  targetNodeGroups: [
    { name: "north", overriders: { replicas: 3 } },
    {
      name: "south",
      overriders: { imageOverriders: [{ component: "Registry", operator: "replace", value: "mirror:5000" }] },
    },
  ],
};
const service = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web" },
  spec: { ports: [{ port: 80 }] },
};
const config = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "web" }, data: { key: "1" } };

async function world(): Promise<World> {
  const one = new World();
  await one.start();
  return one;
}

const named = async (at: World) =>
  (await at.objects.list(deployments)).items.map(({ metadata }) => metadata.name).sort();
const web = (at: World, group: string) =>
  at.objects.get(deployments, { namespace: "default", name: `web-${group}` });
const imageOf = ({ spec }: KubeObject) =>
  (spec as { template: { spec: { containers: { image: string }[] } } }).template.spec.containers[0]?.image;
const conditions = async (at: World) => {
  const { workloadStatus } = (await at.application()).status as {
    workloadStatus: { identifier: { name: string }; conditions: string }[];
  };
  return Object.fromEntries(workloadStatus.map((one) => [one.identifier.name, one.conditions]));
};
const complaints = async (at: World) => (await at.objects.list(events)).items.map(({ message }) => message);

it("makes a Deployment for each group, and everything else once, all its own", async () => {
  const at = await world();
  await at.addApplication([deployment(), service, config], scope);
  await at.settle();
  expect(await named(at)).toEqual(["web-north", "web-south"]);
  const north = await web(at, "north");
  expect(north).toMatchObject({
    metadata: { ownerReferences: [{ kind: "EdgeApplication", name: "shop", controller: true }] },
    spec: { replicas: 3, template: { spec: { nodeSelector: { [belongs]: "north" } } } },
  });
  expect(imageOf(north)).toBe("registry.io/team/web:1.0");
  expect(imageOf(await web(at, "south"))).toBe("mirror:5000/team/web:1.0");
  expect(await at.objects.get(services, { namespace: "default", name: "web" })).toMatchObject({
    metadata: { annotations: { "apps.kubeedge.io/service-topology": "range-nodegroup" } },
  });
  const made = (await at.application()).metadata.annotations?.["apps.kubeedge.io/last-contained-resources"];
  expect(JSON.parse(made ?? "")).toMatchObject([
    { kind: "Deployment", name: "web-north", namespace: "default" },
    { kind: "Deployment", name: "web-south" },
    { kind: "Service", name: "web" },
    { kind: "ConfigMap", name: "web" },
  ]);
});

it("says of each object whether it is available", async () => {
  const at = await world();
  await at.addApplication([deployment(), config], scope);
  await at.settle();
  expect(await conditions(at)).toEqual({
    "web-north": "Processing",
    "web-south": "Processing",
    web: "Available",
  });
  const ready = (replicas: number) => ({
    status: { availableReplicas: replicas, updatedReplicas: replicas },
  });
  for (const [group, replicas] of [
    ["north", 2],
    ["south", 1],
  ] as const) {
    const name = { namespace: "default", name: `web-${group}` };
    await at.objects.patch(deployments, name, "merge", ready(replicas), { subresource: "status" });
  }
  await at.settle();
  expect(await conditions(at)).toMatchObject({ "web-north": "Processing", "web-south": "Available" });
});

it("follows changes, and takes away what is not wanted any more, also after a restart", async () => {
  const at = await world();
  await at.addApplication([deployment(), config], scope);
  await at.settle();
  await at.stop();
  const spec = {
    workloadTemplate: { manifests: [deployment("web", { replicas: 5 })] },
    workloadScope: { targetNodeGroups: [{ name: "south" }] },
  };
  await at.objects.patch(edgeApplications, { namespace: "default", name: "shop" }, "merge", { spec });
  await at.start();
  expect(await named(at)).toEqual(["web-south"]);
  expect((await web(at, "south")).spec).toMatchObject({ replicas: 5 });
  expect(imageOf(await web(at, "south"))).toBe("registry.io/team/web:1.0");
  await expect(at.objects.get(configMaps, { namespace: "default", name: "web" })).rejects.toMatchObject({
    reason: "NotFound",
  });
});

it("puts back what somebody else has changed or deleted, and leaves what they have added", async () => {
  const at = await world();
  await at.addApplication([deployment(), config], scope);
  await at.settle();
  const name = { namespace: "default", name: "web-north" };
  const change = { metadata: { annotations: { note: "mine" } }, spec: { replicas: 9 } };
  await at.objects.patch(deployments, name, "merge", change);
  await at.objects.delete(configMaps, { namespace: "default", name: "web" });
  await at.settle();
  expect(await web(at, "north")).toMatchObject({
    metadata: { annotations: { note: "mine" } },
    spec: { replicas: 3 },
  });
  expect(await at.objects.get(configMaps, { namespace: "default", name: "web" })).toBeDefined();
});

it("writes nothing while nothing changes, after a restart too", async () => {
  const at = await world();
  await at.addApplication([deployment(), service, config], scope);
  await at.settle();
  await at.stop();
  at.objects.writes.length = 0;
  await at.start();
  expect(at.objects.writes).toEqual([]);
});

it("does not touch what belongs to somebody else, and says so", async () => {
  const at = await world();
  const theirs = { ...config, metadata: { name: "web", namespace: "default" }, data: { theirs: "1" } };
  await at.objects.create(configMaps, theirs);
  await at.addApplication([config], scope);
  await at.settle();
  expect(await at.objects.get(configMaps, { namespace: "default", name: "web" })).toMatchObject({
    data: { theirs: "1" },
  });
  expect(await complaints(at)).toEqual(["ConfigMap web is there, and not of this application"]);
  expect(await conditions(at)).toEqual({ web: "Processing" });
  await at.objects.delete(edgeApplications, { namespace: "default", name: "shop" });
  await at.settle();
  expect(await at.objects.get(configMaps, { namespace: "default", name: "web" })).toBeDefined();
});

it("applies what it can of an application in which something is wrong", async () => {
  const at = await world();
  const wrong = [
    { apiVersion: "nowhere.io/v1", kind: "Thing", metadata: { name: "x" } },
    { apiVersion: "v1", kind: "Node", metadata: { name: "x" } },
    { ...config, metadata: { name: "web", namespace: "elsewhere" } },
    { ...config, metadata: {} },
    deployment("Not A Name"),
  ];
  await at.addApplication([...wrong, deployment()], {
    targetNodeGroups: [{ name: "north" }, { name: "north" }],
  });
  await at.settle();
  expect(await named(at)).toEqual(["web-north"]);
  const [told = ""] = (await complaints(at)) as string[];
  expect(told.split("; ")).toHaveLength(5);
  expect(told).toContain('there is no kind "Thing" of "nowhere.io/v1"');
});

it("tries again what the API refuses for now, and tells of what it refuses for good", async () => {
  const at = await world();
  const patch = at.objects.patch.bind(at.objects);
  let failures = 3;
  at.objects.patch = (resource, name, kind, body, options) => {
    if (kind === "apply" && name.name === "web-south") throw new ApiError("Invalid", "no such thing");
    if (kind === "apply" && failures-- > 0) throw new ApiError("InternalError", "not now");
    return patch(resource, name, kind, body, options);
  };
  await at.addApplication([deployment()], scope);
  for (let second = 0; second < 10; second++) await at.settle();
  expect(await named(at)).toEqual(["web-north"]);
  expect(await complaints(at)).toEqual(["Deployment web-south: no such thing"]);
});

it("places by labels of nodes where that is the target", async () => {
  const at = await world();
  const expression = { key: "gpu", operator: "Exists" };
  const labelSelector = { matchLabels: { place: "north" }, matchExpressions: [expression] };
  await at.addApplication([deployment()], {
    targetNodeLabels: [{ labelSelector, overriders: { replicas: 2 } }],
  });
  await at.settle();
  const [made] = (await at.objects.list(deployments)).items;
  expect(made?.metadata.name).toMatch(/^web-[0-9a-f]{10}$/);
  expect(made?.spec).toMatchObject({
    replicas: 2,
    template: {
      spec: {
        nodeSelector: { place: "north" },
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [expression] }],
            },
          },
        },
      },
    },
  });
});
