import type { ServerResponse } from "node:http";
import { ApiError } from "../../kubernetes/api-error.ts";
import { isSet, type ObjectPath } from "../../kubernetes/path.ts";
import { apiVersionOf } from "../../kubernetes/resource-type.ts";
import type { Selector } from "../../kubernetes/selectors.ts";
import type { Clock } from "../../platform/clock.ts";
import type { EdgeStore, MetaChange } from "../store/edge-store.ts";
import { type Change, type ChangeLog, isUpTo, type Resumption } from "./change-log.ts";
import type { CloudApi } from "./cloud-api.ts";
import { singularsOf } from "./kinds.ts";
import type { LocalObjects } from "./local-objects.ts";
import { type ReadRequest, selectorOf, turnEnd, wishOf } from "./object-reads.ts";
import { isOfKind, objectOf } from "./objects.ts";
import { shownObject } from "./representation.ts";
import { listOption } from "./verb-options.ts";
import { Watch, type WatchLimits } from "./watch.ts";

export interface WatchesParts {
  readonly clock: Clock;
  readonly store: Pick<EdgeStore, "onChange" | "reports">;
  readonly cloud: CloudApi;
  readonly objects: LocalObjects;
  readonly log: ChangeLog;
}

export interface WatchesLimits extends WatchLimits {
  readonly maxWatches: number;
}

/**
 * The open watches. They are served from this node's store, which the cloud feeds: the link, the hub or the cloud may
 * go and come, and a watch stays.
 */
export class Watches {
  readonly #parts: WatchesParts;
  readonly #limits: WatchesLimits;
  readonly #open = new Set<Watch>();
  /** Paths of all resources of this node. */
  readonly #existing = new Set<string>();
  #opening = 0;
  #stopListening: () => void = () => {};

  constructor(parts: WatchesParts, limits: WatchesLimits) {
    this.#parts = parts;
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  start(): void {
    for (const key of this.#parts.objects.keys()) this.#existing.add(key);
    const { store } = this.#parts;
    const stops = [
      store.onChange((change) => this.#changed(change)),
      store.reports.onChange((key) => this.#reported(key)),
    ];
    this.#stopListening = () => {
      for (const stop of stops) stop();
    };
  }

  stop(): void {
    this.#stopListening();
  }

  /** Opens a watch; resolves when it has ended. Rejects with an ApiError before anything is sent. */
  async open(request: ReadRequest, response: ServerResponse): Promise<void> {
    if (this.#open.size + this.#opening >= this.#limits.maxWatches)
      throw new ApiError("TooManyRequests", `more than ${this.#limits.maxWatches} watches at once`);
    const { path, query, gone } = request;
    const matches = selectorOf(path, query);
    this.#opening++;
    try {
      await turnEnd(this.#parts.clock);
    } finally {
      this.#opening--;
    }
    if (gone.aborted) return;
    const { clock, log, objects, cloud } = this.#parts;
    const types = singularsOf(path.resource);
    const start = startOf(query, log, types);
    const knownUpTo = start === "all" ? undefined : start.knownUpTo;
    const wishes = { types, knownUpTo, ...this.#wishes(request, matches) };
    const watch = new Watch({ response, clock, log, objects }, wishes, this.#limits);
    this.#open.add(watch);
    if (start === "all") watch.begin(this.#keysOf(path), isSet(query, "sendInitialEvents"));
    else this.#resume(watch, start, { path, types, matches });
    const option = listOption(fieldsOf(path, query), { watch: true });
    const closeWatch = cloud.openWatch({ path: { ...path, name: "" }, verb: "watch", option, body: "" });
    await watch.ended;
    this.#open.delete(watch);
    closeWatch();
  }

  #wishes({ path, query, form }: ReadRequest, matches: Selector) {
    const { clock, objects } = this.#parts;
    const apiVersion = apiVersionOf(path);
    const kind = objects.catalogue().find(path)?.kind ?? path.resource;
    const seconds = Number(query.get("timeoutSeconds") ?? 0);
    return {
      kind: { apiVersion, kind },
      matches: (object: Parameters<Selector>[0]) => isOfKind(object, path) && matches(object),
      show: (object: Parameters<Selector>[0]) => shownObject(object, form, wishOf(path, query, clock)),
      bookmarks: isSet(query, "allowWatchBookmarks"),
      timeoutMs: seconds > 0 ? seconds * 1_000 : undefined,
    };
  }

  #keysOf(path: ObjectPath): string[] {
    return this.#parts.objects.list(path).map(({ key }) => key);
  }

  /** What the client has already it is not told again; what has changed since it is. */
  #resume(
    watch: Watch,
    { after, knownUpTo }: Resumption,
    { path, types, matches }: { path: ObjectPath; types: readonly string[]; matches: Selector },
  ): void {
    const { log, objects } = this.#parts;
    const first = new Map<string, Change>();
    const last = new Map<string, Change>();
    for (const change of log.after(after)) {
      if (!types.includes(change.type) || !this.#isAt(path, change)) continue;
      if (!first.has(change.key)) first.set(change.key, change);
      last.delete(change.key);
      last.set(change.key, change);
    }
    for (const { key, object } of objects.list(path))
      if (!last.has(key) && matches(object)) watch.know(key, object);
    for (const [key, change] of last) {
      const { isNew, version } = first.get(key) ?? change;
      if (!isNew || isUpTo(version, knownUpTo)) watch.knowOlder(key);
      watch.changed(change);
    }
  }

  /** May the changed object be one of these? */
  #isAt(path: ObjectPath, change: Change): boolean {
    if (path.namespace !== undefined && change.namespace !== path.namespace) return false;
    if (path.name !== "" && change.name !== path.name) return false;
    const { deleted } = change;
    const object = deleted ? objectOf({ ...change, value: deleted }) : this.#parts.objects.byKey(change.key);
    return object === undefined || isOfKind(object, path);
  }

  #changed({ key, type, applied, message }: MetaChange): void {
    const { namespace, name } = message.resource;
    const isNew = applied === "stored" && !this.#existing.has(key);
    if (applied === "stored") this.#existing.add(key);
    else this.#existing.delete(key);
    const deleted = applied === "deleted" ? message.content : undefined;
    this.#tell({ key, type, namespace, name, version: message.resourceVersion, isNew, deleted });
  }

  /** This node has reported a status; the version of the object is the cloud's, and stays. */
  #reported(key: string): void {
    const object = this.#parts.objects.byKey(key);
    if (object === undefined) return;
    const [, type = ""] = key.split("/");
    const isNew = !this.#existing.has(key);
    this.#existing.add(key);
    const { name = "", namespace } = object.metadata;
    this.#tell({ key, type, namespace, name, version: undefined, isNew, deleted: undefined });
  }

  #tell(given: Omit<Change, "at">): void {
    const change = this.#parts.log.add(given);
    for (const watch of this.#open) watch.changed(change);
  }
}

/** The query, with the name of the path as a field. */
function fieldsOf({ name }: ObjectPath, query: URLSearchParams): URLSearchParams {
  if (name === "") return query;
  const fields = new URLSearchParams(query);
  const others = query.get("fieldSelector") ?? "";
  fields.set("fieldSelector", `metadata.name=${name}${others === "" ? "" : `,${others}`}`);
  return fields;
}

/** Where a watch begins. Throws an ApiError for a version that has expired. */
function startOf(query: URLSearchParams, log: ChangeLog, types: readonly string[]): "all" | Resumption {
  const version = query.get("resourceVersion") ?? "";
  if (isSet(query, "sendInitialEvents") || version === "" || version === "0") return "all";
  const start = log.resume(version, types);
  if (start) return start;
  throw new ApiError("Expired", `too old resource version: ${version.slice(0, 20)}`);
}
