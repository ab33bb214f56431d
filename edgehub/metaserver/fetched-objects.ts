import { isObject } from "../../kubernetes/json.ts";
import type { KubeObject } from "../../kubernetes/object.ts";
import { prepareAll, type Statements } from "../../platform/sqlite.ts";
import type { EdgeStore } from "../store/edge-store.ts";

/** So many objects are kept, the last fetched ones. */
const maxObjects = 1_000;
/** Larger ones are not. */
const maxObjectBytes = 64 << 10;

/** Objects the cloud gave on request, kept for times without it; KubeEdge keeps them in meta_v2. */
export class FetchedObjects {
  readonly #store: EdgeStore;
  readonly #sql: Statements<keyof typeof sqlTexts>;

  constructor(store: EdgeStore) {
    this.#store = store;
    this.#sql = prepareAll(store.database, sqlTexts);
  }

  /** @param key As in applications. */
  get(key: string): KubeObject | undefined {
    const row = this.#sql.get.get(key) as { value: Uint8Array } | undefined;
    if (row === undefined) return undefined;
    const value: unknown = JSON.parse(new TextDecoder().decode(row.value));
    return isObject(value) ? (value as KubeObject) : undefined;
  }

  /** Costs a write only if the object has changed. */
  async keep(key: string, object: KubeObject, wallTime: number): Promise<void> {
    const value = Buffer.from(JSON.stringify(object));
    const row = this.#sql.get.get(key) as { value: Buffer } | undefined;
    if (value.length > maxObjectBytes) return await this.forget(key);
    if (row && value.equals(row.value)) return;
    await this.#store.write(() => {
      this.#sql.put.run(key, wallTime, value);
      this.#sql.cut.run(maxObjects);
    });
  }

  async forget(key: string): Promise<void> {
    if (this.#sql.get.get(key) === undefined) return;
    await this.#store.write(() => this.#sql.remove.run(key));
  }
}

const sqlTexts = {
  get: "SELECT value FROM fetched_object WHERE key = ?",
  put: "INSERT OR REPLACE INTO fetched_object (key, fetched_at, value) VALUES (?, ?, ?)",
  remove: "DELETE FROM fetched_object WHERE key = ?",
  cut: "DELETE FROM fetched_object WHERE key IN (SELECT key FROM fetched_object ORDER BY fetched_at DESC LIMIT -1 OFFSET ?)",
};
