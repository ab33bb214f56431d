import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  AppsV1Api,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  type V1ConfigMap,
  type V1Pod,
} from "@kubernetes/client-node";
import { expect, it, onTestFinished } from "vitest";
import { until } from "../support/processes.ts";
import { startWorld, type World } from "../support/world.ts";

/** The Kubernetes client package for JavaScript, as it is published. */

function configOf(world: World): KubeConfig {
  const config = new KubeConfig();
  config.loadFromString(readFileSync(join(world.directory, "hub/admin.kubeconfig"), "utf8"));
  return config;
}

const namespace = "default";

it("creates, reads, lists, replaces, patches and deletes", async () => {
  const config = configOf(await startWorld());
  const core = config.makeApiClient(CoreV1Api);
  const body: V1ConfigMap = { metadata: { name: "a" }, data: { k: "1" } };
  const made = await core.createNamespacedConfigMap({ namespace, body });
  const replaced = await core.replaceNamespacedConfigMap({
    namespace,
    name: "a",
    body: { ...made, data: { k: "2" } },
  });
  expect(replaced.data).toEqual({ k: "2" });
  await expect(core.replaceNamespacedConfigMap({ namespace, name: "a", body: made })).rejects.toMatchObject({
    code: 409,
  });
  const objects = KubernetesObjectApi.makeApiClient(config);
  const header = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace } };
  const patch = { ...header, data: { l: "3" } };
  await objects.patch(patch, undefined, undefined, "tester", undefined, PatchStrategy.MergePatch);
  expect((await core.readNamespacedConfigMap({ namespace, name: "a" })).data).toEqual({ k: "2", l: "3" });
  const page = await core.listNamespacedConfigMap({ namespace, limit: 1 });
  expect(page.metadata?._continue).toBeDefined();
  await core.deleteNamespacedConfigMap({ namespace, name: "a" });
  await expect(core.readNamespacedConfigMap({ namespace, name: "a" })).rejects.toMatchObject({ code: 404 });
  const apps = config.makeApiClient(AppsV1Api);
  expect((await apps.listDeploymentForAllNamespaces()).items).toEqual([]);
  const custom = config.makeApiClient(CustomObjectsApi);
  const devices = { group: "devices.kubeedge.io", version: "v1beta1", plural: "devices", namespace };
  expect(await custom.listNamespacedCustomObject(devices)).toMatchObject({ kind: "DeviceList", items: [] });
});

it("keeps informers up to date, over the end of a watch too", async () => {
  const world = await startWorld();
  const config = configOf(world);
  const core = config.makeApiClient(CoreV1Api);
  const path = `/api/v1/namespaces/${namespace}/pods`;
  const informer = makeInformer<V1Pod>(config, path, () => core.listNamespacedPod({ namespace }));
  const seen: string[] = [];
  for (const event of ["add", "update", "delete"] as const)
    informer.on(event, (pod) => seen.push(`${event} ${pod.metadata?.name}`));
  const errors: unknown[] = [];
  informer.on("error", (error) => errors.push(error));
  await informer.start();
  onTestFinished(() => informer.stop());
  const pod = (name: string): V1Pod => ({
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i" }] },
  });
  await core.createNamespacedPod({ namespace, body: pod("a") });
  await until("the informer knows the pod", () => informer.get("a", namespace) !== undefined);
  const current = await core.readNamespacedPod({ namespace, name: "a" });
  const labelled = { ...current, metadata: { ...current.metadata, labels: { a: "b" } } };
  await core.replaceNamespacedPod({ namespace, name: "a", body: labelled });
  await until(
    "the informer knows the label",
    () => informer.get("a", namespace)?.metadata?.labels?.a === "b",
  );
  await core.deleteNamespacedPod({ namespace, name: "a" });
  await until("the informer knows that it is gone", () => informer.get("a", namespace) === undefined);
  expect(seen).toEqual(["add a", "update a", "delete a"]);
  const back = await world.stopHub();
  await back.start();
  await informer.start();
  await configOf(world)
    .makeApiClient(CoreV1Api)
    .createNamespacedPod({ namespace, body: pod("b") });
  await until("the informer goes on", () => informer.get("b", namespace) !== undefined);
});
