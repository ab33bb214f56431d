import { isSet, type ObjectPath } from "../../kubernetes/path.ts";
import type { Verb } from "../../kubernetes/resource-type.ts";

/** What a request means for the cloud, and how it is named there. Pure. Source: KubeEdge MetaServer. */

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

/** @returns `undefined` for a method that has no meaning here. */
export function verbOf(method: string, { name }: ObjectPath, query: URLSearchParams): Verb | undefined {
  switch (method) {
    case "GET":
    case "HEAD":
      if (isSet(query, "watch")) return "watch";
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

/** The object's key in messages between edge and cloud: `/core/v1/configmaps/default/cm1`. */
export function keyOf({ group, version, resource, namespace, name }: ObjectPath): string {
  return `/${group || "core"}/${version}/${resource}/${namespace ?? "null"}/${name || "null"}`;
}

/** Is it where tokens of a service account are asked for? */
export function isTokenPath({ group, resource, name, subresource }: ObjectPath): boolean {
  return group === "" && resource === "serviceaccounts" && name !== "" && subresource === "token";
}
