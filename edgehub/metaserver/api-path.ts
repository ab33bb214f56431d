import type { ResourceName } from "../../kubernetes/objects-api.ts";
import { segmentsOf } from "../../kubernetes/path.ts";
import type { Verb } from "../../kubernetes/resource-type.ts";

/** What a request to a Kubernetes API means. Pure. Source: Kubernetes request info. */

/** Objects of one kind, or one of them. */
export interface ObjectPath extends ResourceName {
  /** `undefined`: all namespaces, or none. */
  readonly namespace: string | undefined;
  /** Empty: all of them. */
  readonly name: string;
  /** Empty: the object itself. */
  readonly subresource: string;
}

/** Verbs of requests that the cloud executes. */
export type ApplicationVerb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "updatestatus"
  | "patch"
  | "delete";

const label = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;

/**
 * Reads a path like `/apis/<group>/<version>/namespaces/<ns>/<resource>/<name>/<subresource>`.
 *
 * @returns `undefined` if it names no objects.
 */
export function readObjectPath(path: string): ObjectPath | undefined {
  const parts = segmentsOf(path);
  if (parts === undefined) return undefined;
  const isCore = parts[0] === "api";
  if (!isCore && parts[0] !== "apis") return undefined;
  const [group = "", version = "", ...rest] = isCore ? ["", ...parts.slice(1)] : parts.slice(1);
  if (!label.test(version) || (!isCore && !label.test(group))) return undefined;
  const [resource = "", name = "", ...behind] = rest;
  if (resource === "" || !label.test(resource)) return undefined;
  const inNamespace = resource === "namespaces" && behind.length > 0 && !ofNamespaces.has(behind.join("/"));
  if (!inNamespace)
    return { group, version, resource, namespace: undefined, name, subresource: behind.join("/") };
  const [innerResource = "", innerName = "", ...subresource] = behind;
  if (!label.test(innerResource)) return undefined;
  return {
    group,
    version,
    resource: innerResource,
    namespace: name,
    name: innerName,
    subresource: subresource.join("/"),
  };
}

/** Subresources of a namespace itself. */
const ofNamespaces = new Set(["status", "finalize"]);

/** @returns `undefined` for a method that has no meaning here. */
export function verbOf(method: string, { name }: ObjectPath, query: URLSearchParams): Verb | undefined {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isTrue(query.get("watch"))) return "watch";
      return name === "" ? "list" : "get";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return name === "" ? "deletecollection" : "delete";
    default:
      return undefined;
  }
}

/** A flag in a query: `true`, `1`, or there without a value. */
export function isTrue(value: string | null): boolean {
  return value !== null && value !== "false" && value !== "0";
}

/** The object's key in messages between edge and cloud: `/core/v1/configmaps/default/cm1`. */
export function keyOf({ group, version, resource, namespace, name }: ObjectPath): string {
  return `/${group || "core"}/${version}/${resource}/${namespace ?? "null"}/${name || "null"}`;
}
