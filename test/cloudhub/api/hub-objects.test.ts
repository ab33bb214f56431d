import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { decodeJwt } from "jose";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type HubObjects, openObjects } from "../../../cloudhub/api/hub-objects.ts";
import { openResourceStore } from "../../../cloudhub/store/sqlite-resource-store.ts";
import { isReason, type KubeObject, type ObjectName, type ResourceName } from "../../../kubernetes/index.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import type { ResourceView } from "../../../protocol/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryResourceStore } from "../../support/memory-resource-store.ts";
import { temporaryDirectory } from "../../support/processes.ts";

const core = (resource: string): ResourceName => ({ group: "", version: "v1", resource });
const crds = { group: "apiextensions.k8s.io", version: "v1", resource: "customresourcedefinitions" };

interface Opened extends HubObjects {
  readonly clock: FakeClock;
  readonly store: MemoryResourceStore;
}

async function open(resources: readonly Partial<ResourceView>[] = []): Promise<Opened> {
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

const map = (name: string, more: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default", ...more },
});

async function isThere({ registry }: HubObjects, resource: ResourceName, name: ObjectName): Promise<boolean> {
  try {
    await registry.get(resource, name);
    return true;
  } catch (error) {
    if (isReason(error, "NotFound")) return false;
    throw error;
  }
}

const inDefault = (name: string): ObjectName => ({ namespace: "default", name });
const owner = (object: KubeObject, more: object = {}) => ({
  ownerReferences: [
    { apiVersion: "v1", kind: "ConfigMap", name: object.metadata.name, uid: object.metadata.uid, ...more },
  ],
});

describe("namespaces", () => {
  it("are there from the start, with a service account and the hub's CA", async () => {
    const objects = await open();
    const { items } = await objects.registry.list(core("namespaces"));
    expect(items.map(({ metadata }) => metadata.name)).toEqual([
      "default",
      "kube-node-lease",
      "kube-public",
      "kube-system",
      "kubeedge",
    ]);
    await vi.waitFor(async () =>
      expect(
        await isThere(objects, core("serviceaccounts"), { namespace: "kubeedge", name: "default" }),
      ).toBe(true),
    );
    await vi.waitFor(async () => {
      const ca = await objects.registry.get(core("configmaps"), inDefault("kube-root-ca.crt"));
      expect(ca.data).toEqual({ "ca.crt": "the CA" });
    });
  });

  it("are emptied before they go, and wait for pods on nodes", async () => {
    const objects = await open();
    const { registry } = objects;
    await registry.create(core("namespaces"), {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: "n" },
    });
    await registry.create(core("configmaps"), { ...map("a"), metadata: { name: "a", namespace: "n" } });
    await registry.create(core("pods"), {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "n" },
      spec: { nodeName: "edge", containers: [{ name: "c", image: "i" }] },
    });
    const going = await registry.delete(core("namespaces"), { name: "n" });
    expect(going.status).toMatchObject({ phase: "Terminating" });
    const pod = { namespace: "n", name: "p" };
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("configmaps"), { namespace: "n", name: "a" })).toBe(false),
    );
    await vi.waitFor(async () =>
      expect((await registry.get(core("pods"), pod)).metadata.deletionTimestamp).toBeDefined(),
    );
    expect(await isThere(objects, core("namespaces"), { name: "n" })).toBe(true);
    await registry.delete(core("pods"), pod, { gracePeriodSeconds: 0 });
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("namespaces"), { name: "n" })).toBe(false),
    );
  });
});

it("leaves nothing behind in a namespace that goes while something is made in it", async () => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const limits = { maxObjectCharacters: 1_000_000, history: { changes: 1_000, characters: 1 << 30 } };
  const file = {
    file: join(path, "resources.db"),
    create: true,
    synchronous: "full",
    maxBytes: 0,
  } as const;
  const clock = systemClock;
  const store = await openResourceStore({ ...file, ...limits }, clock, () => {});
  onTestFinished(() => store.close());
  const hub = { nodes: async () => [], resources: async () => [] };
  const parts = { store, hub, clock, log: silentLogger, dataDir: path, caPem: "the CA" };
  const objects = await openObjects(parts);
  onTestFinished(() => objects.close());
  const { registry } = objects;
  for (let round = 0; round < 4; round++) {
    const name = `n${round}`;
    await registry.create(core("namespaces"), { apiVersion: "v1", kind: "Namespace", metadata: { name } });
    const account = { type: "serviceaccounts", namespace: name, name: "default" };
    await vi.waitFor(() => expect(store.get(account)).toBeDefined(), { timeout: 15_000 });
    let marked = false;
    const going = registry.delete(core("namespaces"), { name }).then(() => {
      marked = true;
    });
    // While its deletion is on its way to the disk, nobody who makes something in it knows of it.
    const late: Promise<unknown>[] = [];
    while (!marked) {
      const metadata = { name: `late-${late.length}`, namespace: name };
      late.push(registry.create(core("configmaps"), { apiVersion: "v1", kind: "ConfigMap", metadata }));
      await setImmediate();
    }
    await Promise.allSettled([going, ...late]);
    const gone = async () => expect(await isThere(objects, core("namespaces"), { name })).toBe(false);
    await vi.waitFor(gone, { timeout: 15_000 });
    expect(store.list("configmaps", { namespace: name }).items).toEqual([]);
  }
});

describe("owners", () => {
  it("take what belongs to them along", async () => {
    const objects = await open();
    const made = await objects.registry.create(core("configmaps"), map("owner"));
    await objects.registry.create(core("configmaps"), map("child", owner(made)));
    await objects.registry.delete(core("configmaps"), inDefault("owner"));
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("configmaps"), inDefault("child"))).toBe(false),
    );
  });

  it("leave it behind if they are told to", async () => {
    const objects = await open();
    const made = await objects.registry.create(core("configmaps"), map("owner"));
    await objects.registry.create(core("configmaps"), map("child", owner(made)));
    await objects.registry.delete(core("configmaps"), inDefault("owner"), { propagationPolicy: "Orphan" });
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("configmaps"), inDefault("owner"))).toBe(false),
    );
    const child = await objects.registry.get(core("configmaps"), inDefault("child"));
    expect(child.metadata.ownerReferences).toBeUndefined();
  });

  it("wait for it if they are told to", async () => {
    const objects = await open();
    const { registry } = objects;
    const made = await registry.create(core("configmaps"), map("owner"));
    const held = { ...owner(made, { blockOwnerDeletion: true }), finalizers: ["x/y"] };
    await registry.create(core("configmaps"), map("child", held));
    await registry.delete(core("configmaps"), inDefault("owner"), { propagationPolicy: "Foreground" });
    await vi.waitFor(async () =>
      expect(
        (await registry.get(core("configmaps"), inDefault("child"))).metadata.deletionTimestamp,
      ).toBeDefined(),
    );
    expect(await isThere(objects, core("configmaps"), inDefault("owner"))).toBe(true);
    await registry.revise(core("configmaps"), inDefault("child"), ({ metadata, ...rest }) => {
      const { finalizers: _, ...others } = metadata;
      return { ...rest, metadata: others } as KubeObject;
    });
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("configmaps"), inDefault("owner"))).toBe(false),
    );
  });
});

describe("tokens of service accounts", () => {
  const request = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: { creationTimestamp: null },
    spec: {
      audiences: null,
      expirationSeconds: 3607,
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p", uid: "" },
    },
    status: { token: "", expirationTimestamp: null },
  };

  async function withPod() {
    const objects = await open();
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("serviceaccounts"), inDefault("default"))).toBe(true),
    );
    const pod = await objects.registry.create(core("pods"), {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p", namespace: "default" },
      spec: { containers: [{ name: "c", image: "i" }] },
    });
    const spec = {
      ...request.spec,
      boundObjectRef: { ...request.spec.boundObjectRef, uid: pod.metadata.uid },
    };
    return { ...objects, spec };
  }

  it("are given out for a request that comes back unchanged", async () => {
    const { registry, tokens, spec } = await withPod();
    const answer = await registry.request(core("serviceaccounts"), inDefault("default"), "token", {
      ...request,
      spec,
    });
    expect(answer.spec).toEqual(spec);
    const { token, expirationTimestamp } = answer.status as { token: string; expirationTimestamp: string };
    expect(expirationTimestamp).toBe("2026-01-01T01:00:07Z");
    expect(decodeJwt(token)).toMatchObject({
      sub: "system:serviceaccount:default:default",
      "kubernetes.io": { namespace: "default", pod: { name: "p" }, serviceaccount: { name: "default" } },
    });
    expect(await tokens.verify(token)).toMatchObject({
      name: "system:serviceaccount:default:default",
      groups: expect.arrayContaining(["system:serviceaccounts:default"]),
    });
  });

  it("are good no longer than their pod and their time", async () => {
    const { registry, tokens, spec, clock } = await withPod();
    const ask = () =>
      registry.request(core("serviceaccounts"), inDefault("default"), "token", { ...request, spec });
    const { token } = (await ask()).status as { token: string };
    await registry.delete(core("pods"), inDefault("p"));
    await expect(tokens.verify(token)).rejects.toMatchObject({ reason: "Unauthorized" });
    await expect(ask()).rejects.toMatchObject({ reason: "NotFound" });
    const plain = { ...request, spec: { expirationSeconds: 600 } };
    const other = await registry.request(core("serviceaccounts"), inDefault("default"), "token", plain);
    await clock.advance(601_000);
    const late = (other.status as { token: string }).token;
    await expect(tokens.verify(late)).rejects.toMatchObject({ reason: "Unauthorized" });
  });
});

it("removes a definition's objects before the definition", async () => {
  const objects = await open();
  const { registry } = objects;
  await registry.create(crds, {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "lamps.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "lamps", singular: "lamp", kind: "Lamp", listKind: "LampList" },
      versions: [
        { name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } },
      ],
    },
  });
  const lamps = { group: "example.com", version: "v1", resource: "lamps" };
  const lamp = { apiVersion: "example.com/v1", kind: "Lamp", metadata: { name: "l", namespace: "default" } };
  expect((await registry.create(lamps, lamp)).metadata.generation).toBe(1);
  await registry.delete(crds, { name: "lamps.example.com" });
  await vi.waitFor(async () =>
    expect(await isThere(objects, crds, { name: "lamps.example.com" })).toBe(false),
  );
  await expect(registry.list(lamps)).rejects.toMatchObject({ reason: "NotFound" });
  expect(objects.store.list("lamps.example.com").items).toEqual([]);
});

it("forgets events after an hour", async () => {
  const { registry, clock, store } = await open();
  await registry.create(core("events"), {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "e", namespace: "default" },
    involvedObject: { kind: "Pod", namespace: "default", name: "p" },
    reason: "Started",
    message: "it runs",
    type: "Normal",
    lastTimestamp: "2026-01-01T00:00:00Z",
  });
  await clock.advance(3_590_000);
  expect(store.list("events").items).toHaveLength(1);
  await clock.advance(120_000);
  await vi.waitFor(() => expect(store.list("events").items).toEqual([]));
});

it("shows what nodes have as KubeEdge names it", async () => {
  const checkpoint = {
    version: "17",
    deleted: false,
    at: Date.UTC(2026, 0, 1),
  } as ResourceView["checkpoint"];
  const { registry } = await open([
    { resource: "default/configmap/a", checkpoint },
    { resource: "default/configmap/unknown", checkpoint },
    { resource: "membership/detail", checkpoint },
  ]);
  const made = await registry.create(core("configmaps"), map("a"));
  const syncs = { group: "reliablesyncs.kubeedge.io", version: "v1alpha1", resource: "objectsyncs" };
  const { items } = await registry.list(syncs, { namespace: "default" });
  expect(items).toEqual([
    expect.objectContaining({
      metadata: expect.objectContaining({ name: `edge.${made.metadata.uid}`, namespace: "default" }),
      spec: { objectAPIVersion: "v1", objectKind: "ConfigMap", objectName: "a" },
      status: { objectResourceVersion: "17" },
    }),
  ]);
  expect(await registry.get(syncs, inDefault(`edge.${made.metadata.uid}`))).toEqual(items[0]);
  await expect(registry.delete(syncs, inDefault(`edge.${made.metadata.uid}`))).rejects.toMatchObject({
    reason: "MethodNotAllowed",
  });
});
