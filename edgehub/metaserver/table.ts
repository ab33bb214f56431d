import { isRecord, type KubeObject } from "./objects.ts";

/** Columns that people see of an object. Pure. Source: Kubernetes printers. */

export interface Column {
  readonly name: string;
  readonly type: "string" | "integer";
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

/** The wall clock, for ages. */
export interface Clocked {
  readonly wallTime: number;
}

type Cell = string | number;
type Describe = (object: KubeObject, clocked: Clocked) => Cell;

const age: Describe = ({ metadata }, { wallTime }) => ageOf(metadata.creationTimestamp, wallTime);

/** Column → cell, by plural; name comes first, `+` marks what is shown on a wide screen only. */
const columns: Readonly<Record<string, Readonly<Record<string, Describe>>>> = {
  pods: {
    Ready: podReady,
    Status: podStatus,
    Restarts: podRestarts,
    Age: age,
    "+IP": (pod) => textAt(pod, "status.podIP") || "<none>",
    "+Node": (pod) => textAt(pod, "spec.nodeName") || "<none>",
  },
  nodes: {
    Status: nodeStatus,
    Roles: nodeRoles,
    Age: age,
    Version: (node) => textAt(node, "status.nodeInfo.kubeletVersion"),
    "+Internal-IP": nodeAddress,
    "+OS-Image": (node) => textAt(node, "status.nodeInfo.osImage") || "<unknown>",
    "+Kernel-Version": (node) => textAt(node, "status.nodeInfo.kernelVersion") || "<unknown>",
    "+Container-Runtime": (node) => textAt(node, "status.nodeInfo.containerRuntimeVersion") || "<unknown>",
  },
  configmaps: { Data: (map) => countAt(map, "data") + countAt(map, "binaryData"), Age: age },
  secrets: { Type: (secret) => textAt(secret, "type"), Data: (secret) => countAt(secret, "data"), Age: age },
  services: {
    Type: (service) => textAt(service, "spec.type"),
    "Cluster-IP": (service) => textAt(service, "spec.clusterIP") || "<none>",
    "Port(s)": servicePorts,
    Age: age,
  },
};

export function columnsOf(plural: string): Column[] {
  return ["Name", ...Object.keys(columnsFor(plural))].map((name) => ({
    name: name.replace("+", ""),
    type: name === "Data" ? "integer" : "string",
    format: name === "Name" ? "name" : "",
    description: "",
    priority: name.startsWith("+") ? 1 : 0,
  }));
}

export function rowOf(object: KubeObject, wish: Clocked & { readonly plural: string }): Cell[] {
  const cells = Object.values(columnsFor(wish.plural)).map((describe) => describe(object, wish));
  return [object.metadata.name, ...cells];
}

function columnsFor(plural: string): Readonly<Record<string, Describe>> {
  return columns[plural] ?? { Age: age };
}

/** `5m`, `3d`: short as kubectl shows it. */
export function ageOf(created: string | undefined, wallTime: number): string {
  const at = Date.parse(created ?? "");
  if (Number.isNaN(at)) return "<unknown>";
  const seconds = Math.max(Math.floor((wallTime - at) / 1_000), 0);
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

function podReady(pod: KubeObject): string {
  const all = listAt(pod, "spec.containers").length;
  const ready = containerStatuses(pod).filter((one) => one.ready === true).length;
  return `${ready}/${all}`;
}

function podStatus(pod: KubeObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  const reasons = containerStatuses(pod).flatMap(({ state }) => {
    const stopped = isRecord(state) ? (state.waiting ?? state.terminated) : undefined;
    return isRecord(stopped) && typeof stopped.reason === "string" ? [stopped.reason] : [];
  });
  return reasons[0] ?? (textAt(pod, "status.reason") || textAt(pod, "status.phase") || "Unknown");
}

function podRestarts(pod: KubeObject): string {
  const counts = containerStatuses(pod).map((one) => Number(one.restartCount ?? 0));
  return String(counts.reduce((sum, count) => sum + count, 0));
}

function nodeStatus(node: KubeObject): string {
  const ready = listAt(node, "status.conditions").find((one) => one.type === "Ready")?.status;
  const words = [ready === "True" ? "Ready" : ready === undefined ? "Unknown" : "NotReady"];
  return [...words, ...(valueAt(node, "spec.unschedulable") === true ? ["SchedulingDisabled"] : [])].join(
    ",",
  );
}

function nodeRoles({ metadata }: KubeObject): string {
  const prefix = "node-role.kubernetes.io/";
  const labels = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(prefix));
  return (
    labels
      .map((label) => label.slice(prefix.length))
      .sort()
      .join(",") || "<none>"
  );
}

function nodeAddress(node: KubeObject): string {
  const address = listAt(node, "status.addresses").find(({ type }) => type === "InternalIP")?.address;
  return typeof address === "string" ? address : "<none>";
}

function servicePorts(service: KubeObject): string {
  const ports = listAt(service, "spec.ports").map(({ port, protocol = "TCP" }) => `${port}/${protocol}`);
  return ports.join(",") || "<none>";
}

function containerStatuses(pod: KubeObject): Readonly<Record<string, unknown>>[] {
  return listAt(pod, "status.containerStatuses");
}

function valueAt(object: KubeObject, path: string): unknown {
  return path.split(".").reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), object);
}

function textAt(object: KubeObject, path: string): string {
  const value = valueAt(object, path);
  return typeof value === "string" ? value : "";
}

function countAt(object: KubeObject, path: string): number {
  const value = valueAt(object, path);
  return isRecord(value) ? Object.keys(value).length : 0;
}

function listAt(object: KubeObject, path: string): Readonly<Record<string, unknown>>[] {
  const value = valueAt(object, path);
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
