import type { KubeObject } from "../../kubernetes/index.ts";

/** Strings longer than this seldom come twice; V8 itself shares the shortest ones. */
const longestShared = 64;
const shortestShared = 8;
const maxShared = 50_000;
/** Different in every object. */
const unique: ReadonlySet<string> = new Set(["uid", "resourceVersion"]);

/**
 * Makes objects out of JSON that nobody can change, whose equal strings (images, label values, names of nodes and
 * namespaces) are the same string: a fleet's objects are very much alike.
 */
export class FrozenJson {
  /** Those of the last round and of this one: what is used comes along, what is not goes. */
  #strings = new Map<string, string>();
  #older = new Map<string, string>();

  parse(json: string): KubeObject {
    const object = JSON.parse(json) as KubeObject;
    this.#freeze(object);
    return object;
  }

  #freeze(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    const fields = value as Record<string, unknown>;
    for (const name of Object.keys(fields)) {
      const field = fields[name];
      if (typeof field !== "string") this.#freeze(field);
      else if (!unique.has(name)) fields[name] = this.#shared(field);
    }
    Object.freeze(fields);
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
