import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { machineFacts } from "../../../edgehub/edged/machine.ts";
import {
  leaseOf,
  type NodeParts,
  nodeConditions,
  nodeObject,
  nodePatch,
  nodeStatusOf,
} from "../../../edgehub/edged/node-status.ts";
import { isBad, type Pod, parsePod } from "../../../edgehub/edged/pod.ts";
import { podStatusOf, type StatusParts } from "../../../edgehub/edged/pod-status.ts";
import { noProbes } from "../../../edgehub/edged/probe.ts";
import type { RuntimeContainer, RuntimePod } from "../../../edgehub/edged/runtime.ts";
import { statusPatch } from "../../../edgehub/edged/status-patch.ts";

/** Comparison with what a stock edgecore sent; see test/fixtures/edged. */

const fixtures = join(import.meta.dirname, "../../fixtures/edged");
const read = (name: string) => JSON.parse(readFileSync(join(fixtures, name), "utf8"));

/** An object's parts, each an object. */
type Sections = Record<string, Record<string, unknown>>;

interface Patch {
  metadata: object;
  status: Record<string, unknown> & { conditions: { type: string }[] };
}
const { pod: podObject, patches } = read("pod-lifecycle.json") as {
  pod: object;
  patches: [Patch, Patch, Patch];
};

const containerId = "4ec757d16c4c6e47703ab25f2fe15363294ee495f1bd5008816b7c2057509113";
const container: RuntimeContainer = {
  id: containerId,
  name: "c",
  attempt: 0,
  state: "running",
  image: "docker.io/oracle/busybox:1",
  imageId: "sha256:e3fcd5d63fd4fc045da0a0f4eab64d42e1319348eed22928b9918406df991e19",
  createdAt: Date.parse("2026-11-20T10:11:43Z"),
  startedAt: Date.parse("2026-11-20T10:11:43.500Z"),
  finishedAt: undefined,
  exitCode: undefined,
  reason: "",
  message: "",
  logPath: "c/0.log",
};
const pod = parsePod(podObject) as Pod;

function sandbox(containers: readonly RuntimeContainer[]): RuntimePod {
  const { uid, namespace, name } = pod;
  const createdAt = container.createdAt;
  return {
    uid,
    namespace,
    name,
    sandboxId: "s",
    attempt: 0,
    ready: true,
    ip: "10.244.77.6",
    createdAt,
    containers,
  };
}

function patchOf(containers: readonly RuntimeContainer[] | undefined, now: string, before: Patch[]): Patch {
  const parts: StatusParts = {
    view: {
      running: containers ? [sandbox(containers)] : [],
      containers: {},
      probes: new Map([[containerId, noProbes]]),
      failed: undefined,
      now: Date.parse(now),
    },
    waiting: new Map(),
    hostIp: "127.0.0.1",
    startTime: Date.parse("2026-11-20T10:11:43Z"),
    before: before.flatMap((one) => one.status.conditions) as never,
    idScheme: "containerd",
    usesHostAddress: false,
    lastWords: () => "",
  };
  return JSON.parse(statusPatch(pod, podStatusOf(pod, parts))) as Patch;
}

/** What a cloud has after patches, as far as these go: conditions merge by type, null removes, all else is replaced. */
function merged(all: readonly Patch[]): Record<string, unknown> {
  const status: Record<string, unknown> = { phase: "Pending", qosClass: "BestEffort" };
  const conditions = new Map<string, Record<string, unknown>>();
  for (const { status: patch } of all) {
    for (const one of patch.conditions) conditions.set(one.type, { ...conditions.get(one.type), ...one });
    for (const [key, value] of Object.entries(patch))
      if (!key.startsWith("$") && key !== "conditions") status[key] = value;
  }
  const present = (object: Record<string, unknown>): object =>
    Object.fromEntries(
      Object.entries(object).filter(([key, value]) => value !== null || key === "lastProbeTime"),
    );
  return { ...present(status), conditions: [...conditions.values()].map(present) };
}

describe("a pod's status goes up as a kubelet's", () => {
  it("before its container is made", () => {
    const first = patchOf(undefined, "2026-11-20T10:11:43Z", []);
    expect(merged([first])).toEqual(merged([patches[0]]));
    expect(Object.keys(first)).toEqual(["metadata", "status"]);
    expect(first.metadata).toEqual(patches[0].metadata);
  });

  it("when it runs", () => {
    const first = patchOf(undefined, "2026-11-20T10:11:43Z", []);
    const second = patchOf([container], "2026-11-20T10:11:44Z", [first]);
    expect(merged([first, second])).toEqual(merged(patches.slice(0, 2)));
    // The newest alone says it all: while there is no link only that one is kept.
    expect(merged([second])).toEqual(merged(patches.slice(0, 2)));
  });

  it("when it has been stopped", () => {
    const first = patchOf(undefined, "2026-11-20T10:11:43Z", []);
    const second = patchOf([container], "2026-11-20T10:11:44Z", [first]);
    const finishedAt = Date.parse("2026-11-20T10:11:53Z");
    const ended: RuntimeContainer = {
      ...container,
      state: "exited",
      exitCode: 137,
      finishedAt,
      reason: "Error",
    };
    const third = patchOf([ended], "2026-11-20T10:11:54Z", [second]);
    expect(merged([first, second, third])).toEqual(merged(patches));
  });

  it("naming the addresses that it has no more", () => {
    const patch = JSON.parse(
      statusPatch(pod, { phase: "Running", podIPs: [{ ip: "10.0.0.2" }] }, ["10.0.0.1"]),
    ) as Patch;
    expect(patch.status.podIPs).toEqual([{ ip: "10.0.0.2" }, { $patch: "delete", ip: "10.0.0.1" }]);
  });
});

describe("the node is reported as edgecore's", () => {
  const { node, lease } = read("node.json") as { node: Sections; lease: Sections };
  const parts: NodeParts = {
    name: "edge-b",
    hostIp: "127.0.0.1",
    capacity: { cpus: 2, memoryBytes: 24_684_096 * 1_024 },
    allocatable: { cpuMillis: 2_000, memoryBytes: 24_581_696 * 1_024 },
    diskTotalBytes: undefined,
    free: { memoryBytes: 2 ** 32, diskBytes: undefined, processes: 30_000 },
    maxPods: 110,
    info: { ...machineFacts().info(), architecture: "amd64", operatingSystem: "linux" },
    runtimeVersion: "containerd 1.6.20",
    runtimeProblem: undefined,
    images: [],
  };
  const now = Date.parse("2026-11-20T10:10:43Z");

  it("at its registration", () => {
    const made = nodeObject(parts, nodeConditions(parts, [], now)) as Sections & { status: Sections };
    const labels = made.metadata?.labels;
    expect(labels).toEqual(node.metadata?.labels);
    const theirs = node.status as Sections;
    const ours = made.status;
    for (const field of ["capacity", "allocatable", "conditions", "addresses"])
      expect(ours[field]).toEqual(theirs[field]);
    expect(Object.keys(ours.nodeInfo ?? {}).sort()).toEqual(Object.keys(theirs.nodeInfo ?? {}).sort());
    expect(ours.nodeInfo?.containerRuntimeVersion).toBe("containerd://1.6.20");
    expect(ours.nodeInfo?.kubeletVersion).toMatch(/^v1\.26\.\d+-kubeedge-v/);
  });

  it("with a lease", () => {
    const made = leaseOf({ name: "edge-b", uid: "" }, undefined, 40, now);
    expect(made.spec).toMatchObject({ ...lease.spec, renewTime: "2026-11-20T10:10:43.000000Z" });
    const owned = leaseOf({ name: "edge-b", uid: "u" }, undefined, 40, now).metadata;
    expect(owned).toMatchObject({
      name: "edge-b",
      ownerReferences: [{ kind: "Node", name: "edge-b", uid: "u" }],
    });
    const known = {
      metadata: { resourceVersion: "7" },
      spec: { leaseTransitions: 2, renewTime: "long ago" },
    };
    expect(leaseOf({ name: "edge-b", uid: undefined }, known, 40, now)).toMatchObject({
      metadata: { resourceVersion: "7" },
      spec: { leaseTransitions: 2, renewTime: "2026-11-20T10:10:43.000000Z" },
    });
    // Its owner's uid is known later.
    expect(leaseOf({ name: "edge-b", uid: "u" }, known, 40, now).metadata).toEqual({
      resourceVersion: "7",
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: "edge-b", uid: "u" }],
    });
  });

  it("as not ready while the container runtime is down, with the time of the change", () => {
    const before = nodeConditions(parts, [], now);
    const down = { ...parts, runtimeProblem: "container runtime is down: refused" };
    const after = nodeConditions(down, before, now + 5_000);
    expect(after.at(-1)).toMatchObject({
      type: "Ready",
      status: "False",
      reason: "EdgeNotReady",
      lastTransitionTime: "2026-11-20T10:10:48Z",
    });
    expect(after[0]).toMatchObject({
      lastTransitionTime: "2026-11-20T10:10:43Z",
      lastHeartbeatTime: "2026-11-20T10:10:48Z",
    });
  });

  it("under pressure when memory, disk or processes run out", () => {
    const free = { memoryBytes: 1_000, diskBytes: 9, processes: 10 };
    const conditions = nodeConditions({ ...parts, free, diskTotalBytes: 100 }, [], now);
    expect(conditions.slice(0, 3).map(({ type, status }) => `${type} ${status}`)).toEqual([
      "MemoryPressure True",
      "DiskPressure True",
      "PIDPressure True",
    ]);
  });

  it("as one without isolation when pods are plain processes", () => {
    const status = nodeStatusOf(
      parts,
      nodeConditions({ ...parts, runtimeVersion: "process 0.1.0" }, [], now),
    );
    expect(JSON.parse(nodePatch(status, undefined)).status.conditions.at(-1).message).toContain(
      "WITHOUT ISOLATION",
    );
  });
});

it("the recorded pod is read without complaint", () => {
  expect(isBad(pod)).toBe(false);
});
