import type { KubeObject } from "../../kubernetes/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import type { Attributes } from "./rbac.ts";
import type { User } from "./user.ts";

/** What a node may do by itself. Pure but for its look into the store. Source: Kubernetes node authorizer. */

const nodePrefix = "system:node:";
const nodesGroup = "system:nodes";
const read: ReadonlySet<string> = new Set(["get", "list", "watch"]);

/** The node that somebody is. */
export function nodeOf({ name, groups }: User): string | undefined {
  return groups.includes(nodesGroup) && name.startsWith(nodePrefix)
    ? name.slice(nodePrefix.length)
    : undefined;
}

/** True for what concerns the node itself, and what its pods need. */
export function nodeMay(
  user: User,
  { verb, resource }: Attributes,
  store: Pick<ResourceStore, "get" | "list">,
): boolean {
  const node = nodeOf(user);
  if (resource === undefined || node === undefined) return false;
  const { group, resource: plural, subresource, namespace = "", name } = resource;
  if (group === "coordination.k8s.io")
    return plural === "leases" && namespace === "kube-node-lease" && name === node && verb !== "list";
  if (group === "discovery.k8s.io") return plural === "endpointslices" && read.has(verb);
  if (group !== "") return false;
  switch (plural) {
    case "nodes":
      return (
        (read.has(verb) && subresource === "") || (name === node && (verb === "patch" || verb === "update"))
      );
    case "services":
    case "endpoints":
      return read.has(verb);
    case "events":
      return verb === "create" || verb === "patch" || verb === "update";
    case "pods":
      return (
        mayWithPod(verb, subresource) && runsOn(store.get({ type: "pods", namespace, name })?.object, node)
      );
    case "configmaps":
    case "secrets":
      return verb === "get" && isNeeded({ node, namespace, plural, name }, store);
    case "serviceaccounts":
      return verb === "create" && subresource === "token" && hasPodOf({ node, namespace, name }, store);
    default:
      return false;
  }
}

/** A node tells how its pods are, and ends them; what they are is not its to say. */
function mayWithPod(verb: string, subresource: string): boolean {
  if (subresource === "status") return verb === "get" || verb === "patch" || verb === "update";
  return subresource === "" && (verb === "get" || verb === "delete");
}

interface PodSpec {
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}

function runsOn(pod: KubeObject | undefined, node: string): boolean {
  return (pod?.spec as PodSpec | undefined)?.nodeName === node;
}

function hasPodOf(
  { node, namespace, name }: { node: string; namespace: string; name: string },
  store: Pick<ResourceStore, "list">,
): boolean {
  const matches = (pod: KubeObject): boolean =>
    runsOn(pod, node) && ((pod.spec as PodSpec).serviceAccountName ?? "default") === name;
  return store.list("pods", { namespace, matches, limit: 1 }).items.length > 0;
}

/** True if a pod of the node names this ConfigMap or Secret. */
function isNeeded(
  { node, namespace, plural, name }: { node: string; namespace: string; plural: string; name: string },
  store: Pick<ResourceStore, "list">,
): boolean {
  const fields = plural === "secrets" ? secretFields : configMapFields;
  const matches = (pod: KubeObject): boolean => runsOn(pod, node) && mentions(pod.spec, fields, name);
  return store.list("pods", { namespace, matches, limit: 1 }).items.length > 0;
}

/** Field of a pod's spec → field in it that has the name. */
const secretFields: Readonly<Record<string, string>> = {
  secret: "secretName",
  secretRef: "name",
  secretKeyRef: "name",
  imagePullSecrets: "name",
};
const configMapFields: Readonly<Record<string, string>> = {
  configMap: "name",
  configMapRef: "name",
  configMapKeyRef: "name",
};

function mentions(value: unknown, fields: Readonly<Record<string, string>>, name: string): boolean {
  if (Array.isArray(value)) return value.some((one) => mentions(one, fields, name));
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => {
    const field = Object.hasOwn(fields, key) ? (fields[key] as string) : undefined;
    return (field !== undefined && names(inner, field, name)) || mentions(inner, fields, name);
  });
}

/** A projected secret has its name in `name`, a volume in `secretName`. */
function names(value: unknown, field: string, name: string): boolean {
  const all = (Array.isArray(value) ? value : [value]) as readonly Readonly<Record<string, unknown>>[];
  return all.some((one) => one?.[field] === name || (field === "secretName" && one?.name === name));
}
