import { describe, expect, it } from "vitest";
import { nodes } from "../../../controllers/runtime/kinds.ts";
import { WorkloadWorld } from "./workload-world.ts";

async function running(spec: Readonly<Record<string, unknown>> = {}): Promise<WorkloadWorld> {
  const world = await new WorkloadWorld().start();
  for (const name of ["edge-1", "edge-2", "edge-3"]) await world.node(name);
  await world.deployment({ replicas: 3, ...spec });
  await world.settle();
  await world.kubelets();
  return world;
}

const times = (count: number, what: string): string[] => Array.from({ length: count }, () => what);
const strategy = (maxSurge: number | string, maxUnavailable: number | string) => ({
  strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } },
});

describe("a Deployment", () => {
  it("gets its pods, one on each node, and a status that kubectl rollout waits for", async () => {
    const world = await running();
    const all = await world.pods();
    expect(all.map((pod) => (pod.spec as { nodeName: string }).nodeName).sort()).toEqual([
      "edge-1",
      "edge-2",
      "edge-3",
    ]);
    expect(all[0]?.metadata).toMatchObject({
      name: expect.stringMatching(/^app-[a-z0-9]{10}-[a-z0-9]{5}$/),
      labels: { app: "app", "pod-template-hash": expect.stringMatching(/^[a-z0-9]{10}$/) },
      ownerReferences: [{ kind: "Deployment", name: "app", controller: true }],
    });
    expect(await world.status()).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      unavailableReplicas: 0,
      conditions: [
        { type: "Available", status: "True", reason: "MinimumReplicasAvailable" },
        { type: "Progressing", status: "True", reason: "NewReplicaSetAvailable" },
      ],
    });
  });

  it("replaces a pod that is deleted, and makes no more than it must", async () => {
    const world = await running();
    const before = world.objects.writes.filter((one) => one.startsWith("create pods")).length;
    const [first] = await world.pods();
    await world.objects.delete(
      { group: "", version: "v1", resource: "pods" },
      { namespace: "default", name: first?.metadata.name ?? "" },
    );
    await world.settle();
    await world.kubelets();
    expect(await world.summary()).toEqual(times(3, "app:1 ready"));
    expect(world.objects.writes.filter((one) => one.startsWith("create pods"))).toHaveLength(before + 1);
  });

  it("follows the number of replicas, and lets go first what is missed least", async () => {
    const world = await running();
    const [first] = await world.pods();
    await world.report(first?.metadata.name ?? "", "Running", false);
    await world.change({ replicas: 2 });
    expect(await world.summary()).toEqual([...times(1, "app:1 ending"), ...times(2, "app:1 ready")]);
    await world.change({ replicas: 5 });
    expect((await world.summary()).filter((one) => one === "app:1 new")).toHaveLength(3);
  });

  it("whose pods fail makes new ones, but not at once", async () => {
    const world = await running({ replicas: 1 });
    const [pod] = await world.pods();
    await world.report(pod?.metadata.name ?? "", "Failed", false);
    await world.settle();
    expect(await world.pods()).toHaveLength(1);
    await world.clock.advance(40_000);
    const [next] = await world.pods();
    expect(next?.metadata.name).not.toBe(pod?.metadata.name);
  });
});

describe("a new template", () => {
  it.each([
    ["one more at a time", strategy(1, 0), ["app:1 ready", "app:1 ready", "app:1 ready", "app:2 new"]],
    ["one less at a time", strategy(0, 1), ["app:1 ending", "app:1 ready", "app:1 ready", "app:2 new"]],
    [
      "as percentages",
      strategy("34%", "34%"),
      ["app:1 ending", "app:1 ready", "app:1 ready", "app:2 new", "app:2 new", "app:2 new"],
    ],
  ])("is rolled out %s", async (_name, spec, first) => {
    const world = await running(spec);
    await world.image("app:2");
    expect(await world.summary()).toEqual(first);
    for (let i = 0; i < 10; i++) {
      const usable = (await world.summary()).filter((one) => one.endsWith("ready"));
      expect(usable.length).toBeGreaterThanOrEqual(2);
      await world.kubelets();
    }
    expect(await world.summary()).toEqual(times(3, "app:2 ready"));
    expect(await world.status()).toMatchObject({
      observedGeneration: 2,
      updatedReplicas: 3,
      availableReplicas: 3,
      replicas: 3,
    });
  });

  it("takes nothing away while its pods are not ready, and says so after the deadline", async () => {
    const world = await running({ ...strategy(1, 0), progressDeadlineSeconds: 60 });
    await world.image("app:2");
    await world.clock.advance(120_000);
    expect((await world.summary()).filter((one) => one === "app:1 ready")).toHaveLength(3);
    expect((await world.status()).conditions).toContainEqual(
      expect.objectContaining({ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded" }),
    );
  });

  it("waits for the end of all old pods with Recreate", async () => {
    const world = await running({ strategy: { type: "Recreate" } });
    await world.image("app:2");
    expect(await world.summary()).toEqual(times(3, "app:1 ending"));
    await world.kubelets();
    await world.kubelets();
    expect(await world.summary()).toEqual(times(3, "app:2 ready"));
  });

  it("changes nothing while the Deployment is paused", async () => {
    const world = await running({ paused: true });
    await world.image("app:2");
    expect(await world.summary()).toEqual(times(3, "app:1 ready"));
    await world.change({ paused: false });
    for (let i = 0; i < 10; i++) await world.kubelets();
    expect(await world.summary()).toEqual(times(3, "app:2 ready"));
  });

  it("does not count on pods of a node that is away", async () => {
    const world = await running(strategy(0, 1));
    const conditions = [{ type: "Ready", status: "Unknown" }];
    await world.objects.patch(
      nodes,
      { name: "edge-1" },
      "strategic",
      { status: { conditions } },
      { subresource: "status" },
    );
    await world.settle();
    expect(await world.status()).toMatchObject({ readyReplicas: 3, availableReplicas: 2 });
    expect(await world.summary()).toEqual(times(3, "app:1 ready"));
  });
});

it("goes on where another controller has ended", async () => {
  const world = await running(strategy(1, 0));
  await world.image("app:2");
  await world.stop();
  const pods = await world.pods();
  await world.start();
  expect(await world.pods()).toEqual(pods);
  for (let i = 0; i < 10; i++) await world.kubelets();
  expect(await world.summary()).toEqual(times(3, "app:2 ready"));
});
