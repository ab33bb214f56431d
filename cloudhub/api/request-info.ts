import { isSet, type ObjectPath, readObjectPath } from "../../kubernetes/index.ts";

/** What a request to the API means. Pure. Source: Kubernetes request info. */

export interface RequestInfo {
  /** As roles name it: `list`, `deletecollection`; for other paths the method in lower case. */
  readonly verb: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** `undefined`: the path is none of a resource. */
  readonly resource: ObjectPath | undefined;
}

export function readRequest(method: string, target: string): RequestInfo {
  const question = target.indexOf("?");
  const path = question < 0 ? target : target.slice(0, question);
  const query = new URLSearchParams(question < 0 ? "" : target.slice(question + 1));
  const resource = readObjectPath(path);
  return { path, query, resource, verb: verbOf(method, resource, query) };
}

function verbOf(method: string, resource: ObjectPath | undefined, query: URLSearchParams): string {
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
