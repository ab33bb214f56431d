import { describe, expect, it } from "vitest";
import { leases, nodes, pods } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { Cloud, recordedPod } from "./cloud.ts";
import { eventually } from "./patience.ts";
import { current, type Line, line115, StockKubelet } from "./stock-kubelet.ts";

/** A stock edgecore with edged on, over TLS, against a hub with controllers. */

const lines: [string, Line][] = [
  ["1.15", line115],
  ["the current line", current],
];

interface Condition {
  readonly type: string;
  readonly status: string;
}

async function started(line: Line = line115): Promise<{ cloud: Cloud; kubelet: StockKubelet }> {
  const cloud = await Cloud.start();
  const kubelet = new StockKubelet(await cloud.world.join(), line);
  return { cloud, kubelet };
}

const readyOf = async (cloud: Cloud, name: string): Promise<string | undefined> => {
  const { status } = (await cloud.objects.get(nodes, { name })) as { status?: { conditions?: Condition[] } };
  return status?.conditions?.find((one) => one.type === "Ready")?.status;
};

const phaseOf = async (cloud: Cloud, name: string): Promise<unknown> =>
  ((await cloud.objects.get(pods, { namespace: "default", name })).status as { phase?: string } | undefined)
    ?.phase;

const exists = (cloud: Cloud, name: string): Promise<boolean> =>
  cloud.objects.get(pods, { namespace: "default", name }).then(
    () => true,
    () => false,
  );

async function apply(cloud: Cloud, node: string): Promise<KubeObject> {
  const { pod, needed } = recordedPod(node);
  for (const [resource, object] of needed) await cloud.objects.create(resource, object);
  return await cloud.objects.create(pods, pod);
}

describe.each(lines)("an edgecore of %s", (_name, line) => {
  it("registers, becomes ready and renews its lease", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    const node = await cloud.objects.get(nodes, { name: kubelet.node });
    expect(node.metadata.labels).toMatchObject({ "node-role.kubernetes.io/edge": "" });
    const lease = { namespace: "kube-node-lease", name: kubelet.node };
    const versions = new Set<string | undefined>();
    await eventually(async () => {
      versions.add((await cloud.objects.get(leases, lease)).metadata.resourceVersion);
      return versions.size;
    }).toBeGreaterThan(3);
    expect(kubelet.faults).toEqual([]);
  });

  it("finds its node where another database has registered it", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    kubelet.cut();
    kubelet.rows.clear();
    await kubelet.connect();
    if (line.readsNodeLocally)
      await eventually(() => kubelet.pushed).toContain(`update null/node/${kubelet.node}`);
    expect(await readyOf(cloud, kubelet.node)).toBe("True");
    expect(kubelet.faults).toEqual([]);
  });

  it("runs a pod with its ConfigMap, Secret and token, reports it, and ends it", async () => {
    const { cloud, kubelet } = await started(line);
    await kubelet.connect();
    await apply(cloud, kubelet.node);
    await eventually(() => phaseOf(cloud, "pb")).toBe("Running");
    expect(await cloud.objects.get(pods, { namespace: "default", name: "pb" })).toMatchObject({
      status: {
        podIP: "10.244.77.6",
        conditions: [{ type: "Initialized" }, { type: "Ready", status: "True" }, {}, {}],
      },
    });
    await cloud.objects.delete(pods, { namespace: "default", name: "pb" });
    await eventually(() => exists(cloud, "pb")).toBe(false);
    await eventually(() => [...kubelet.rows.keys()].filter((key) => key.includes("/pod/"))).toEqual([]);
    const ofPod = kubelet.pushed.filter((one) => one.endsWith("/pod/pb"));
    expect(ofPod.at(0)).toBe("insert default/pod/pb");
    expect(ofPod.at(-1)).toBe("delete default/pod/pb");
    expect(kubelet.faults).toEqual([]);
  });
});
