import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { isReason, type KubeObject, type ObjectsApi, type WatchEvent } from "../../kubernetes/index.ts";
import { connectHub, type HubClient } from "../../sdk/index.ts";
import { startWorld, type World } from "../support/world.ts";

const configMaps = { group: "", version: "v1", resource: "configmaps" };
const name = { namespace: "default", name: "a" };
const map = (data: object = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: name,
  data,
});

async function connected(world: World): Promise<HubClient> {
  const { url, token, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8"));
  const client = await connectHub({ url, token, ca });
  onTestFinished(() => client.close());
  return client;
}

/** Reads so many events of a watch, then ends it. */
async function events(objects: ObjectsApi, resourceVersion: string, count: number): Promise<WatchEvent[]> {
  const end = new AbortController();
  const found: WatchEvent[] = [];
  for await (const event of objects.watch(configMaps, {
    resourceVersion,
    fieldSelector: "metadata.name=a",
    signal: end.signal,
  })) {
    found.push(event);
    if (found.length === count) end.abort();
  }
  return found;
}

it("does with objects over HTTPS what the hub does in its process", async () => {
  const world = await startWorld();
  const { objects } = await connected(world);
  const made = await objects.create(configMaps, map({ k: "1" }));
  expect(await world.hub.objects.get(configMaps, name)).toEqual(made);
  const changed = await objects.update(configMaps, { ...made, data: { k: "2" } });
  const stale = await objects.update(configMaps, made).catch((error: unknown) => error);
  expect(isReason(stale, "Conflict")).toBe(true);
  const patched = await objects.patch(configMaps, name, "merge", { data: { l: "3" } });
  expect(patched).toMatchObject({ data: { k: "2", l: "3" } });
  const list = await objects.list(configMaps, { namespace: "default", fieldSelector: "metadata.name=a" });
  expect(list.items).toEqual([patched]);
  const { resourceVersion = "" } = changed.metadata;
  await objects.delete(configMaps, name);
  const seen = await events(objects, resourceVersion, 2);
  expect(seen.map(({ type }) => type)).toEqual(["MODIFIED", "DELETED"]);
  const gone = await objects.get(configMaps, name).catch((error: unknown) => error);
  expect(gone).toMatchObject({ reason: "NotFound", code: 404, details: { kind: "configmaps", name: "a" } });
});

it("throws what a watch from another store's version is told", async () => {
  const world = await startWorld();
  const { objects } = await connected(world);
  await expect(events(objects, "1", 1)).rejects.toMatchObject({ reason: "Expired", code: 410 });
});

it("asks for a token of a service account", async () => {
  const world = await startWorld();
  const { objects } = await connected(world);
  const accounts = { group: "", version: "v1", resource: "serviceaccounts" };
  const account = { namespace: "default", name: "default" };
  const spec = { audiences: null, expirationSeconds: 3607 };
  const answer = await objects.request(accounts, account, "token", {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: {},
    spec,
  });
  expect(answer).toMatchObject({ spec, status: { token: expect.stringMatching(/^eyJ/) } });
});

it("says so when the hub is away, and ends watches that were cut", async () => {
  const world = await startWorld();
  const { objects } = await connected(world);
  const { metadata } = await objects.list(configMaps);
  const watching = events(objects, metadata.resourceVersion, 1).catch((error: unknown) => error);
  const made = await objects.create(configMaps, map());
  expect(await watching).toMatchObject([{ type: "ADDED", object: { metadata: made.metadata } }]);
  const cut = events(objects, made.metadata.resourceVersion ?? "", 1).catch((error: unknown) => error);
  await world.stopHub();
  expect(await cut).toMatchObject({ reason: "ServiceUnavailable" });
  const failure = await objects.get(configMaps, name).catch((error: unknown) => error);
  expect(failure).toMatchObject({ reason: "ServiceUnavailable" });
});

it("may do nothing without a role, and what its role allows with one", async () => {
  const world = await startWorld();
  const { url, ca } = JSON.parse(readFileSync(world.hub.adminFile, "utf8"));
  const token = await world.hub.admin.createController("reader", { nodes: [], groups: [], verbs: ["read"] });
  const client = await connectHub({ url, token, ca });
  onTestFinished(() => client.close());
  const refused = await client.objects.list(configMaps, { namespace: "default" }).catch((e: unknown) => e);
  expect(refused).toMatchObject({
    reason: "Forbidden",
    message:
      'configmaps is forbidden: User "reader" cannot list resource "configmaps" in API group "" in the namespace "default"',
  });
  await world.hub.objects.create(
    { group: "rbac.authorization.k8s.io", version: "v1", resource: "rolebindings" },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "readers", namespace: "default" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "reader" }],
    },
  );
  await client.objects.list(configMaps, { namespace: "default" });
  await expect(client.objects.list(configMaps)).rejects.toMatchObject({ reason: "Forbidden" });
  await expect(client.objects.create(configMaps, map())).rejects.toMatchObject({ reason: "Forbidden" });
});
