import { describe, expect, it, onTestFinished } from "vitest";
import { Kinds } from "../../../cloudhub/api/kinds.ts";
import { Registry } from "../../../cloudhub/api/registry.ts";
import { ApiError, type KubeObject, type WatchEvent } from "../../../kubernetes/index.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { MemoryResourceStore } from "../../support/memory-resource-store.ts";
import { openResources } from "../../support/resource-store.ts";

const configMaps = { group: "", version: "v1", resource: "configmaps" };
const pods = { group: "", version: "v1", resource: "pods" };
const namespaces = { group: "", version: "v1", resource: "namespaces" };
const deployments = { group: "apps", version: "v1", resource: "deployments" };

async function registry() {
  const store = new MemoryResourceStore();
  const clock = new FakeClock();
  const api = new Registry({ store, clock, kinds: new Kinds() });
  await api.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  return { store, clock, api };
}

const map = (name: string, data: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "default" },
  data,
});
const pod = (spec: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "default" },
  spec: { containers: [{ name: "web", image: "web:1" }], ...spec },
});
const web = { namespace: "default", name: "web" };

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("a new object", () => {
  it("gets what the server decides", async () => {
    const { api } = await registry();
    const made = await api.create(configMaps, map("a", { k: "v" }));
    expect(made.metadata).toMatchObject({
      uid: expect.stringMatching(/^[-0-9a-f]{36}$/),
      resourceVersion: "2",
    });
    expect(made.metadata.creationTimestamp).toMatch(/^\d{4}-.*Z$/);
    expect(await api.get(configMaps, { namespace: "default", name: "a" })).toEqual(made);
  });

  it("is named after its prefix if it has no name", async () => {
    const { api } = await registry();
    const object = map("x");
    const made = await api.create(configMaps, {
      ...object,
      metadata: { namespace: "default", generateName: "a-" },
    });
    expect(made.metadata.name).toMatch(/^a-[a-z0-9]{5}$/);
  });

  it("needs a namespace that is there and lives", async () => {
    const { api } = await registry();
    const elsewhere = { ...map("a"), metadata: { name: "a", namespace: "nowhere" } };
    expect(await failure(api.create(configMaps, elsewhere))).toMatchObject({ reason: "NotFound" });
    await api.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "nowhere" } });
    await api.delete(namespaces, { name: "nowhere" });
    const refused = await failure(api.create(configMaps, elsewhere));
    expect(refused).toMatchObject({
      reason: "Forbidden",
      details: { causes: [{ reason: "NamespaceTerminating" }] },
    });
  });

  it("is refused if it is there already, if its kind is another one, or if it has a version", async () => {
    const { api } = await registry();
    const made = await api.create(configMaps, map("a"));
    expect(await failure(api.create(configMaps, map("a")))).toMatchObject({ reason: "AlreadyExists" });
    expect(await failure(api.create(configMaps, pod()))).toMatchObject({ reason: "BadRequest" });
    expect(await failure(api.create(configMaps, made))).toMatchObject({ reason: "BadRequest" });
  });

  it("is not there after a dry run", async () => {
    const { api } = await registry();
    const made = await api.create(configMaps, map("a"), { dryRun: true });
    expect(made.metadata.uid).toBeDefined();
    expect(await failure(api.get(configMaps, { namespace: "default", name: "a" }))).toMatchObject({
      reason: "NotFound",
      message: 'configmaps "a" not found',
    });
  });
});

describe("a change", () => {
  it("of an old version is refused", async () => {
    const { api } = await registry();
    const made = await api.create(configMaps, map("a"));
    await api.update(configMaps, { ...made, data: { k: "1" } });
    const refused = await failure(api.update(configMaps, { ...made, data: { k: "2" } }));
    expect(refused.reason).toBe("Conflict");
    expect(refused.message).toContain("the object has been modified");
  });

  it("that changes nothing writes nothing", async () => {
    const { api, store } = await registry();
    const made = await api.create(configMaps, map("a", { k: "v" }));
    const before = store.revision;
    expect(await api.update(configMaps, made)).toEqual(made);
    expect(store.revision).toBe(before);
  });

  it("keeps what identifies the object", async () => {
    const { api } = await registry();
    const made = await api.create(configMaps, map("a"));
    const { resourceVersion: _, uid: __, ...metadata } = made.metadata;
    const changed = await api.update(configMaps, {
      ...made,
      metadata: {
        ...metadata,
        creationTimestamp: null,
        deletionTimestamp: "2020-01-01T00:00:00Z",
        labels: { a: "b" },
      },
    });
    expect(changed.metadata).toMatchObject({
      uid: made.metadata.uid,
      creationTimestamp: made.metadata.creationTimestamp,
      labels: { a: "b" },
    });
    expect(changed.metadata.deletionTimestamp).toBeUndefined();
  });

  it("of the spec leaves the status alone and counts, one of the status leaves the spec alone", async () => {
    const { api } = await registry();
    const template = { metadata: { labels: { app: "web" } }, spec: pod().spec };
    const made = await api.create(deployments, {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: web,
      spec: { replicas: 1, selector: { matchLabels: { app: "web" } }, template },
      status: { replicas: 7 },
    });
    expect(made).toMatchObject({ metadata: { generation: 1 } });
    expect(made.status).not.toMatchObject({ replicas: 7 });
    const reported = await api.patch(
      deployments,
      web,
      "merge",
      { status: { replicas: 1 }, spec: { replicas: 5 } },
      {
        subresource: "status",
      },
    );
    expect(reported).toMatchObject({
      metadata: { generation: 1 },
      status: { replicas: 1 },
      spec: { replicas: 1 },
    });
    const scaled = await api.patch(deployments, web, "merge", {
      status: { replicas: 9 },
      spec: { replicas: 2 },
    });
    expect(scaled).toMatchObject({
      metadata: { generation: 2 },
      status: { replicas: 1 },
      spec: { replicas: 2 },
    });
  });

  it("by patch succeeds although others change the object at the same time", async () => {
    const { api } = await registry();
    await api.create(configMaps, map("a"));
    const name = { namespace: "default", name: "a" };
    const keys = ["a", "b", "c", "d", "e"];
    await Promise.all(keys.map((key) => api.patch(configMaps, name, "merge", { data: { [key]: "1" } })));
    expect((await api.get(configMaps, name)).data).toEqual({ a: "1", b: "1", c: "1", d: "1", e: "1" });
  });
});

describe("a deletion", () => {
  it("of a pod on a node waits for the node", async () => {
    const { api } = await registry();
    await api.create(pods, pod({ nodeName: "edge", terminationGracePeriodSeconds: 20 }));
    const going = await api.delete(pods, web);
    expect(going.metadata).toMatchObject({ deletionGracePeriodSeconds: 20 });
    expect((await api.get(pods, web)).metadata.deletionTimestamp).toBeDefined();
    await api.delete(pods, web, { gracePeriodSeconds: 0 });
    expect(await failure(api.get(pods, web))).toMatchObject({ reason: "NotFound" });
  });

  it("of a pod without a node happens at once", async () => {
    const { api } = await registry();
    await api.create(pods, pod());
    expect(await api.remove(pods, web)).toMatchObject({ gone: true });
  });

  it("waits for finalizers", async () => {
    const { api } = await registry();
    const object = map("a");
    await api.create(configMaps, { ...object, metadata: { ...object.metadata, finalizers: ["x/y"] } });
    const name = { namespace: "default", name: "a" };
    expect(await api.remove(configMaps, name)).toMatchObject({ gone: false });
    const more = { metadata: { finalizers: ["x/y", "x/z"] } };
    expect(await failure(api.patch(configMaps, name, "merge", more))).toMatchObject({ reason: "Invalid" });
    await api.patch(configMaps, name, "merge", { metadata: { finalizers: null } });
    expect(await failure(api.get(configMaps, name))).toMatchObject({ reason: "NotFound" });
  });

  it("of another object of the same name does not happen", async () => {
    const { api } = await registry();
    await api.create(pods, pod());
    const refused = await failure(api.delete(pods, web, { preconditions: { uid: "other" } }));
    expect(refused.reason).toBe("Conflict");
  });

  it("of the namespace default is forbidden", async () => {
    const { api } = await registry();
    expect(await failure(api.delete(namespaces, { name: "default" }))).toMatchObject({ reason: "Forbidden" });
  });
});

describe("lists and watches", () => {
  it("gives a list in pages, with what is selected", async () => {
    const { api } = await registry();
    for (const name of ["a", "b", "c"]) await api.create(configMaps, map(name));
    const first = await api.list(configMaps, { namespace: "default", limit: 2 });
    expect(first).toMatchObject({ kind: "ConfigMapList", metadata: { remainingItemCount: 1 } });
    const rest = await api.list(configMaps, { namespace: "default", continue: first.metadata.continue });
    expect([...first.items, ...rest.items].map(({ metadata }) => metadata.name)).toEqual(["a", "b", "c"]);
    const selected = await api.list(configMaps, { fieldSelector: "metadata.name=b" });
    expect(selected.items).toHaveLength(1);
  });

  it("tells a watcher with a selector what comes, changes and goes for him", async () => {
    const { api, store } = await registry();
    const end = new AbortController();
    const from = String(store.revision);
    const events: WatchEvent[] = [];
    await api.create(configMaps, map("a"));
    const name = { namespace: "default", name: "a" };
    for (const on of ["1", "1", null]) {
      await api.patch(configMaps, name, "merge", {
        metadata: { labels: { on } },
        data: { k: String(events.length + Math.random()) },
      });
    }
    for await (const event of api.watch(configMaps, {
      resourceVersion: from,
      labelSelector: "on",
      signal: end.signal,
    })) {
      events.push(event);
      if (events.length === 3) end.abort();
    }
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "MODIFIED", "DELETED"]);
  });

  it("begins a watch with what is there, closed by a bookmark", async () => {
    const { api } = await registry();
    await api.create(configMaps, map("a"));
    const end = new AbortController();
    const events: WatchEvent[] = [];
    for await (const event of api.watch(configMaps, { sendInitialEvents: true, signal: end.signal })) {
      events.push(event);
      if (event.type === "BOOKMARK") end.abort();
    }
    expect(events.map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK"]);
    expect(events[1]?.object).toMatchObject({
      kind: "ConfigMap",
      metadata: { annotations: { "k8s.io/initial-events-end": "true" } },
    });
  });

  it("says where a quiet watch has come to", async () => {
    const { api, clock } = await registry();
    const end = new AbortController();
    const watch = api.watch(pods, { resourceVersion: "1", bookmarkMs: 1_000, signal: end.signal });
    const next = watch.next();
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1_000);
    expect((await next).value).toMatchObject({ type: "BOOKMARK", object: { kind: "Pod", apiVersion: "v1" } });
    end.abort();
    await watch.return(undefined);
  });

  it("ends a watch from a forgotten version", async () => {
    const { api, store } = await registry();
    await api.create(configMaps, map("a"));
    store.forget();
    const watch = api.watch(configMaps, { resourceVersion: "1" });
    expect(await failure(watch.next())).toMatchObject({ reason: "Expired", code: 410 });
  });
});

it("makes all changes that name no version, and the deletion too, however many come at once", async () => {
  const store = await openResources();
  onTestFinished(() => store.close());
  const api = new Registry({ store, clock: new FakeClock(), kinds: new Kinds() });
  await api.create(namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  const name = { namespace: "default", name: "a" };
  await api.create(configMaps, map("a"));
  const keys = Array.from({ length: 30 }, (_, index) => `k${index}`);
  await Promise.all(keys.map((key) => api.patch(configMaps, name, "merge", { data: { [key]: "v" } })));
  expect(Object.keys((await api.get(configMaps, name)).data as object).sort()).toEqual([...keys].sort());
  const change = api.patch(configMaps, name, "merge", { data: { last: "v" } });
  await api.delete(configMaps, name);
  await change;
  expect((await failure(api.get(configMaps, name))).reason).toBe("NotFound");
});
