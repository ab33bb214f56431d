import type { ResourceName } from "./objects-api.ts";

/** Paths of a Kubernetes API, and what requests to it mean. Pure. Source: Kubernetes request info. */

/** What a request is about: objects of a kind, one of them, or a part of one. */
export interface ObjectPath extends ResourceName {
  /** `undefined`: of all namespaces, or a kind without. */
  readonly namespace: string | undefined;
  /** Empty: all of them. */
  readonly name: string;
  /** Empty: the object itself. */
  readonly subresource: string;
}

/** A name in a path may be nearly anything, but never walks. */
const segment = /^(?!\.{1,2}$)[^/%\p{Cc}]{1,253}$/u;
const label = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
/** Subresources of a namespace itself. */
const ofNamespaces: ReadonlySet<string> = new Set(["status", "finalize"]);

/**
 * Reads a path like `/apis/<group>/<version>/namespaces/<ns>/<plural>/<name>/<subresource>`.
 *
 * @returns `undefined` if it names no objects.
 */
export function readObjectPath(path: string): ObjectPath | undefined {
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

/** @returns The path's parts, decoded; `undefined` if one cannot be a name. */
export function segmentsOf(path: string): string[] | undefined {
  try {
    const parts = path
      .split("/")
      .filter((part) => part !== "")
      .map(decodeURIComponent);
    return parts.length <= 10 && parts.every((part) => segment.test(part)) ? parts : undefined;
  } catch {
    return undefined;
  }
}

/** A flag in a query: `true`, `1`, or there without a value. */
export function isSet(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== "false" && value !== "0";
}
