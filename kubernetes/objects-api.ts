import type { KubeList, KubeObject, WatchEvent } from "./object.ts";

/** A kind of objects, as paths name it: `{ group: "apps", version: "v1", resource: "deployments" }`. */
export interface ResourceName {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** The plural, lower case. */
  readonly resource: string;
}

export interface ObjectName {
  /** Absent for kinds without namespaces. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ListQuery {
  /** Absent: of all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}

export interface WatchQuery extends Pick<ListQuery, "namespace" | "labelSelector" | "fieldSelector"> {
  /** Tells what changed after it. */
  readonly resourceVersion: string;
  readonly signal?: AbortSignal | undefined;
}

/** How a patch is applied: RFC 6902, RFC 7386, Kubernetes' strategic merge, server-side apply. */
export type PatchKind = "json" | "merge" | "strategic" | "apply";

export interface WriteOptions {
  /** `status`: changes the status and nothing else. */
  readonly subresource?: "status" | undefined;
  /** Says who changes it; apply needs it. */
  readonly fieldManager?: string | undefined;
  readonly force?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string } | undefined;
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground" | undefined;
  readonly dryRun?: boolean | undefined;
}

/**
 * What a program does with Kubernetes objects: the same verbs in the hub's process, through the SDK and at another API
 * server. Every verb may reject with an `ApiError`: `Forbidden`, `NotFound`, `Conflict`, `Invalid` …
 */
export interface ObjectsApi {
  get(resource: ResourceName, name: ObjectName): Promise<KubeObject>;
  list(resource: ResourceName, query?: ListQuery): Promise<KubeList>;
  /** Ends with the signal. Throws `Expired` when the version is too old: list again. */
  watch(resource: ResourceName, query: WatchQuery): AsyncIterable<WatchEvent>;
  create(resource: ResourceName, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  /** With `metadata.resourceVersion`, only if it is still that version: else `Conflict`. */
  update(resource: ResourceName, object: KubeObject, options?: WriteOptions): Promise<KubeObject>;
  patch(
    resource: ResourceName,
    name: ObjectName,
    kind: PatchKind,
    patch: unknown,
    options?: WriteOptions,
  ): Promise<KubeObject>;
  /** @returns The object as it is now: gone, or on its way to be. */
  delete(resource: ResourceName, name: ObjectName, options?: DeleteOptions): Promise<KubeObject>;
  /** Posts to a subresource that answers with a document of its own: `serviceaccounts` / `token`. */
  request(
    resource: ResourceName,
    name: ObjectName,
    subresource: string,
    document: KubeObject,
  ): Promise<KubeObject>;
}
