import { onTestFinished } from "vitest";
import { type HubObjects, openObjects } from "../../../cloudhub/api/hub-objects.ts";
import { isReason, type KubeObject, type ObjectName, type ResourceName } from "../../../kubernetes/index.ts";
import { silentLogger } from "../../../platform/logger.ts";
import type { ResourceView } from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryResourceStore } from "../../support/memory-resource-store.ts";
import { temporaryDirectory } from "../../support/processes.ts";

/** The objects of a hub, in memory, with a clock that the test moves. */

export const core = (resource: string): ResourceName => ({ group: "", version: "v1", resource });
export const crds = { group: "apiextensions.k8s.io", version: "v1", resource: "customresourcedefinitions" };

export interface Opened extends HubObjects {
  readonly clock: FakeClock;
  readonly store: MemoryResourceStore;
}

export async function open(resources: readonly Partial<ResourceView>[] = []): Promise<Opened> {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const clock = new FakeClock();
  const store = new MemoryResourceStore();
  const hub = {
    nodes: async () => [{ node: "edge" }] as never,
    resources: async () => resources as ResourceView[],
  };
  const objects = await openObjects({ store, hub, clock, log: silentLogger, dataDir: path, caPem: "the CA" });
  onTestFinished(() => objects.close());
  return { ...objects, clock, store };
}

export const map = (name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", ...more },
});

export async function isThere(
  { registry }: HubObjects,
  resource: ResourceName,
  name: ObjectName,
): Promise<boolean> {
  try {
    await registry.get(resource, name);
    return true;
  } catch (error) {
    if (isReason(error, "NotFound")) return false;
    throw error;
  }
}

export const inDefault = (name: string): ObjectName => ({ namespace: "default", name });

export const lampDefinition: KubeObject = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "lamps.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "lamps", singular: "lamp", kind: "Lamp", listKind: "LampList" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};
export const lamps = { group: "example.com", version: "v1", resource: "lamps" };
