import { describe, expect, it } from "vitest";
import {
  endpointSlices,
  endpoints,
  events,
  nodes,
  pods,
  services,
} from "../../../controllers/runtime/kinds.ts";
import { type Candidate, chooseNode } from "../../../controllers/workload-controller/schedule.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { WorkloadWorld } from "./workload-world.ts";

const node = (
  name: string,
  spec: object = {},
  labels: Record<string, string> = {},
  status: object = {},
): KubeObject => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels },
  spec,
  status,
});
const pod = (spec: object = {}, name = "p"): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default" },
  spec: { containers: [{ name: "main", image: "app" }], ...spec },
});
const hostPort = {
  containers: [{ name: "main", image: "app", ports: [{ containerPort: 80, hostPort: 80 }] }],
};
const affinity = (key: string, operator: string, values?: string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }],
      },
    },
  },
});

const line = { line: "7" };
const tainted = { taints: [{ key: "gpu", value: "yes", effect: "NoSchedule" }] };
const toleration = { tolerations: [{ key: "gpu", operator: "Equal", value: "yes", effect: "NoSchedule" }] };

describe("a pod goes to a node", () => {
  it.each<[string, object, Candidate]>([
    ["with its labels", { nodeSelector: line }, { node: node("a", {}, line), pods: [] }],
    ["whose taint it tolerates", toleration, { node: node("a", tainted), pods: [] }],
    ["that its affinity names", affinity("line", "In", ["7", "8"]), { node: node("a", {}, line), pods: [] }],
    ["that lacks a label", affinity("line", "DoesNotExist"), { node: node("a"), pods: [] }],
    [
      "whose port is free again",
      hostPort,
      { node: node("a"), pods: [{ ...pod(hostPort), status: { phase: "Failed" } }] },
    ],
  ])("%s", (_name, spec, candidate) => {
    expect(chooseNode(pod(spec), [candidate])).toEqual({ node: "a" });
  });

  it.each<[string, object, Candidate, string]>([
    [
      "without its labels",
      { nodeSelector: line },
      { node: node("a"), pods: [] },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
    [
      "with a taint",
      {},
      { node: node("a", tainted), pods: [] },
      "1 node(s) had untolerated taint {gpu: yes}",
    ],
    [
      "that is cordoned",
      {},
      { node: node("a", { unschedulable: true }), pods: [] },
      "1 node(s) were unschedulable",
    ],
    [
      "whose port is taken",
      hostPort,
      { node: node("a"), pods: [pod(hostPort)] },
      "1 node(s) didn't have free ports for the requested pod ports",
    ],
    [
      "that is full",
      {},
      { node: node("a", {}, {}, { allocatable: { pods: "1" } }), pods: [pod()] },
      "1 Too many pods",
    ],
    [
      "that its affinity excludes",
      affinity("line", "Exists"),
      { node: node("a"), pods: [] },
      "1 node(s) didn't match Pod's node affinity/selector",
    ],
  ])("but not to one %s", (_name, spec, candidate, why) => {
    expect(chooseNode(pod(spec), [candidate])).toEqual({ message: `0/1 nodes are available: ${why}.` });
  });

  it("with the fewest pods", () => {
    const candidates = [
      { node: node("a"), pods: [pod()] },
      { node: node("b"), pods: [] },
      { node: node("c"), pods: [] },
    ];
    expect(chooseNode(pod(), candidates)).toEqual({ node: "b" });
  });
});

it("waits for a node that fits, says why, and goes there when it comes", async () => {
  const world = await new WorkloadWorld().start();
  await world.node("edge-1", tainted);
  await world.objects.create(pods, pod());
  await world.settle();
  const name = { namespace: "default", name: "p" };
  expect(await world.objects.get(pods, name)).toMatchObject({
    status: { conditions: [{ type: "PodScheduled", status: "False", reason: "Unschedulable" }] },
  });
  expect((await world.objects.list(events)).items).toMatchObject([
    { reason: "FailedScheduling", type: "Warning" },
  ]);
  await world.objects.patch(nodes, { name: "edge-1" }, "merge", { spec: { taints: null } });
  await world.settle();
  expect(await world.objects.get(pods, name)).toMatchObject({
    spec: { nodeName: "edge-1" },
    status: { conditions: [{ type: "PodScheduled", status: "True" }] },
  });
});

it("leaves alone a pod that another scheduler places", async () => {
  const world = await new WorkloadWorld().start();
  await world.node("edge-1");
  await world.objects.create(pods, pod({ schedulerName: "theirs" }));
  await world.settle();
  expect((await world.pods())[0]?.spec).not.toHaveProperty("nodeName");
});

it("writes where the pods of a Service are, ready or not, and takes it away with the Service", async () => {
  const world = await new WorkloadWorld().start();
  await world.node("edge-1");
  const spec = { selector: { app: "app" }, ports: [{ name: "http", port: 80, targetPort: "web" }] };
  const metadata = { namespace: "default", name: "app" };
  await world.objects.create(services, { apiVersion: "v1", kind: "Service", metadata, spec });
  const containers = [{ name: "main", image: "app", ports: [{ name: "web", containerPort: 8080 }] }];
  for (const name of ["a", "b", "stranger"]) {
    const one = pod({ containers }, name);
    const labels = name === "stranger" ? {} : { app: "app" };
    await world.objects.create(pods, { ...one, metadata: { ...one.metadata, labels } });
  }
  await world.settle();
  await world.report("a", "Running", true);
  await world.report("b", "Running", false);
  await world.report("stranger", "Running", true);
  await world.settle();
  expect((await world.objects.get(endpoints, metadata)).subsets).toMatchObject([
    {
      addresses: [{ nodeName: "edge-1", targetRef: { name: "a" } }],
      notReadyAddresses: [{ targetRef: { name: "b" } }],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    },
  ]);
  const slices = async () => (await world.objects.list(endpointSlices)).items;
  expect(await slices()).toMatchObject([
    {
      metadata: { name: "app-0", labels: { "kubernetes.io/service-name": "app" } },
      addressType: "IPv4",
      endpoints: [
        { conditions: { ready: true }, nodeName: "edge-1", targetRef: { name: "a" } },
        { conditions: { ready: false }, targetRef: { name: "b" } },
      ],
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    },
  ]);
  await world.objects.delete(services, metadata);
  await world.settle();
  expect((await world.objects.list(endpoints)).items).toEqual([]);
  expect(await slices()).toEqual([]);
});
