import { version } from "../../platform/version.ts";
import { diskShortage, memoryShortage, type Shortage } from "./eviction.ts";
import type { MachineInfo } from "./machine.ts";
import { kubeTime } from "./pod-status.ts";
import type { RuntimeImage } from "./runtime.ts";

/** The Node object and its status, as KubeEdge's edged reports them. Pure. */

export interface NodeParts {
  readonly name: string;
  readonly hostIp: string;
  readonly capacity: { readonly cpus: number; readonly memoryBytes: number };
  readonly allocatable: { readonly cpuMillis: number; readonly memoryBytes: number };
  readonly diskTotalBytes: number | undefined;
  readonly free: {
    readonly memoryBytes: number | undefined;
    readonly diskBytes: number | undefined;
    readonly processes: number | undefined;
  };
  /** What pods are refused for want of; absent: nothing. */
  readonly pressure?: Shortage["resource"] | undefined;
  readonly maxPods: number;
  readonly info: MachineInfo;
  /** `containerd 1.6.20`, `process 0.1.0`; empty: unknown. */
  readonly runtimeVersion: string;
  /** Why no pod can be driven; `undefined`: they can. */
  readonly runtimeProblem: string | undefined;
  readonly images: readonly RuntimeImage[];
}

export interface NodeCondition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly lastHeartbeatTime: string;
  readonly lastTransitionTime: string;
  readonly reason: string;
  readonly message: string;
}

/** The kubelet whose behaviour this is. */
const kubeletLine = "v1.26.15";
const kubeletPort = 10_350;
const lowProcesses = 1_000;
const maxImages = 50;

/** Labels every edge node carries; by the first one a cloud knows it as such. */
export function nodeLabels({ name, info }: Pick<NodeParts, "name" | "info">): Record<string, string> {
  return {
    "beta.kubernetes.io/arch": info.architecture,
    "beta.kubernetes.io/os": info.operatingSystem,
    "kubernetes.io/arch": info.architecture,
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": info.operatingSystem,
    "node-role.kubernetes.io/agent": "",
    "node-role.kubernetes.io/edge": "",
  };
}

/** The conditions now. @param before As they were, for the times of their changes. */
export function nodeConditions(
  parts: NodeParts,
  before: readonly NodeCondition[],
  now: number,
): NodeCondition[] {
  const { free, diskTotalBytes } = parts;
  const lowMemory = parts.pressure === "memory" || memoryShortage(free) !== undefined;
  const lowDisk =
    parts.pressure === "ephemeral-storage" || diskShortage({ ...free, diskTotalBytes }) !== undefined;
  const fewProcesses = free.processes !== undefined && free.processes < lowProcesses;
  const verdicts: [string, boolean, string, string][] = [
    lowMemory
      ? ["MemoryPressure", true, "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"]
      : ["MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    lowDisk
      ? ["DiskPressure", true, "KubeletHasDiskPressure", "kubelet has disk pressure"]
      : ["DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    fewProcesses
      ? ["PIDPressure", true, "KubeletHasInsufficientPID", "kubelet has insufficient PID available"]
      : ["PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    parts.runtimeProblem === undefined
      ? ["Ready", true, "EdgeReady", `edge is posting ready status${isolation(parts)}`]
      : ["Ready", false, "EdgeNotReady", parts.runtimeProblem],
  ];
  return verdicts.map(([type, holds, reason, message]) => {
    const status = holds ? "True" : "False";
    const last = before.find((one) => one.type === type);
    const lastTransitionTime = last?.status === status ? last.lastTransitionTime : kubeTime(now);
    return { type, status, lastHeartbeatTime: kubeTime(now), lastTransitionTime, reason, message };
  });
}

/** A NodeStatus. */
export function nodeStatusOf(
  parts: NodeParts,
  conditions: readonly NodeCondition[],
): Record<string, unknown> {
  const { capacity, allocatable, diskTotalBytes, maxPods } = parts;
  const disk =
    diskTotalBytes === undefined ? {} : { "ephemeral-storage": `${Math.floor(diskTotalBytes / 1_024)}Ki` };
  const rest = { "hugepages-1Gi": "0", "hugepages-2Mi": "0", pods: String(maxPods), ...disk };
  return {
    capacity: { cpu: String(capacity.cpus), memory: kibibytes(capacity.memoryBytes), ...rest },
    allocatable: { cpu: cores(allocatable.cpuMillis), memory: kibibytes(allocatable.memoryBytes), ...rest },
    conditions,
    addresses: [
      { type: "InternalIP", address: parts.hostIp },
      { type: "Hostname", address: parts.name },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: kubeletPort } },
    nodeInfo: {
      ...parts.info,
      containerRuntimeVersion: runtimeVersionOf(parts.runtimeVersion),
      kubeletVersion: `${kubeletLine}-kubeedge-v${version}`,
      kubeProxyVersion: "v0.0.0",
    },
    images: imagesOf(parts.images),
  };
}

/** The Node object that registers this node. */
export function nodeObject(parts: NodeParts, conditions: readonly NodeCondition[]): Record<string, unknown> {
  return {
    kind: "Node",
    apiVersion: "v1",
    metadata: { name: parts.name, creationTimestamp: null, labels: nodeLabels(parts) },
    spec: {},
    status: nodeStatusOf(parts, conditions),
  };
}

/** The strategic merge patch that brings a status to the cloud. @param labels Only where they may be missing. */
export function nodePatch(
  status: Record<string, unknown>,
  labels: Record<string, string> | undefined,
): string {
  const order = (list: unknown): { type: string }[] =>
    (list as { type: string }[]).map(({ type }) => ({ type }));
  return JSON.stringify({
    ...(labels ? { metadata: { labels } } : {}),
    status: {
      "$setElementOrder/addresses": order(status.addresses),
      "$setElementOrder/conditions": order(status.conditions),
      ...status,
    },
  });
}

/** The node's lease, to be renewed. @param lease As the cloud last gave it; `undefined`: there is none. */
export function leaseOf(
  node: { readonly name: string; readonly uid: string | undefined },
  lease: Readonly<Record<string, unknown>> | undefined,
  durationSeconds: number,
  now: number,
): Record<string, unknown> {
  const owner = { apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid };
  const known = (lease?.metadata ?? {
    name: node.name,
    namespace: "kube-node-lease",
    creationTimestamp: null,
  }) as Readonly<Record<string, unknown>>;
  const isOwnerMissing = node.uid && known.ownerReferences === undefined;
  const metadata = isOwnerMissing ? { ...known, ownerReferences: [owner] } : known;
  const renewTime = new Date(now).toISOString().replace("Z", "000Z");
  return {
    kind: "Lease",
    apiVersion: "coordination.k8s.io/v1",
    metadata,
    spec: {
      ...(lease?.spec as object | undefined),
      holderIdentity: node.name,
      leaseDurationSeconds: durationSeconds,
      renewTime,
    },
  };
}

function isolation({ runtimeVersion }: NodeParts): string {
  return runtimeVersion.startsWith("process ") ? "; pods run as plain processes WITHOUT ISOLATION" : "";
}

/** `containerd://1.6.20`. */
function runtimeVersionOf(text: string): string {
  const [name, ...rest] = text.split(" ");
  return name ? `${name}://${rest.join(" ")}` : "";
}

function imagesOf(images: readonly RuntimeImage[]): object[] {
  const largest = [...images]
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.id < b.id ? -1 : 1))
    .slice(0, maxImages);
  return largest.map(({ id, tags, sizeBytes }) => ({ names: tags.length > 0 ? tags : [id], sizeBytes }));
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1_024)}Ki`;
}

function cores(millis: number): string {
  return millis % 1_000 === 0 ? String(millis / 1_000) : `${millis}m`;
}
