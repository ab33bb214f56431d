import { at, isObject, type JsonObject } from "../json.ts";
import { ageOf } from "./age.ts";
import { objectsAt, type PodSummary } from "./pod-status.ts";

/** What cells of tables say. */

const nothing = "<none>";

export function shown(value: unknown): string {
  if (value === undefined || value === null || value === "") return nothing;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function joined(list: readonly string[]): string {
  return list.length === 0 ? nothing : list.join(",");
}

export function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

export function fieldCount(value: unknown): number {
  return isObject(value) ? Object.keys(value).length : 0;
}

/** `app=press,tier=edge`. */
export function labelText(labels: unknown): string {
  if (!isObject(labels)) return nothing;
  return joined(Object.entries(labels).map(([key, value]) => `${key}=${String(value)}`));
}

export function podRestarts({ restarts, restartedAt }: PodSummary, now: number): string {
  return restarts === 0 || restartedAt === undefined
    ? String(restarts)
    : `${restarts} (${ageOf(restartedAt, now)} ago)`;
}

export function nodeStatus(node: JsonObject): string {
  const ready = objectsAt(node, "status", "conditions").find(({ type }) => type === "Ready")?.status;
  const words = [ready === "True" ? "Ready" : ready === undefined ? "Unknown" : "NotReady"];
  if (at(node, "spec", "unschedulable") === true) words.push("SchedulingDisabled");
  return words.join(",");
}

const rolePrefix = "node-role.kubernetes.io/";

export function nodeRoles(node: JsonObject): string {
  const labels = at(node, "metadata", "labels");
  const roles = Object.entries(isObject(labels) ? labels : {}).flatMap(([key, value]) => {
    if (key.startsWith(rolePrefix)) return [key.slice(rolePrefix.length)];
    return key === "kubernetes.io/role" ? [String(value)] : [];
  });
  return joined(roles.filter((role) => role !== "").toSorted());
}

export function nodeAddress(node: JsonObject, type: string): string {
  return shown(objectsAt(node, "status", "addresses").find((one) => one.type === type)?.address);
}

export function externalAddress(service: JsonObject): string {
  const given = textsOf(at(service, "spec", "externalIPs"));
  switch (at(service, "spec", "type")) {
    case "ExternalName":
      return shown(at(service, "spec", "externalName"));
    case "LoadBalancer": {
      const ingress = objectsAt(service, "status", "loadBalancer", "ingress");
      const addresses = [...ingress.map(({ ip, hostname }) => shown(ip ?? hostname)), ...given];
      return addresses.length === 0 ? "<pending>" : addresses.join(",");
    }
    default:
      return joined(given);
  }
}

export function servicePorts(service: JsonObject): string {
  const ports = objectsAt(service, "spec", "ports").map(({ port, nodePort, protocol = "TCP" }) =>
    nodePort
      ? `${String(port)}:${String(nodePort)}/${String(protocol)}`
      : `${String(port)}/${String(protocol)}`,
  );
  return joined(ports);
}

const mostAddresses = 3;

export function endpointAddresses(endpoints: JsonObject): string {
  const all = objectsAt(endpoints, "subsets").flatMap((subset) =>
    objectsAt(subset, "ports").flatMap(({ port }) =>
      objectsAt(subset, "addresses").map(({ ip }) => `${shown(ip)}:${shown(port)}`),
    ),
  );
  const rest = all.length - mostAddresses;
  return joined(all.slice(0, mostAddresses)) + (rest > 0 ? ` + ${rest} more...` : "");
}

/** Of the pods that a workload makes. */
export function containersOf(workload: JsonObject, field: "name" | "image"): string {
  return joined(
    objectsAt(workload, "spec", "template", "spec", "containers").map((one) => shown(one[field])),
  );
}
