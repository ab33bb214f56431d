import { decodeJwt } from "jose";
import { describe, expect, it, vi } from "vitest";
import type { ResourceView } from "../../../protocol/index.ts";
import { core, inDefault, isThere, map, open } from "./opened-objects.ts";

/** What of a hub's objects is no plain object: tokens of service accounts, events, what nodes have. */

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
