import { apiVersionOf, type KubeObject } from "../../kubernetes/index.ts";
import { partsOf, pathOf } from "./fed-objects.ts";
import { type Watch, type WatchRecord, watchOf } from "./watch.ts";
import type { WatchedKinds } from "./watched-kinds.ts";

interface Entry {
  record: WatchRecord;
  readonly watch: Watch;
  /** Of its objects: `ConfigMap`; `undefined`: not known yet. */
  kind: string | undefined;
  /** The node's right to it was confirmed then; `undefined`: not yet, and nothing is fed. */
  checkedAt: number | undefined;
  /** Its kind is listed and watched. */
  isOpen: boolean;
  /** It counts no more; what it has fed is being taken away. */
  isOver: boolean;
}

/** The watches of one node, and which objects they want. */
export class NodeWatches {
  readonly #kinds: WatchedKinds;
  readonly #entries = new Map<string, Entry>();

  constructor(kinds: WatchedKinds) {
    this.#kinds = kinds;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** To be kept over restarts: what is over too, until it is gone. */
  get records(): WatchRecord[] {
    return [...this.#entries.values()].map(({ record }) => record);
  }

  has(id: string): boolean {
    const entry = this.#entries.get(id);
    return entry !== undefined && !entry.isOver;
  }

  /** True if everything is known that the node is to have. */
  get isComplete(): boolean {
    return [...this.#entries.values()].every(
      ({ isOver, isOpen, watch }) => isOver || (isOpen && this.#kinds.get(watch.kindKey)?.hasSynced === true),
    );
  }

  /** The node watches it, perhaps again. */
  put(record: WatchRecord): void {
    const found = this.#entries.get(record.id);
    if (found === undefined) {
      const entry = {
        record,
        watch: watchOf(record),
        kind: undefined,
        checkedAt: undefined,
        isOpen: false,
        isOver: false,
      };
      this.#entries.set(record.id, entry);
      return;
    }
    const { closedAt: _closed, ...open } = found.record;
    found.record = record.closedAt === undefined ? open : record;
    found.isOver = false;
  }

  /** Nobody on the node watches it any more. @returns False: that was known. */
  close(id: string, now: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.record.closedAt !== undefined) return false;
    entry.record = { ...entry.record, closedAt: now };
    return true;
  }

  /** Watches that were closed before this no longer count. @returns Objects that they wanted. */
  expire(closedBefore: number): KubeObject[] {
    return [...this.#entries.values()]
      .filter(({ record, isOver }) => !isOver && (record.closedAt ?? Infinity) <= closedBefore)
      .flatMap((entry) => this.end(entry.record.id));
  }

  /** It counts no more. @returns Objects that it wanted. */
  end(id: string): KubeObject[] {
    const entry = this.#entries.get(id);
    if (entry === undefined) return [];
    entry.isOver = true;
    return this.#objectsOf(entry);
  }

  /** Forgets what is over. @returns True: there was some. */
  release(): boolean {
    const over = [...this.#entries.values()].filter(({ isOver }) => isOver);
    for (const { record, watch, isOpen } of over) {
      this.#entries.delete(record.id);
      if (isOpen) this.#kinds.close(watch.kindKey);
    }
    return over.length > 0;
  }

  /** Watches that the node's right to was not confirmed since. */
  unchecked(since: number): Watch[] {
    return [...this.#entries.values()]
      .filter(({ isOver, checkedAt }) => !isOver && (checkedAt ?? -Infinity) < since)
      .map(({ watch }) => watch);
  }

  /** The node may watch it. @param kind Of its objects. @param synced Called once its kind is listed. */
  checked(id: string, now: number, kind: string, synced: () => void): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.checkedAt = now;
    entry.kind = kind;
    if (entry.isOpen) return;
    entry.isOpen = true;
    const informer = this.#kinds.open(entry.watch.kindKey, entry.watch.target);
    void informer.synced.then(synced);
  }

  /** When the next closed watch was closed; `undefined`: none is. */
  get firstClosedAt(): number | undefined {
    const times = [...this.#entries.values()].flatMap(({ record }) => record.closedAt ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** The object of a path, if the node is to have it. */
  wanted(path: string): KubeObject | undefined {
    const { namespace, kind, name } = partsOf(path);
    for (const { watch, isOver, isOpen } of this.#entries.values()) {
      if (isOver || !isOpen) continue;
      const object = this.#kinds.find(watch.kindKey, namespace, name);
      if (object !== undefined && object.kind.toLowerCase() === kind && watch.matches(object)) return object;
    }
    return undefined;
  }

  /** The object of a path, wanted or not. */
  find(path: string): KubeObject | undefined {
    const { namespace, name } = partsOf(path);
    for (const { watch } of this.#entriesOf(path)) {
      const object = this.#kinds.find(watch.kindKey, namespace, name);
      if (object !== undefined) return object;
    }
    return undefined;
  }

  /** What is known of an object that is not wanted any more. */
  remains(path: string, uid: string): KubeObject {
    const { namespace, kind, name } = partsOf(path);
    const [entry] = this.#entriesOf(path);
    const type = entry
      ? { apiVersion: apiVersionOf(entry.watch.target), kind: entry.kind ?? kind }
      : { apiVersion: "v1", kind };
    const metadata = { name, ...(namespace === undefined ? {} : { namespace }), uid };
    return this.find(path) ?? { ...type, metadata };
  }

  /** Does a change of this object concern the node? */
  concerns(kindKey: string, object: KubeObject): boolean {
    for (const { watch, isOpen } of this.#entries.values())
      if (isOpen && watch.kindKey === kindKey && watch.matches(object)) return true;
    return false;
  }

  /** Paths of all that the node is to have. */
  paths(): Set<string> {
    const open = [...this.#entries.values()].filter(({ isOver }) => !isOver);
    return new Set(open.flatMap((entry) => this.#objectsOf(entry)).map(pathOf));
  }

  /** Ends all at once. */
  clear(): void {
    for (const { record } of this.#entries.values()) this.end(record.id);
    this.release();
  }

  /** Watches of the path's kind. */
  #entriesOf(path: string): Entry[] {
    const { kind } = partsOf(path);
    return [...this.#entries.values()].filter((entry) => entry.kind?.toLowerCase() === kind);
  }

  #objectsOf({ watch, isOpen }: Entry): KubeObject[] {
    if (!isOpen) return [];
    return (this.#kinds.get(watch.kindKey)?.all() ?? []).filter((object) => watch.matches(object));
  }
}
