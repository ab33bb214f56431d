import { ApiError, type Kind, type KubeObject, notFound } from "../../kubernetes/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { withDefinitionStatus } from "./definitions.ts";

/** What the server adds to objects of some kinds, and what it does not let happen to them. */

/** Namespaces that are always there. */
export const lastingNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease", "kubeedge"];
const undeletable: ReadonlySet<string> = new Set(["default", "kube-system", "kube-public"]);

/** A definition stays until its objects are gone. */
export const definitionFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/** @param store Where the object's namespace is looked up. */
export function beforeCreate(kind: Kind, object: KubeObject, store: Pick<ResourceStore, "get">): KubeObject {
  const { type } = kind;
  if (type.namespaced) requireLiving(kind, object, store);
  else if (object.metadata.namespace)
    throw new ApiError("BadRequest", "namespace may not be set for a kind that has no namespaces");
  if (type.group === "") return coreObject(object);
  if (type.kind !== "CustomResourceDefinition") return object;
  const finalizers = [...new Set([...(object.metadata.finalizers ?? []), definitionFinalizer])];
  return withDefinitionStatus({ ...object, metadata: { ...object.metadata, finalizers } });
}

export function beforeUpdate(kind: Kind, object: KubeObject, old: KubeObject): KubeObject {
  if (kind.type.kind === "CustomResourceDefinition") return withDefinitionStatus(object);
  if (kind.type.group !== "" || kind.type.kind !== "Namespace") return object;
  // They are changed through `finalize` only.
  const { finalizers } = (old.spec ?? {}) as { finalizers?: unknown };
  return finalizers === undefined
    ? object
    : { ...object, spec: { ...(object.spec as object | undefined), finalizers } };
}

/** Throws `Forbidden` for the namespaces that a hub cannot be without. */
export function requireDeletable({ type }: Kind, { metadata }: KubeObject): void {
  const { name = "" } = metadata;
  if (type.group !== "" || type.kind !== "Namespace" || !undeletable.has(name)) return;
  throw new ApiError("Forbidden", `namespaces "${name}" is forbidden: this namespace may not be deleted`, {
    name,
    kind: "namespaces",
  });
}

function requireLiving({ type }: Kind, { metadata }: KubeObject, store: Pick<ResourceStore, "get">): void {
  const { namespace, name = "" } = metadata;
  if (!namespace) throw new ApiError("BadRequest", "an empty namespace may not be set during creation");
  const found = store.get({ type: "namespaces", namespace: "", name: namespace });
  if (found === undefined) throw notFound("namespaces", namespace);
  if (found.object.metadata.deletionTimestamp === undefined) return;
  const resource = type.group === "" ? type.resource : `${type.resource}.${type.group}`;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  throw new ApiError("Forbidden", `${resource} "${name}" is forbidden: ${why}`, {
    name,
    kind: type.resource,
    ...(type.group === "" ? {} : { group: type.group }),
    causes: [
      {
        reason: "NamespaceTerminating",
        message: `namespace ${namespace} is being terminated`,
        field: "metadata.namespace",
      },
    ],
  });
}

function coreObject(object: KubeObject): KubeObject {
  switch (object.kind) {
    case "Namespace": {
      const { name = "", labels } = object.metadata;
      return {
        ...object,
        metadata: { ...object.metadata, labels: { ...labels, "kubernetes.io/metadata.name": name } },
        spec: { ...(object.spec as object | undefined), finalizers: ["kubernetes"] },
        status: { phase: "Active" },
      };
    }
    case "Pod":
    case "PersistentVolume":
    case "PersistentVolumeClaim":
      return { ...object, status: { phase: "Pending" } };
    case "Service":
      return { ...object, status: { loadBalancer: {} } };
    default:
      return object;
  }
}
