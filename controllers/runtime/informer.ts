import {
  groupResource,
  isReason,
  type KubeObject,
  type ObjectName,
  type ObjectsApi,
  type ResourceName,
  type WatchEvent,
} from "../../kubernetes/index.ts";
import { type Clock, pause } from "../../platform/clock.ts";
import { type Logger, OncePer } from "../../platform/logger.ts";
import { Backoff } from "../../protocol/index.ts";

export interface InformerParts {
  readonly objects: Pick<ObjectsApi, "list" | "watch">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What became of one object. One of the two is there. */
export interface ObjectChange {
  readonly object: KubeObject | undefined;
  readonly previous: KubeObject | undefined;
}

/** Values under which an object is to be found. */
export type IndexOf = (object: KubeObject) => readonly string[];

const pageSize = 500;
const retry = { minMs: 200, maxMs: 30_000 };

/**
 * All objects of a kind as they are now: listed once, then watched. After a watch that ended it goes on where it was, and
 * lists again when that is too long ago; what was missed meanwhile is told as if it had just happened. Observers are
 * called after the objects have changed, must not throw, and are told of what is there when they come.
 */
export class Informer {
  readonly resource: ResourceName;
  readonly #parts: InformerParts;
  readonly #objects = new Map<string, KubeObject>();
  readonly #indexes = new Map<string, { of: IndexOf; keys: Map<string, Set<string>> }>();
  readonly #observers = new Set<(change: ObjectChange) => void>();
  readonly #complaints: OncePer;
  #version: string | undefined;
  #setSynced: () => void = () => {};
  #hasSynced = false;
  /** Resolves when the first list is in. */
  readonly synced = new Promise<void>((resolve) => {
    this.#setSynced = resolve;
  });

  constructor(parts: InformerParts, resource: ResourceName) {
    this.#parts = parts;
    this.resource = resource;
    this.#complaints = new OncePer(parts.clock, 60_000);
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  get(name: ObjectName): KubeObject | undefined {
    return this.#objects.get(keyOf(name));
  }

  all(): KubeObject[] {
    return [...this.#objects.values()];
  }

  /** Objects that an index has under a value. */
  by(index: string, value: string): KubeObject[] {
    const keys = this.#indexes.get(index)?.keys.get(value) ?? [];
    return [...keys].map((key) => this.#objects.get(key) as KubeObject);
  }

  /** Makes objects findable; an index of that name that is there already stays. */
  addIndex(name: string, of: IndexOf): void {
    if (this.#indexes.has(name)) return;
    this.#indexes.set(name, { of, keys: new Map() });
    for (const [key, object] of this.#objects) this.#reindex(key, undefined, object, name);
  }

  /** @returns Ends it. */
  observe(observer: (change: ObjectChange) => void): () => void {
    this.#observers.add(observer);
    for (const object of this.#objects.values()) observer({ object, previous: undefined });
    return () => this.#observers.delete(observer);
  }

  start(signal: AbortSignal): void {
    void this.#run(signal);
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    const backoff = new Backoff(retry, Math.random);
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal);
        if (await this.#watch(signal)) backoff.reset();
      } catch (error) {
        if (signal.aborted) return;
        if (isReason(error, "Expired") || isReason(error, "Gone")) this.#version = undefined;
        else if (this.#complaints.pass("watch") !== undefined)
          log.warn("objects cannot be watched", { resource: groupResource(this.resource), error });
      }
      await pause(clock, backoff.next(), signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const listed = new Map<string, KubeObject>();
    let next: string | undefined;
    let version: string | undefined;
    do {
      const query = { limit: pageSize, ...(next === undefined ? {} : { continue: next }) };
      const page = await this.#parts.objects.list(this.resource, query);
      if (signal.aborted) return;
      for (const object of page.items) listed.set(keyOfObject(object), object);
      version ??= page.metadata.resourceVersion;
      next = page.metadata.continue;
    } while (next);
    for (const key of [...this.#objects.keys()]) if (!listed.has(key)) this.#set(key, undefined);
    for (const [key, object] of listed) this.#set(key, object);
    this.#version = version;
    this.#hasSynced = true;
    this.#setSynced();
  }

  /** @returns True: something came. */
  async #watch(signal: AbortSignal): Promise<boolean> {
    const resourceVersion = this.#version;
    if (resourceVersion === undefined) return false;
    let came = false;
    for await (const event of this.#parts.objects.watch(this.resource, { resourceVersion, signal })) {
      if (signal.aborted) break;
      came = true;
      this.#take(event);
    }
    return came;
  }

  #take({ type, object }: WatchEvent): void {
    if (type === "DELETED") this.#set(keyOfObject(object), undefined, object);
    else if (type !== "BOOKMARK") this.#set(keyOfObject(object), object);
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  /** @param last A deleted object as it was at its end. */
  #set(key: string, object: KubeObject | undefined, last?: KubeObject): void {
    const previous = this.#objects.get(key);
    if (previous === undefined && object === undefined) return;
    if (previous?.metadata.resourceVersion === object?.metadata.resourceVersion && object) return;
    if (object === undefined) this.#objects.delete(key);
    else this.#objects.set(key, object);
    for (const name of this.#indexes.keys()) this.#reindex(key, previous, object, name);
    for (const observer of this.#observers)
      observer({ object, previous: object ? previous : (last ?? previous) });
  }

  #reindex(
    key: string,
    previous: KubeObject | undefined,
    object: KubeObject | undefined,
    name: string,
  ): void {
    const index = this.#indexes.get(name);
    if (index === undefined) return;
    for (const value of previous ? index.of(previous) : []) {
      const keys = index.keys.get(value);
      keys?.delete(key);
      if (keys?.size === 0) index.keys.delete(value);
    }
    for (const value of object ? index.of(object) : []) {
      const keys = index.keys.get(value) ?? new Set();
      index.keys.set(value, keys.add(key));
    }
  }
}

export function nameOf(object: KubeObject): {
  readonly namespace: string | undefined;
  readonly name: string;
} {
  return { namespace: object.metadata.namespace, name: object.metadata.name ?? "" };
}

function keyOfObject(object: KubeObject): string {
  return keyOf(nameOf(object));
}

function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace ?? ""}/${name}`;
}
