import { at, isObject, type JsonObject, withFields } from "./json.ts";

/** What the API server and its admission add to pods, beyond what the schema says. */

/** Of a pod, and of the template of one. */
export function podSpecDefaults(spec: JsonObject): JsonObject {
  const onHost = spec.hostNetwork === true;
  const account = spec.serviceAccountName ?? spec.serviceAccount;
  return withFields(spec, {
    containers: containersDefaults(spec.containers, onHost),
    initContainers: containersDefaults(spec.initContainers, onHost),
    volumes: Array.isArray(spec.volumes) ? spec.volumes.map(volumeDefaults) : spec.volumes,
    serviceAccountName: account,
    serviceAccount: account,
  });
}

/** Of a pod itself, not of its template. */
export function podDefaults(pod: JsonObject): JsonObject {
  const spec = isObject(pod.spec) ? pod.spec : {};
  const account = spec.serviceAccountName ?? "default";
  const withRequests = (list: unknown): unknown =>
    Array.isArray(list) ? list.map(requestsFromLimits) : list;
  const next = withFields(spec, {
    containers: withRequests(spec.containers),
    initContainers: withRequests(spec.initContainers),
    enableServiceLinks: spec.enableServiceLinks ?? true,
    serviceAccountName: account,
    serviceAccount: account,
    priority: spec.priority ?? 0,
    preemptionPolicy: spec.preemptionPolicy ?? "PreemptLowerPriority",
    tolerations: withNodeTolerations(spec.tolerations),
  });
  const status = isObject(pod.status) ? pod.status : {};
  const qosClass = status.qosClass ?? qosClassOf(next);
  return withFields(pod, { spec: next, status: withFields(status, { qosClass }) });
}

function containersDefaults(list: unknown, onHost: boolean): unknown {
  return Array.isArray(list)
    ? list.map((one) => (isObject(one) ? containerDefaults(one, onHost) : one))
    : list;
}

function containerDefaults(container: JsonObject, onHost: boolean): JsonObject {
  const { image, imagePullPolicy, ports } = container;
  const isOnHost = onHost && Array.isArray(ports);
  return withFields(container, {
    imagePullPolicy: imagePullPolicy || pullPolicyOf(typeof image === "string" ? image : ""),
    ports: isOnHost ? ports.map((port) => (isObject(port) ? hostPort(port) : port)) : ports,
  });
}

function hostPort(port: JsonObject): JsonObject {
  return port.hostPort === undefined ? withFields(port, { hostPort: port.containerPort }) : port;
}

/** An image without a tag, or with the newest, may be another one tomorrow. */
function pullPolicyOf(image: string): "Always" | "IfNotPresent" {
  if (image.includes("@")) return "IfNotPresent";
  const tag = image.slice(image.lastIndexOf("/") + 1).split(":")[1];
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}

/** A volume that says nothing of its source is an empty folder. */
function volumeDefaults(volume: unknown): unknown {
  if (!isObject(volume)) return volume;
  return Object.keys(volume).some((key) => key !== "name") ? volume : withFields(volume, { emptyDir: {} });
}

function requestsFromLimits(container: unknown): unknown {
  const limits = at(container, "resources", "limits");
  if (!isObject(container) || !isObject(limits)) return container;
  const { resources } = container;
  const requests = { ...limits, ...(at(container, "resources", "requests") as object | undefined) };
  return withFields(container, { resources: { ...(resources as object), requests } });
}

const nodeTaints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/**
 * A pod stays on a node that is away, unless it says otherwise: an edge goes on without the cloud. Kubernetes gives it five
 * minutes.
 */
function withNodeTolerations(given: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(given) ? given : [];
  const missing = nodeTaints.filter((key) => !list.some((one) => toleratesEviction(one, key)));
  return [...list, ...missing.map((key) => ({ key, operator: "Exists", effect: "NoExecute" }))];
}

function toleratesEviction(toleration: unknown, taint: string): boolean {
  if (!isObject(toleration)) return false;
  const { key, effect } = toleration;
  return (key === undefined || key === "" || key === taint) && (!effect || effect === "NoExecute");
}

/** How soon a pod is evicted when its node runs short. */
export function qosClassOf(spec: unknown): "Guaranteed" | "Burstable" | "BestEffort" {
  const lists = [at(spec, "containers"), at(spec, "initContainers")];
  const containers = lists.flatMap((list) => (Array.isArray(list) ? list : []));
  const amounts = containers.map((container) => ({
    requests: amountsOf(at(container, "resources", "requests")),
    limits: amountsOf(at(container, "resources", "limits")),
  }));
  if (amounts.every(({ requests, limits }) => requests.size === 0 && limits.size === 0)) return "BestEffort";
  const isGuaranteed = amounts.every(({ requests, limits }) =>
    ["cpu", "memory"].every(
      (name) => limits.has(name) && (requests.get(name) ?? limits.get(name)) === limits.get(name),
    ),
  );
  return isGuaranteed ? "Guaranteed" : "Burstable";
}

function amountsOf(list: unknown): ReadonlyMap<string, unknown> {
  const entries = isObject(list) ? Object.entries(list) : [];
  return new Map(entries.filter(([name, amount]) => ["cpu", "memory"].includes(name) && amount !== "0"));
}
