import { ApiError, alreadyExists, conflict, type KubeObject, notFound } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { inlineWriter, startWriter, type Writer } from "../../platform/writer.ts";
import type { HubError } from "../../protocol/index.ts";
import { type ChangeLogLimits, expired, type LoggedChange } from "./change-log.ts";
import { FrozenJson } from "./frozen-json.ts";
import type { OpenedRow, ResourceOp, VersionRow } from "./resource-ops.ts";
import type {
  Expected,
  ListOptions,
  ObjectChange,
  ObjectKey,
  ResourceStore,
  StoredList,
  StoredObject,
} from "./resource-store.ts";
import { ResourceTables, type ResourceTablesOptions } from "./resource-tables.ts";
import { type Held, idOf, TypeObjects } from "./type-objects.ts";

export interface ResourceStoreOptions extends ResourceTablesOptions {
  /** Largest object as JSON, characters. */
  readonly maxObjectCharacters: number;
  /** What can still be followed, of each type. */
  readonly history: ChangeLogLimits;
}

/** Rows that nobody needs are removed when a type has so many of them. */
const forgetEvery = 512;

/**
 * Opens the store of objects with its writer thread and loads all objects.
 *
 * @param onDeath The writer has died: the hub cannot go on.
 * Rejects as `openDatabase`.
 */
export async function openResourceStore(
  options: ResourceStoreOptions,
  clock: Clock,
  onDeath: (error: HubError) => void,
): Promise<SqliteResourceStore> {
  const { file, create, synchronous, maxBytes } = options;
  const data: ResourceTablesOptions = { file, create, synchronous, maxBytes };
  const name = import.meta.url.endsWith(".ts") ? "./resource-writer.ts" : "./resource-writer.js";
  const script = new URL(name, import.meta.url);
  return SqliteResourceStore.over(await startWriter<ResourceOp>(script, data, onDeath), options, clock);
}

/** The same store without a thread of its own; `file` may be `:memory:`. */
export function openInlineResourceStore(
  options: ResourceStoreOptions,
  clock: Clock,
): Promise<SqliteResourceStore> {
  return SqliteResourceStore.over(inlineWriter<ResourceOp>(new ResourceTables(options)), options, clock);
}

/** A write on its way to the disk. */
interface Pending {
  readonly revision: number;
  readonly deleted: boolean;
  /** Resolves when it is visible, or has failed. */
  readonly ended: Promise<void>;
}

/** One type: what is committed, and what writes have decided that is not. */
interface TypeState {
  readonly objects: TypeObjects;
  readonly pending: Map<string, Pending>;
  /** Rows of the database that are not needed any more. */
  forgotten: number[];
}

/**
 * Objects in memory, changes in SQLite. A write is decided here, on what is committed or being committed, and becomes
 * visible when the writer has it on disk; writes commit in the order of their revisions.
 */
export class SqliteResourceStore implements ResourceStore {
  /** Names this store for ever. */
  readonly storeId: string;
  readonly #writer: Writer<ResourceOp>;
  readonly #options: ResourceStoreOptions;
  readonly #json = new FrozenJson();
  readonly #types = new Map<string, TypeState>();
  readonly #horizons: Map<string, number>;
  #committed = 0;
  /** The last revision given to a write. */
  #given = 0;
  /** Revisions between these two were never given out by this store: whoever has one knew it before a restore. */
  #gap = { from: 0, to: 0 };

  private constructor(writer: Writer<ResourceOp>, opened: OpenedRow, options: ResourceStoreOptions) {
    this.#writer = writer;
    this.#options = options;
    this.storeId = opened.storeId;
    this.#horizons = new Map(opened.horizons.map(({ type, revision }) => [type, revision]));
  }

  static async over(
    writer: Writer<ResourceOp>,
    options: ResourceStoreOptions,
    clock: Clock,
  ): Promise<SqliteResourceStore> {
    const opened = await writer.call<OpenedRow>({ op: "open" });
    const store = new SqliteResourceStore(writer, opened, options);
    await store.#load();
    store.#given = Math.max(store.#committed, Math.floor(clock.wallTime()));
    store.#gap = { from: store.#committed, to: store.#given };
    return store;
  }

  get revision(): number {
    return this.#committed;
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#types.get(key.type)?.objects.get(idOf(key));
  }

  list(type: string, options: ListOptions = {}): StoredList {
    return this.#type(type).objects.list(options, this.#committed);
  }

  async put(key: ObjectKey, object: KubeObject, expected: Expected): Promise<StoredObject> {
    const { previous, refusal } = this.#expect(key, expected);
    if (refusal !== undefined) return await this.#refuse(key, refusal);
    const revision = this.#given + 1;
    const metadata = { ...object.metadata, resourceVersion: String(revision) };
    const json = JSON.stringify({ ...object, metadata });
    if (json.length > this.#options.maxObjectCharacters) {
      const text = `${key.type} ${key.name} has ${json.length} characters; an object may have ${this.#options.maxObjectCharacters}`;
      throw new ApiError("RequestEntityTooLarge", text);
    }
    const parsed = this.#json.parse(json, this.get(key)?.object);
    const held: Held = { key, object: parsed, revision, size: json.length };
    await this.#write(key, { revision, previous, value: json }, (objects) => objects.put(held));
    return held;
  }

  async remove(key: ObjectKey, expected: Exclude<Expected, "absent">): Promise<StoredObject> {
    const { previous, refusal } = this.#expect(key, expected);
    if (refusal !== undefined) return await this.#refuse(key, refusal);
    if (previous === 0) return await this.#refuse(key, notFound(key.type, key.name));
    const revision = this.#given + 1;
    let last: StoredObject | undefined;
    await this.#write(key, { revision, previous, value: null }, (objects) => {
      const removed = lastOf(objects.get(idOf(key)) as Held, revision);
      last = removed;
      return objects.remove(removed);
    });
    return last as StoredObject;
  }

  follow(type: string, after: number, signal: AbortSignal): AsyncIterable<ObjectChange> {
    const { from, to } = this.#gap;
    if (after > this.#committed || (after > from && after <= to))
      throw expired(`resource version ${after} is not one that this store has given`);
    const { changes } = this.#type(type).objects;
    let place = changes.placeAfter(after);
    return (async function* () {
      while (!signal.aborted) {
        const change = changes.at(place);
        if (change === undefined) {
          await changes.next(signal);
          continue;
        }
        place++;
        yield change;
      }
    })();
  }

  close(): Promise<void> {
    for (const [type, state] of this.#types) this.#forget(type, state);
    return this.#writer.close();
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

  /** @returns The revision found, 0: nothing; and what is to be said if it is not what is expected. */
  #expect(key: ObjectKey, expected: Expected): { previous: number; refusal: ApiError | undefined } {
    const { type, name } = key;
    const { objects, pending } = this.#type(type);
    const id = idOf(key);
    const coming = pending.get(id);
    const committed = objects.get(id)?.revision ?? 0;
    const previous = coming === undefined ? committed : coming.deleted ? 0 : coming.revision;
    let refusal: ApiError | undefined;
    if (expected === "absent") {
      if (previous > 0) refusal = alreadyExists(type, name);
    } else if (expected !== "any") {
      if (previous === 0) refusal = notFound(type, name);
      else if (previous !== expected)
        refusal = conflict(type, name, "it has changed since; read it and try again");
    }
    return { previous, refusal };
  }

  /** Whoever is refused for a write that is on its way sees it when he reads again. */
  async #refuse(key: ObjectKey, refusal: ApiError): Promise<never> {
    await this.#type(key.type).pending.get(idOf(key))?.ended;
    throw refusal;
  }

  async #write(
    key: ObjectKey,
    { revision, previous, value }: { revision: number; previous: number; value: string | null },
    apply: (objects: TypeObjects) => LoggedChange[],
  ): Promise<void> {
    const { type, namespace, name } = key;
    const state = this.#type(type);
    const id = idOf(key);
    this.#given = revision;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const mine: Pending = { revision, deleted: value === null, ended };
    state.pending.set(id, mine);
    try {
      await this.#writer.call({ op: "write", revision, type, namespace, name, previous, value });
      this.#committed = revision;
      this.#outlived(state, apply(state.objects));
    } finally {
      if (state.pending.get(id) === mine) state.pending.delete(id);
      end();
    }
    if (state.forgotten.length >= forgetEvery) this.#forget(type, state);
  }

  /** Of a change that nobody can follow any more, the state before it is not needed, nor is a deletion. */
  #outlived(state: TypeState, forgotten: readonly LoggedChange[]): void {
    for (const { change, previousRevision } of forgotten) {
      if (previousRevision > 0) state.forgotten.push(previousRevision);
      if (change.deleted) state.forgotten.push(change.revision);
    }
  }

  #forget(type: string, state: TypeState): void {
    const { forgotten } = state;
    const { horizon } = state.objects.changes;
    if (forgotten.length === 0) return;
    state.forgotten = [];
    const op: ResourceOp = { op: "forget", type, horizon, rows: Float64Array.from(forgotten) };
    // What fails now is tried again with those that follow.
    const again = (): void => void state.forgotten.push(...forgotten);
    void this.#writer.call(op).then(undefined, again);
  }

  // ── loading ──────────────────────────────────────────────────────────────────────────────────────────────

  async #load(): Promise<void> {
    this.#committed = Math.max(0, ...this.#horizons.values());
    for (let after = 0; ; ) {
      const rows = await this.#writer.call<VersionRow[]>({ op: "load", after });
      if (rows.length === 0) return;
      for (const row of rows) this.#restore(row);
      after = (rows.at(-1) as VersionRow).revision;
      this.#committed = Math.max(this.#committed, after);
    }
  }

  #restore({ revision, type, namespace, name, value }: VersionRow): void {
    const state = this.#type(type);
    const { objects } = state;
    const key: ObjectKey = { type, namespace, name };
    if (value === null) {
      const previous = objects.get(idOf(key));
      if (previous !== undefined) this.#outlived(state, objects.remove(lastOf(previous, revision)));
      return;
    }
    const object = this.#json.parse(value, objects.get(idOf(key))?.object);
    const held: Held = { key, object, revision, size: value.length };
    if (revision <= objects.changes.horizon) objects.restore(held);
    else this.#outlived(state, objects.put(held));
  }

  #type(type: string): TypeState {
    const known = this.#types.get(type);
    if (known !== undefined) return known;
    const objects = new TypeObjects(this.#horizons.get(type) ?? 0, this.#options.history);
    const state: TypeState = { objects, pending: new Map(), forgotten: [] };
    this.#types.set(type, state);
    return state;
  }
}

/** A removed object as it is told of. */
function lastOf(held: Held, revision: number): Held {
  const metadata = Object.freeze({ ...held.object.metadata, resourceVersion: String(revision) });
  return { ...held, object: Object.freeze({ ...held.object, metadata }), revision };
}
