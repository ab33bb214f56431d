import { nodes, pods } from "../../controllers/runtime/kinds.ts";
import type { KubeObject } from "../../kubernetes/index.ts";
import { Cloud, type CloudOptions, recordedPod } from "./cloud.ts";
import { eventually } from "./patience.ts";
import type { Line } from "./stock-edgecore.ts";
import { StockKubelet } from "./stock-kubelet.ts";

/** A cloud and a stock edgecore with edged on, and what people see of its node and pod. */

interface Condition {
  readonly type: string;
  readonly status: string;
}

export async function started(
  line: Line,
  options: CloudOptions = {},
): Promise<{ cloud: Cloud; kubelet: StockKubelet }> {
  const cloud = await Cloud.start(options);
  const kubelet = new StockKubelet(await cloud.join(), line);
  return { cloud, kubelet };
}

export const readyOf = async (cloud: Cloud, name: string): Promise<string | undefined> => {
  const { status } = (await cloud.objects.get(nodes, { name })) as { status?: { conditions?: Condition[] } };
  return status?.conditions?.find((one) => one.type === "Ready")?.status;
};

export const phaseOf = async (cloud: Cloud, name: string): Promise<unknown> =>
  ((await cloud.objects.get(pods, { namespace: "default", name })).status as { phase?: string } | undefined)
    ?.phase;

export const exists = (cloud: Cloud, name: string): Promise<boolean> =>
  cloud.objects.get(pods, { namespace: "default", name }).then(
    () => true,
    () => false,
  );

/** The recorded pod, with what it needs. */
export async function apply(cloud: Cloud, node: string): Promise<KubeObject> {
  const { pod, needed } = recordedPod(node);
  for (const [resource, object] of needed) await cloud.objects.create(resource, object);
  return await cloud.objects.create(pods, pod);
}

export const ofPods = (kubelet: StockKubelet): string[] =>
  kubelet.pushed.filter((one) => one.includes("/pod/"));

/** The recorded pod runs on the node. */
export async function withPod(
  line: Line,
  options: CloudOptions = {},
): Promise<{ cloud: Cloud; kubelet: StockKubelet; pod: KubeObject }> {
  const { cloud, kubelet } = await started(line, options);
  await kubelet.connect();
  const pod = await apply(cloud, kubelet.node);
  await eventually(() => phaseOf(cloud, "pb")).toBe("Running");
  return { cloud, kubelet, pod };
}
