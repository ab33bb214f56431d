import { applyPatch, type Operation } from "rfc6902";
import {
  ApiError,
  alreadyExists,
  conflict,
  type DeleteOptions,
  groupResource,
  type KubeList,
  type KubeObject,
  type ListQuery,
  notFound,
  type ObjectMeta,
  type ObjectName,
  type ObjectsApi,
  type PatchKind,
  type ResourceName,
  type WatchEvent,
  type WatchQuery,
  type WriteOptions,
} from "../../kubernetes/index.ts";

interface Change {
  readonly type: string;
  readonly version: number;
  readonly deleted: boolean;
  readonly object: KubeObject;
  readonly previous: KubeObject | undefined;
}

type Fields = Record<string, unknown>;

/**
 * Objects in memory, for tests of controllers: one sequence of versions, compare-and-set, status apart from the rest,
 * finalizers, graceful deletion of pods, watches that continue from any version. Nothing is validated or defaulted.
 */
export class FakeObjects implements ObjectsApi {
  /** What was written, as `update pods default/web`, for tests that count writes. */
  readonly writes: string[] = [];
  readonly #objects = new Map<string, KubeObject>();
  readonly #changes: Change[] = [];
  readonly #now: () => number;
  #version = 100;
  #compacted = 100;
  #wake: (() => void)[] = [];
  #watchesEnded = 0;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Forgets the past: watches that begin earlier end with `Expired`, and so do those that run. */
  compact(): void {
    this.#compacted = this.#version;
    this.#changes.length = 0;
    this.endWatches();
  }

  /** Ends all watches, as a lost connection does. */
  endWatches(): void {
    this.#watchesEnded++;
    this.#wakeAll();
  }

  async get(resource: ResourceName, name: ObjectName): Promise<KubeObject> {
    await Promise.resolve();
    return this.#found(resource, name);
  }

  async list(resource: ResourceName, query: ListQuery = {}): Promise<KubeList> {
    await Promise.resolve();
    const type = groupResource(resource);
    const items = [...this.#objects]
      .filter(([key, object]) => key.startsWith(`${type} `) && selected(object, query))
      .map(([, object]) => object);
    return {
      apiVersion: "v1",
      kind: "List",
      metadata: { resourceVersion: String(this.#version) },
      items,
    };
  }

  async *watch(resource: ResourceName, query: WatchQuery): AsyncGenerator<WatchEvent> {
    const type = groupResource(resource);
    const epoch = this.#watchesEnded;
    let after = Number(query.resourceVersion);
    if (after < this.#compacted) throw new ApiError("Expired", `version ${after} is too old`);
    const ended = (): boolean => query.signal?.aborted === true || epoch !== this.#watchesEnded;
    while (!ended()) {
      const change = this.#changes.find((one) => one.type === type && one.version > after);
      if (change === undefined) {
        await this.#nextChange(query.signal);
        continue;
      }
      after = change.version;
      const event = eventOf(change, query);
      if (event !== undefined) yield event;
    }
  }

  async create(resource: ResourceName, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    await Promise.resolve();
    const given = object.metadata;
    const name = given.name ?? `${given.generateName ?? ""}${(this.#version + 1).toString(36)}`;
    const key = keyOf(resource, { namespace: given.namespace, name });
    if (this.#objects.has(key)) throw alreadyExists(groupResource(resource), name);
    const metadata: ObjectMeta = {
      ...given,
      name,
      uid: crypto.randomUUID(),
      generation: 1,
      creationTimestamp: this.#time(0),
    };
    if (options.dryRun) return { ...object, metadata };
    return this.#store("create", resource, { ...object, metadata }, undefined);
  }

  async update(resource: ResourceName, object: KubeObject, options: WriteOptions = {}): Promise<KubeObject> {
    await Promise.resolve();
    return this.#update("update", resource, object, options);
  }

  async patch(
    resource: ResourceName,
    name: ObjectName,
    kind: PatchKind,
    patch: unknown,
    options: WriteOptions = {},
  ): Promise<KubeObject> {
    await Promise.resolve();
    if (kind === "apply" && !this.#objects.has(keyOf(resource, name)))
      return this.create(resource, patch as KubeObject, options);
    const old = this.#found(resource, name);
    const patched = patchedObject(old, kind, patch);
    if (patched.metadata.uid !== old.metadata.uid)
      throw conflict(groupResource(resource), name.name, "the uid in the patch is another one");
    return this.#update("patch", resource, patched, options);
  }

  async delete(resource: ResourceName, name: ObjectName, options: DeleteOptions = {}): Promise<KubeObject> {
    await Promise.resolve();
    const old = this.#found(resource, name);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (uid !== undefined && uid !== old.metadata.uid)
      throw conflict(groupResource(resource), name.name, `the uid is ${old.metadata.uid}`);
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(groupResource(resource), name.name, `the version is ${old.metadata.resourceVersion}`);
    const grace = graceOf(resource, old, options);
    if ((old.metadata.finalizers ?? []).length === 0 && grace === 0) return this.#remove(resource, old);
    if (old.metadata.deletionTimestamp !== undefined && grace !== 0) return old;
    const metadata = {
      ...old.metadata,
      deletionTimestamp: this.#time(grace * 1000),
      deletionGracePeriodSeconds: grace,
    };
    return this.#store("delete", resource, { ...old, metadata }, old);
  }

  async request(
    resource: ResourceName,
    name: ObjectName,
    subresource: string,
    document: KubeObject,
  ): Promise<KubeObject> {
    await Promise.resolve();
    const account = this.#found(resource, name);
    if (resource.resource !== "serviceaccounts" || subresource !== "token")
      throw new ApiError("NotFound", `no subresource ${subresource}`);
    const status = {
      token: `token-of-${account.metadata.namespace}-${name.name}-${++this.#version}`,
      expirationTimestamp: this.#time(3_600_000),
    };
    return { ...document, status };
  }

  #found(resource: ResourceName, name: ObjectName): KubeObject {
    const object = this.#objects.get(keyOf(resource, name));
    if (object === undefined) throw notFound(groupResource(resource), name.name);
    return object;
  }

  #update(verb: string, resource: ResourceName, object: KubeObject, options: WriteOptions): KubeObject {
    const name = { namespace: object.metadata.namespace, name: object.metadata.name ?? "" };
    const old = this.#found(resource, name);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(groupResource(resource), name.name, "the object has been modified");
    const whole = statusIsPart.has(groupResource(resource));
    const rest = whole ? object : withoutStatus(old, object);
    const written = options.subresource === "status" ? withStatus(old, object) : rest;
    if (sameText(written, old) || options.dryRun) return old;
    const ends = written.metadata.deletionTimestamp !== undefined && resource.resource !== "pods";
    if (ends && (written.metadata.finalizers ?? []).length === 0) return this.#remove(resource, written);
    return this.#store(verb, resource, written, old);
  }

  #store(
    verb: string,
    resource: ResourceName,
    object: KubeObject,
    previous: KubeObject | undefined,
  ): KubeObject {
    const version = ++this.#version;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    const stored = structuredClone({ ...object, metadata });
    const name = { namespace: metadata.namespace, name: metadata.name ?? "" };
    this.#objects.set(keyOf(resource, name), stored);
    this.#tell(verb, resource, { version, deleted: false, object: stored, previous });
    return stored;
  }

  #remove(resource: ResourceName, old: KubeObject): KubeObject {
    const version = ++this.#version;
    const object = { ...old, metadata: { ...old.metadata, resourceVersion: String(version) } };
    this.#objects.delete(
      keyOf(resource, { namespace: old.metadata.namespace, name: old.metadata.name ?? "" }),
    );
    this.#tell("delete", resource, { version, deleted: true, object, previous: old });
    return object;
  }

  #tell(verb: string, resource: ResourceName, change: Omit<Change, "type">): void {
    const { namespace, name } = change.object.metadata;
    this.writes.push(`${verb} ${resource.resource} ${namespace === undefined ? "" : `${namespace}/`}${name}`);
    this.#changes.push({ type: groupResource(resource), ...change });
    this.#wakeAll();
  }

  #nextChange(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      this.#wake.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #time(laterMs: number): string {
    return new Date(this.#now() + laterMs).toISOString().replace(/\.\d+Z/, "Z");
  }
}

function keyOf(resource: ResourceName, { namespace, name }: ObjectName): string {
  return `${groupResource(resource)} ${namespace ?? ""}/${name}`;
}

function eventOf(change: Change, query: ListQuery): WatchEvent | undefined {
  const { object, previous, deleted } = change;
  const before = previous !== undefined && selected(previous, query);
  const after = !deleted && selected(object, query);
  if (before && !after) return { type: "DELETED", object };
  if (!after) return undefined;
  return { type: before ? "MODIFIED" : "ADDED", object };
}

function selected(object: KubeObject, query: ListQuery): boolean {
  if (query.namespace !== undefined && object.metadata.namespace !== query.namespace) return false;
  const labels = object.metadata.labels ?? {};
  return (
    terms(query.labelSelector).every(([key, value]) => labels[key] === value) &&
    terms(query.fieldSelector).every(([path, value]) => String(at(object, path) ?? "") === value)
  );
}

function terms(selector: string | undefined): [string, string][] {
  if (!selector) return [];
  return selector.split(",").map((term) => {
    const [key = "", value = ""] = term.split(/={1,2}/);
    return [key, value];
  });
}

function at(object: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((value, key) => (value as Fields | undefined)?.[key], object);
}

/** Pods that run somewhere are given time to end. */
function graceOf(resource: ResourceName, object: KubeObject, options: DeleteOptions): number {
  if (resource.resource !== "pods") return 0;
  const spec = (object.spec ?? {}) as Fields;
  const { phase } = (object.status ?? {}) as Fields;
  if (!spec.nodeName || phase === "Failed" || phase === "Succeeded") return 0;
  return options.gracePeriodSeconds ?? (spec.terminationGracePeriodSeconds as number | undefined) ?? 30;
}

/** A status, and the labels and annotations that come with it, as Kubernetes takes them for nodes. */
function withStatus(old: KubeObject, object: KubeObject): KubeObject {
  const { labels, annotations } = object.metadata;
  const metadata = {
    ...old.metadata,
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  };
  return { ...old, metadata, status: object.status };
}

function withoutStatus(old: KubeObject, object: KubeObject): KubeObject {
  const { uid, creationTimestamp, generation, deletionTimestamp } = old.metadata;
  const kept = {
    ...(uid ? { uid } : {}),
    ...(creationTimestamp ? { creationTimestamp } : {}),
    ...(deletionTimestamp ? { deletionTimestamp } : {}),
  };
  const next: KubeObject = { ...object, ...(old.status === undefined ? {} : { status: old.status }) };
  const changed = !sameText({ ...next, metadata: 0 }, { ...old, metadata: 0 });
  const metadata: KubeObject["metadata"] = {
    ...object.metadata,
    ...kept,
    generation: (generation ?? 1) + (changed ? 1 : 0),
    resourceVersion: old.metadata.resourceVersion as string,
  };
  return { ...next, metadata };
}

function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}

function patchedObject(old: KubeObject, kind: PatchKind, patch: unknown): KubeObject {
  if (kind === "json") {
    const copy = structuredClone(old);
    const failed = applyPatch(copy, patch as Operation[]).find((error) => error !== null);
    if (failed) throw new ApiError("Invalid", failed.message);
    return copy;
  }
  return merged(old, patch, kind !== "merge") as KubeObject;
}

/** Kinds without a status subresource. */
const statusIsPart: ReadonlySet<string> = new Set(["devices.devices.kubeedge.io"]);

const listKeys: Readonly<Record<string, string>> = {
  conditions: "type",
  addresses: "type",
  containers: "name",
  initContainers: "name",
  env: "name",
  volumes: "name",
  taints: "key",
  podIPs: "ip",
};

/** Merge patch; with `byKey`, lists of known fields are merged by key as far as tests need it. */
function merged(old: unknown, patch: unknown, byKey: boolean, field = ""): unknown {
  if (Array.isArray(patch)) {
    const key = listKeys[field];
    return byKey && key !== undefined && Array.isArray(old) ? mergedList(old, patch, key) : patch;
  }
  if (typeof patch !== "object" || patch === null) return patch;
  const result: Fields = { ...(typeof old === "object" && !Array.isArray(old) ? (old as Fields) : {}) };
  for (const [name, value] of Object.entries(patch)) {
    if (byKey && name.startsWith("$")) continue;
    if (value === null) delete result[name];
    else result[name] = merged(result[name], value, byKey, name);
  }
  return result;
}

function mergedList(old: readonly unknown[], patch: readonly unknown[], key: string): unknown[] {
  const result = [...old] as Fields[];
  for (const item of patch as Fields[]) {
    const index = result.findIndex((one) => one[key] === item[key]);
    if (item.$patch === "delete") result.splice(index, index < 0 ? 0 : 1);
    else if (index < 0) result.push(item);
    else result[index] = merged(result[index], item, true) as Fields;
  }
  return result;
}
