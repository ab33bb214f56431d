import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseAllDocuments } from "yaml";
import { startControllers } from "../../controllers/index.ts";
import { configMaps, deployments, endpoints, pods, services } from "../../controllers/runtime/kinds.ts";
import type { KubeObject, ResourceName } from "../../kubernetes/index.ts";
import { systemClock } from "../../platform/clock.ts";
import { silentLogger } from "../../platform/logger.ts";
import { allRights } from "../../protocol/index.ts";
import { connectHub } from "../../sdk/index.ts";
import { until } from "../support/processes.ts";
import { ProcessCloud } from "./process-cloud.ts";

/** Our own agents with plain processes, and a hub with its controllers: objects in, pods run. */

const words = (word: string): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: "words", namespace: "default" },
  data: { word },
});

/** Writes its volume's word over and over. */
function speaker(node: string, file: string): KubeObject {
  const script = `while :; do cat "$EDGEHUB_ROOT/words/word" > ${file}; sleep 0.1; done`;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "speaker", namespace: "default" },
    spec: {
      ...(node === "" ? {} : { nodeName: node }),
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: "none",
          command: ["/bin/sh", "-c", script],
          volumeMounts: [{ name: "words", mountPath: "/words" }],
        },
      ],
      volumes: [{ name: "words", configMap: { name: "words" } }],
    },
  };
}

describe.each(["default", "null"] as const)("a node that names its namespace %s", (namespace) => {
  it("becomes ready, runs a pod, follows its ConfigMap and ends it", async () => {
    const cloud = await ProcessCloud.start();
    await cloud.node("edge-1", { namespace });
    await until("the node is ready", () => cloud.ready("edge-1"));
    const file = join(cloud.world.directory, "said");
    const said = (): string => (existsSync(file) ? readFileSync(file, "utf8") : "");
    await cloud.objects.create(configMaps, words("red"));
    await cloud.objects.create(pods, speaker("edge-1", file));
    await until("the pod runs", async () => (await cloud.phase("speaker")) === "Running");
    await until("it says its word", () => said() === "red");
    await cloud.objects.update(configMaps, words("blue"));
    await until("it says the new word", () => said() === "blue");
    await cloud.objects.delete(pods, { namespace: "default", name: "speaker" });
    await until("the pod is gone", async () => (await cloud.phase("speaker")) === "gone");
  });
});

it("goes on with pods after restarts of the controllers and of the hub, and tells of it", async () => {
  const cloud = await ProcessCloud.start();
  await cloud.node("edge-1");
  const file = join(cloud.world.directory, "said");
  await cloud.objects.create(configMaps, words("red"));
  await cloud.objects.create(pods, speaker("edge-1", file));
  await until("the pod runs", async () => (await cloud.phase("speaker")) === "Running");

  await cloud.stopControllers();
  await cloud.objects.update(configMaps, words("blue"));
  cloud.startControllers();
  await until("what changed meanwhile comes down", () => readFileSync(file, "utf8") === "blue");

  await cloud.stopControllers();
  const stopped = await cloud.world.stopHub();
  await stopped.start();
  await cloud.objects.delete(pods, { namespace: "default", name: "speaker" });
  cloud.startControllers();
  await until("the pod is gone", async () => (await cloud.phase("speaker")) === "gone");
});

it("runs the example Deployment on two nodes, and rolls out another template", async () => {
  const cloud = await ProcessCloud.start();
  for (const name of ["edge-1", "edge-2"]) await cloud.node(name);
  for (const name of ["edge-1", "edge-2"]) await until(`${name} is ready`, () => cloud.ready(name));
  for (const [resource, object] of exampleObjects()) await cloud.objects.create(resource, object);
  const clock = { namespace: "line-7", name: "line-clock" };
  const rolledOut = async (generation: number): Promise<boolean> => {
    const { status } = await cloud.objects.get(deployments, clock);
    const { observedGeneration, ...counts } = (status ?? {}) as Record<string, number>;
    const { updatedReplicas, availableReplicas, replicas } = counts;
    return (
      observedGeneration === generation &&
      [updatedReplicas, availableReplicas, replicas].every((one) => one === 2)
    );
  };
  await until("both pods are available", () => rolledOut(1));
  const { items } = await cloud.objects.list(pods, { namespace: "line-7" });
  expect(items.map((pod) => (pod.spec as { nodeName: string }).nodeName).sort()).toEqual([
    "edge-1",
    "edge-2",
  ]);
  await until("the Service knows both", async () => {
    const found = await cloud.objects.get(endpoints, clock).catch(() => undefined);
    const [subset] = (found?.subsets ?? []) as { addresses?: unknown[] }[];
    return subset?.addresses?.length === 2;
  });
  const annotations = { "example.com/restarted": "now" };
  await cloud.objects.patch(deployments, clock, "merge", {
    spec: { template: { metadata: { annotations } } },
  });
  await until("both pods are new", () => rolledOut(2));
});

/** What `kubectl apply -f examples/workloads` sends. */
function exampleObjects(): [ResourceName, KubeObject][] {
  const file = join(import.meta.dirname, "../../examples/workloads/line-clock.yaml");
  const resources: Readonly<Record<string, ResourceName>> = {
    Namespace: { group: "", version: "v1", resource: "namespaces" },
    ConfigMap: configMaps,
    Deployment: deployments,
    Service: services,
  };
  return parseAllDocuments(readFileSync(file, "utf8")).map((document) => {
    const object = document.toJS() as KubeObject;
    return [resources[object.kind] as ResourceName, object];
  });
}

it("is kept by controllers in another process too, through the SDK", async () => {
  const cloud = await ProcessCloud.start();
  await cloud.stopControllers();
  const { hub } = cloud.world;
  const token = await hub.admin.createController("keeper", allRights);
  const client = await connectHub({ url: `https://127.0.0.1:${hub.ports.api}`, token, ca: hub.ca.pem });
  onTestFinished(() => client.close());
  const parts = { hub: client, objects: client.objects, clock: systemClock, log: silentLogger };
  const controllers = startControllers(parts, { enable: ["edge", "workload"] });
  onTestFinished(() => controllers.close());
  await cloud.node("edge-1");
  await until("the node is ready", () => cloud.ready("edge-1"));
  const file = join(cloud.world.directory, "said");
  await cloud.objects.create(configMaps, words("red"));
  await cloud.objects.create(pods, speaker("", file));
  await until("the pod runs", async () => (await cloud.phase("speaker")) === "Running");
  await cloud.objects.delete(pods, { namespace: "default", name: "speaker" });
  await until("the pod is gone", async () => (await cloud.phase("speaker")) === "gone");
});

it("keeps a node without edged ready by its link, and makes its Node object", async () => {
  const cloud = await ProcessCloud.start();
  await cloud.world.agent("edge-2");
  await until("the node is ready", () => cloud.ready("edge-2"), 30_000);
});
