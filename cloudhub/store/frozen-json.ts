import type { KubeObject } from "../../kubernetes/index.ts";

/** Strings longer than this seldom come twice; V8 itself shares the shortest ones. */
const longestShared = 64;
const shortestShared = 8;
const maxShared = 50_000;
/** Different in every object. */
const unique: ReadonlySet<string> = new Set(["uid", "resourceVersion"]);

/**
 * Makes objects out of JSON that nobody can change, whose equal strings (images, label values, names of nodes and
 * namespaces) are the same string: a fleet's objects are very much alike. What has not changed since the object's last version
 * is part of both: a history of states is one of differences.
 */
export class FrozenJson {
  /** Those of the last round and of this one: what is used comes along, what is not goes. */
  #strings = new Map<string, string>();
  #older = new Map<string, string>();

  /** @param before What it takes the place of: parts that are equal are the same objects, and need no memory of their own. */
  parse(json: string, before?: KubeObject): KubeObject {
    return this.#frozen(JSON.parse(json), before) as KubeObject;
  }

  #frozen(value: unknown, before: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    const fields = value as Record<string, unknown>;
    const older = isLike(value, before) ? before : {};
    const names = Object.keys(fields);
    const olderNames = Object.keys(older);
    let isSame = older === before && names.length === olderNames.length;
    names.forEach((name, at) => {
      const field = fields[name];
      const was = Object.hasOwn(older, name) ? older[name] : undefined;
      if (typeof field !== "string") fields[name] = this.#frozen(field, was);
      else if (field === was) fields[name] = was;
      else if (!unique.has(name)) fields[name] = this.#shared(field);
      isSame &&= fields[name] === was && olderNames[at] === name;
    });
    return isSame ? older : Object.freeze(fields);
  }

  #shared(text: string): string {
    if (text.length < shortestShared || text.length > longestShared) return text;
    const found = this.#strings.get(text);
    if (found !== undefined) return found;
    if (this.#strings.size >= maxShared) {
      this.#older = this.#strings;
      this.#strings = new Map();
    }
    const kept = this.#older.get(text) ?? text;
    this.#strings.set(kept, kept);
    return kept;
  }
}

/** Both arrays, or both objects. */
function isLike(value: object, before: unknown): before is Record<string, unknown> {
  return typeof before === "object" && before !== null && Array.isArray(value) === Array.isArray(before);
}
