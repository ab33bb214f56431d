import { describe, expect, it } from "vitest";
import { events, leases, nodes, pods } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { EdgeWorld } from "./edge-world.ts";

const edge1 = { name: "edge-1" };
const lease1 = { namespace: "kube-node-lease", name: "edge-1" };

interface NodeView {
  readonly spec: { readonly taints?: readonly { readonly key: string; readonly effect: string }[] };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function node1(world: EdgeWorld): Promise<{ ready: string | undefined; taints: string[] }> {
  const { spec, status } = (await world.objects.get(nodes, edge1)) as unknown as NodeView;
  return {
    ready: status?.conditions?.find((one) => one.type === "Ready")?.status,
    taints: (spec.taints ?? []).map(({ key, effect }) => `${key.split("/")[1]} ${effect}`),
  };
}

async function renew(world: EdgeWorld): Promise<void> {
  const spec = { renewTime: new Date(world.clock.wallTime()).toISOString(), leaseDurationSeconds: 40 };
  const lease: KubeObject = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: lease1, spec };
  await world.objects.update(leases, lease).catch(() => world.objects.create(leases, lease));
}

/** What an edged says of its node. */
async function report(world: EdgeWorld, status = "True"): Promise<void> {
  const conditions = ["Ready", "DiskPressure"].map((type) => ({
    type,
    status: type === "Ready" ? status : "False",
  }));
  await world.objects.patch(nodes, edge1, "strategic", { status: { conditions } }, { subresource: "status" });
}

/** A node whose edged renews its lease. */
async function withLease(): Promise<EdgeWorld> {
  const world = new EdgeWorld();
  await world.node("edge-1");
  await report(world);
  await renew(world);
  return await world.start();
}

const away = ["unreachable NoSchedule", "unreachable NoExecute"];

describe("a node with edged", () => {
  it("is ready as long as it renews its lease, and unknown 40 s after the last time", async () => {
    const world = await withLease();
    for (let i = 0; i < 6; i++) {
      await world.clock.advance(10_000);
      await renew(world);
    }
    await world.clock.advance(39_000);
    expect(await node1(world)).toEqual({ ready: "True", taints: [] });
    await world.clock.advance(2_000);
    expect(await node1(world)).toEqual({ ready: "Unknown", taints: away });
    const { status } = (await world.objects.get(nodes, edge1)) as unknown as NodeView;
    expect(status?.conditions?.map((one) => one.status)).toEqual(["Unknown", "Unknown"]);
    expect((await world.objects.list(events)).items).toMatchObject([{ reason: "NodeNotReady" }]);
  });

  it("is ready again when its edged says so", async () => {
    const world = await withLease();
    await world.clock.advance(60_000);
    await renew(world);
    await report(world);
    await world.clock.advance(1_000);
    expect(await node1(world)).toEqual({ ready: "True", taints: [] });
  });

  it("that is not ready is tainted so", async () => {
    const world = await withLease();
    await report(world, "False");
    await world.settle();
    expect((await node1(world)).taints).toEqual(["not-ready NoSchedule", "not-ready NoExecute"]);
  });

  it("has 40 s after a restart of the controller", async () => {
    const world = await withLease();
    await world.clock.advance(20_000);
    await world.stop();
    await world.clock.advance(600_000);
    await world.start();
    await world.clock.advance(39_000);
    expect((await node1(world)).ready).toBe("True");
    await world.clock.advance(2_000);
    expect((await node1(world)).ready).toBe("Unknown");
  });

  it("is not ready by its link when its lease is too old", async () => {
    const world = await withLease();
    world.hub.link("edge-1", true);
    await world.clock.advance(60_000);
    expect((await node1(world)).ready).toBe("Unknown");
  });
});

describe("a node without edged", () => {
  it("gets a Node object that is ready while the link is up", async () => {
    const world = await new EdgeWorld().start();
    world.hub.link("edge-1", true);
    await world.clock.advance(16_000);
    expect(await node1(world)).toEqual({ ready: "True", taints: [] });
    expect((await world.objects.get(nodes, edge1)).metadata.labels).toMatchObject({ site: "plant-2" });
    await world.clock.advance(3_600_000);
    expect((await node1(world)).ready).toBe("True");
    world.hub.link("edge-1", false);
    await world.clock.advance(39_000);
    expect((await node1(world)).ready).toBe("True");
    await world.clock.advance(42_000);
    expect(await node1(world)).toEqual({ ready: "Unknown", taints: away });
    world.hub.link("edge-1", true);
    await world.clock.advance(1_000);
    expect(await node1(world)).toEqual({ ready: "True", taints: [] });
  });
});

describe("pods of a lost node", () => {
  const tolerant = (seconds?: number) => ({
    key: "node.kubernetes.io/unreachable",
    operator: "Exists",
    effect: "NoExecute",
    ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
  });
  const isLeaving = async (world: EdgeWorld, name: string): Promise<boolean> =>
    (await world.objects.get(pods, { namespace: "default", name })).metadata.deletionTimestamp !== undefined;

  it("stay, but for those that say how long they tolerate it", async () => {
    const world = await withLease();
    for (const [name, tolerations] of Object.entries({
      silent: [],
      always: [tolerant()],
      minute: [tolerant(60)],
    })) {
      const pod = await world.pod(name, "edge-1");
      await world.objects.update(pods, { ...pod, spec: { ...(pod.spec as object), tolerations } });
    }
    await world.clock.advance(42_000 + 55_000);
    expect(await isLeaving(world, "minute")).toBe(false);
    await world.clock.advance(10_000);
    expect(await isLeaving(world, "minute")).toBe(true);
    await world.clock.advance(3_600_000);
    expect([await isLeaving(world, "silent"), await isLeaving(world, "always")]).toEqual([false, false]);
  });

  it("leave at once for a taint of somebody's own", async () => {
    const world = await withLease();
    await world.pod("a", "edge-1");
    const taints = [{ key: "broken", effect: "NoExecute" }];
    await world.objects.patch(nodes, edge1, "merge", { spec: { taints } });
    await world.settle();
    expect(await isLeaving(world, "a")).toBe(true);
  });

  it("go some time after its Node object is deleted, if they have run there; so does its lease", async () => {
    const world = await withLease();
    await world.pod("ran", "edge-1");
    await world.pod("waits", "edge-1");
    const ran = { namespace: "default", name: "ran" };
    const startTime = { status: { startTime: "2026-01-01T00:00:00Z" } };
    await world.objects.patch(pods, ran, "merge", startTime, { subresource: "status" });
    await world.objects.delete(nodes, edge1);
    await world.clock.advance(39_000);
    expect((await world.objects.list(pods)).items).toHaveLength(2);
    await world.clock.advance(2_000);
    expect((await world.objects.list(pods)).items.map((one) => one.metadata.name)).toEqual(["waits"]);
    expect((await world.objects.list(leases)).items).toEqual([]);
  });
});
