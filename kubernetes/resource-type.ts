import type { ResourceName } from "./objects-api.ts";

/** What is served under one path: `/apis/apps/v1/…/deployments`. */
export interface ResourceType extends ResourceName {
  readonly kind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly verbs: readonly Verb[];
  /** True: `status` is changed through its own path, and through no other. */
  readonly hasStatus: boolean;
  /** Further paths below an object, beside `status`. */
  readonly subresources: readonly Subresource[];
}

/** `pods/eviction`: what is posted there is of a kind of its own. */
export interface Subresource {
  readonly name: string;
  /** Absent: as the object's. */
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly Verb[];
}

export type Verb = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection";

/** `pods`, `deployments.apps`: the same object whatever the version. */
export function groupResource({ group, resource }: Pick<ResourceName, "group" | "resource">): string {
  return group === "" ? resource : `${resource}.${group}`;
}

/** `v1`, `apps/v1`. */
export function apiVersionOf({ group, version }: Pick<ResourceName, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}

/** `apps/v1` as group and version. */
export function groupVersionOf(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf("/");
  if (slash < 0) return { group: "", version: apiVersion };
  return { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
