import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openObjects } from "../../../cloudhub/api/hub-objects.ts";
import { openResourceStore } from "../../../cloudhub/store/sqlite-resource-store.ts";
import type { KubeObject } from "../../../kubernetes/index.ts";
import { systemClock } from "../../../platform/clock.ts";
import { silentLogger } from "../../../platform/logger.ts";
import { temporaryDirectory } from "../../support/processes.ts";
import { core, crds, inDefault, isThere, lampDefinition, lamps, map, open } from "./opened-objects.ts";

/** What is looked after by itself: namespaces, owners, definitions. */

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

it("empties a namespace with eight deletions at a time", async () => {
  const objects = await open();
  const { registry } = objects;
  const metadata = { name: "n" };
  await registry.create(core("namespaces"), { apiVersion: "v1", kind: "Namespace", metadata });
  for (let i = 0; i < 30; i++) await registry.create(core("configmaps"), map(`m${i}`, { namespace: "n" }));
  let underWay = 0;
  let most = 0;
  const remove = registry.remove.bind(registry);
  vi.spyOn(registry, "remove").mockImplementation(async (resource, name, options) => {
    if (resource.resource === "configmaps") most = Math.max(most, ++underWay);
    await setImmediate();
    return await remove(resource, name, options).finally(() => {
      if (resource.resource === "configmaps") underWay--;
    });
  });
  await registry.delete(core("namespaces"), { name: "n" });
  await vi.waitFor(async () => expect(await isThere(objects, core("namespaces"), { name: "n" })).toBe(false));
  expect(most).toBe(8);
  expect(objects.store.list("configmaps", { namespace: "n" }).items).toEqual([]);
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

  it("of a kind that nobody knows are nobody's to judge, until it is defined", async () => {
    const objects = await open();
    const { registry, clock } = objects;
    const reference = { apiVersion: "example.com/v1", kind: "Lamp", name: "l", uid: "gone" };
    const other = { ...reference, apiVersion: "example.com/v2" };
    for (const [name, owner] of Object.entries({ child: reference, elder: other }))
      await registry.create(core("configmaps"), map(name, { ownerReferences: [owner] }));
    await registry.create(core("configmaps"), map("freed", { ownerReferences: [reference] }));
    await registry.update(core("configmaps"), map("freed"));
    await clock.advance(60_000);
    expect(await isThere(objects, core("configmaps"), inDefault("child"))).toBe(true);
    await registry.create(crds, lampDefinition);
    await vi.waitFor(async () =>
      expect(await isThere(objects, core("configmaps"), inDefault("child"))).toBe(false),
    );
    for (const name of ["elder", "freed"])
      expect(await isThere(objects, core("configmaps"), inDefault(name))).toBe(true);
  });

  it("of a kind that was not known keep what belongs to them when it is defined", async () => {
    const objects = await open();
    const { registry, clock } = objects;
    await registry.create(crds, lampDefinition);
    const metadata = { name: "l", namespace: "default" };
    const lamp = await registry.create(lamps, { apiVersion: "example.com/v1", kind: "Lamp", metadata });
    const mine = { apiVersion: "example.com/v1", kind: "Lamp", name: "l", uid: lamp.metadata.uid };
    const missing = { apiVersion: "example.com/v2", kind: "Lamp", name: "l", uid: lamp.metadata.uid };
    await registry.create(core("configmaps"), map("child", { ownerReferences: [mine, missing] }));
    const [version] = (lampDefinition.spec as { versions: [object] }).versions;
    const second = { ...version, name: "v2", storage: false };
    await registry.patch(crds, { name: "lamps.example.com" }, "merge", {
      spec: { versions: [version, second] },
    });
    await clock.advance(60_000);
    expect(await isThere(objects, core("configmaps"), inDefault("child"))).toBe(true);
    await registry.delete(lamps, inDefault("l"));
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

it("removes a definition's objects before the definition", async () => {
  const objects = await open();
  const { registry } = objects;
  await registry.create(crds, lampDefinition);
  const lamp = { apiVersion: "example.com/v1", kind: "Lamp", metadata: { name: "l", namespace: "default" } };
  expect((await registry.create(lamps, lamp)).metadata.generation).toBe(1);
  await registry.delete(crds, { name: "lamps.example.com" });
  await vi.waitFor(async () =>
    expect(await isThere(objects, crds, { name: "lamps.example.com" })).toBe(false),
  );
  await expect(registry.list(lamps)).rejects.toMatchObject({ reason: "NotFound" });
  expect(objects.store.list("lamps.example.com").items).toEqual([]);
});
