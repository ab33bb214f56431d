import type { KubeObject } from "../../kubernetes/index.ts";
import { ChangeLog, type ChangeLogLimits, expired, type LoggedChange } from "./change-log.ts";
import { formatContinue, parseContinue } from "./continue-token.ts";
import type { ListOptions, ObjectKey, StoredList, StoredObject } from "./resource-store.ts";

/** An object and the size of its JSON. */
export interface Held extends StoredObject {
  readonly size: number;
}

/** `namespace/name`: sorts as etcd's keys do. */
export function idOf({ namespace, name }: ObjectKey): string {
  return `${namespace}/${name}`;
}

/** The committed objects of one type, with their recent changes. Pure. */
export class TypeObjects {
  readonly changes: ChangeLog;
  readonly #held = new Map<string, Held>();
  /** Ids in order; `undefined`: to be sorted when next needed, so that loading sorts once. */
  #sorted: string[] | undefined;

  constructor(horizon: number, limits: ChangeLogLimits) {
    this.changes = new ChangeLog(horizon, limits);
  }

  get(id: string): Held | undefined {
    return this.#held.get(id);
  }

  /** Applies a committed change. @returns Changes that are forgotten because of it. */
  put(held: Held): LoggedChange[] {
    const previous = this.#set(idOf(held.key), held);
    return this.#log(held, previous, false);
  }

  /** @param last The object as it was, with the revision of its deletion. */
  remove(last: Held): LoggedChange[] {
    const previous = this.#delete(idOf(last.key));
    return this.#log(last, previous, true);
  }

  /** An object as it was stored, of which no change is to be told any more. */
  restore(held: Held): void {
    this.#set(idOf(held.key), held);
  }

  /** @param revision Of the store now. */
  list(options: ListOptions, revision: number): StoredList {
    const { namespace, matches, limit = 0 } = options;
    const token = options.continue ? parseContinue(options.continue) : undefined;
    if (token !== undefined && token.revision > revision) throw expiredPage();
    const asOf = token?.revision ?? revision;
    const { ids, objectOf } = this.#asOf(asOf);
    const end = endOf(ids, namespace);
    let at = Math.max(startOf(ids, namespace), token === undefined ? 0 : firstAfter(ids, token.after));
    const items: KubeObject[] = [];
    let last = "";
    for (; at < end && (limit <= 0 || items.length < limit); at++) {
      last = ids[at] as string;
      const object = objectOf(last);
      if (object !== undefined && (matches === undefined || matches(object))) items.push(object);
    }
    const more = at < end;
    return {
      items,
      revision: asOf,
      continue: more ? formatContinue({ revision: asOf, after: last }) : undefined,
      remaining: more && matches === undefined ? end - at : undefined,
    };
  }

  /** All ids and objects as they were at a revision: what is now, with the changes since taken back. */
  #asOf(revision: number): { ids: readonly string[]; objectOf(id: string): KubeObject | undefined } {
    if (revision < this.changes.horizon) throw expiredPage();
    const since = this.changes.after(revision);
    const now = this.#ids();
    if (since.length === 0) return { ids: now, objectOf: (id) => this.#held.get(id)?.object };
    const before = new Map<string, KubeObject | undefined>();
    for (const { key, previous } of since) {
      const id = idOf(key);
      if (!before.has(id)) before.set(id, previous);
    }
    const untouched = now.filter((id) => !before.has(id));
    const touched = [...before].filter(([, object]) => object !== undefined).map(([id]) => id);
    return {
      ids: [...untouched, ...touched].sort(inOrder),
      objectOf: (id) => (before.has(id) ? before.get(id) : this.#held.get(id)?.object),
    };
  }

  #log(held: Held, previous: Held | undefined, deleted: boolean): LoggedChange[] {
    const { key, object, revision, size } = held;
    const change = { revision, key, object, previous: previous?.object, deleted };
    return this.changes.add({ change, previousRevision: previous?.revision ?? 0, size });
  }

  #set(id: string, held: Held): Held | undefined {
    const previous = this.#held.get(id);
    this.#held.set(id, held);
    if (previous === undefined && this.#sorted !== undefined)
      this.#sorted.splice(firstAfter(this.#sorted, id), 0, id);
    return previous;
  }

  #delete(id: string): Held | undefined {
    const previous = this.#held.get(id);
    if (previous !== undefined && this.#held.delete(id) && this.#sorted !== undefined)
      this.#sorted.splice(firstAfter(this.#sorted, id) - 1, 1);
    return previous;
  }

  #ids(): readonly string[] {
    this.#sorted ??= [...this.#held.keys()].sort(inOrder);
    return this.#sorted;
  }
}

function inOrder(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Index of the first id greater than one. */
function firstAfter(ids: readonly string[], id: string): number {
  let [low, high] = [0, ids.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as string) > id) high = middle;
    else low = middle + 1;
  }
  return low;
}

function startOf(ids: readonly string[], namespace: string | undefined): number {
  return namespace === undefined ? 0 : firstAfter(ids, `${namespace}/`);
}

function endOf(ids: readonly string[], namespace: string | undefined): number {
  // "0" is the character after "/".
  return namespace === undefined ? ids.length : firstAfter(ids, `${namespace}0`);
}

function expiredPage(): Error {
  return expired("this list is too old to be continued: begin it anew, without continue");
}
