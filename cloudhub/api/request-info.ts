import { segmentsOf } from "../../kubernetes/index.ts";
/** What a request to the API means. Pure. Source: Kubernetes request info. */

/** What a request is about: objects of a kind, one of them, or a part of one. */
export interface ResourcePath {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural. */
  readonly resource: string;
  /** `undefined`: of all namespaces, or a kind without. */
  readonly namespace: string | undefined;
  /** Empty: all of them. */
  readonly name: string;
  /** Empty: the object itself. */
  readonly subresource: string;
}

export interface RequestInfo {
  /** As roles name it: `list`, `deletecollection`; for other paths the method in lower case. */
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** `undefined`: the path is none of a resource. */
  readonly resource: ResourcePath | undefined;
}

const label = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** Subresources of a namespace itself. */
const ofNamespaces: ReadonlySet<string> = new Set(["status", "finalize"]);

export function readRequest(method: string, target: string): RequestInfo {
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? "" : target.slice(question + 1));
  const resource = resourcePath(path);
  return { path, query, resource, verb: verbOf(method, resource, query) };
}

/** Reads a path like `/apis/<group>/<version>/namespaces/<ns>/<plural>/<name>/<subresource>`. */
function resourcePath(path: string): ResourcePath | undefined {
  const parts = segmentsOf(path);
  const isCore = parts?.[0] === "api";
  if (parts === undefined || (!isCore && parts[0] !== "apis")) return undefined;
  const [group = "", version = "", ...rest] = isCore ? ["", ...parts.slice(1)] : parts.slice(1);
  if (!label.test(version) || (!isCore && !label.test(group))) return undefined;
  const [plural = "", name = "", ...behind] = rest;
  if (!label.test(plural)) return undefined;
  const inNamespace = plural === "namespaces" && behind.length > 0 && !ofNamespaces.has(behind.join("/"));
  const base = { group, version };
  if (!inNamespace)
    return { ...base, resource: plural, namespace: undefined, name, subresource: behind.join("/") };
  const [resource = "", innerName = "", ...subresource] = behind;
  if (!label.test(resource)) return undefined;
  return { ...base, resource, namespace: name, name: innerName, subresource: subresource.join("/") };
}

function verbOf(method: string, resource: ResourcePath | undefined, query: URLSearchParams): string {
  if (resource === undefined) return method.toLowerCase();
  switch (method) {
    case "GET":
    case "HEAD":
      if (resource.name !== "" && resource.subresource === "" && isSet(query, "watch")) return "watch";
      if (resource.name !== "") return "get";
      return isSet(query, "watch") ? "watch" : "list";
    case "POST":
      return "create";
    case "PUT":
      return "update";
    case "PATCH":
      return "patch";
    case "DELETE":
      return resource.name === "" ? "deletecollection" : "delete";
    default:
      return method.toLowerCase();
  }
}

/** Flags of a query are `true`, `1` or empty, as Kubernetes reads them. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "false" && value !== "0";
}
