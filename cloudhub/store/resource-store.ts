import type { KubeObject } from "../../kubernetes/index.ts";

/** Where an object is kept: `pods`, `deployments.apps`; the version it was written in does not matter. */
export interface ObjectKey {
  /** As of `groupResource`. */
  readonly type: string;
  /** Empty for kinds without namespaces. */
  readonly namespace: string;
  readonly name: string;
}

/** A committed object. Its `metadata.resourceVersion` is `revision`. */
export interface StoredObject {
  readonly key: ObjectKey;
  readonly object: KubeObject;
  readonly revision: number;
}

export interface ObjectChange {
  readonly revision: number;
  readonly key: ObjectKey;
  /** As it is after the change; with the revision of the deletion, if that is what it was. */
  readonly object: KubeObject;
  /** As it was before; `undefined`: it was not there. */
  readonly previous: KubeObject | undefined;
  readonly deleted: boolean;
}

export interface ListOptions {
  readonly namespace?: string | undefined;
  readonly matches?: ((object: KubeObject) => boolean) | undefined;
  readonly limit?: number | undefined;
  /** Of the page before. */
  readonly continue?: string | undefined;
}

export interface StoredList {
  /** Sorted by namespace and name. */
  readonly items: readonly KubeObject[];
  /** All items are as of this revision. */
  readonly revision: number;
  readonly continue: string | undefined;
  /** How many follow; `undefined`: there are none, or it is not known. */
  readonly remaining: number | undefined;
}

/** What a write expects to find: nothing, this revision, or whatever is there. */
export type Expected = "absent" | "any" | number;

/**
 * Objects of all kinds in one growing sequence of revisions. Reads are of what is committed. A write that resolves is on
 * the disk.
 */
export interface ResourceStore {
  /** Of the newest committed change. */
  readonly revision: number;
  get(key: ObjectKey): StoredObject | undefined;
  /** Throws `ApiError` `Expired` for a page of a list that is too old to be continued. */
  list(type: string, options?: ListOptions): StoredList;
  /**
   * Writes an object; the store gives it its resourceVersion.
   *
   * Rejects with `ApiError` `AlreadyExists`, `NotFound` or `Conflict` if it does not find what it expects, and with
   * `HubError` `E_STORAGE…` if it cannot write.
   */
  put(key: ObjectKey, object: KubeObject, expected: Expected): Promise<StoredObject>;
  /** Removes an object. @returns It as it was, with the revision of the deletion. Rejects as `put`. */
  remove(key: ObjectKey, expected: Exclude<Expected, "absent">): Promise<StoredObject>;
  /**
   * Tells of every change of a type after a revision, in order, also of those to come, until the signal.
   *
   * Throws `ApiError` `Expired` if it cannot tell of all that happened since; the iteration rejects with it when its
   * reader falls too far behind.
   */
  follow(type: string, after: number, signal: AbortSignal): AsyncIterable<ObjectChange>;
  close(): Promise<void>;
}
