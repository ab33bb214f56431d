import type {
  Expected,
  ListOptions,
  ObjectChange,
  ObjectKey,
  ResourceStore,
  StoredList,
  StoredObject,
} from "../../cloudhub/store/resource-store.ts";
import { ApiError, alreadyExists, conflict, type KubeObject, notFound } from "../../kubernetes/index.ts";

/** Objects in memory, for tests that need no disk. Changes are kept for ever, unless a test forgets them. */
export class MemoryResourceStore implements ResourceStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #changes: ObjectChange[] = [];
  readonly #waiting = new Set<() => void>();
  #revision = 0;
  #oldest = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Watches from before now, and pages of lists from before now, are too old. */
  forget(): void {
    this.#changes.length = 0;
    this.#oldest = this.#revision;
  }

  get(key: ObjectKey): StoredObject | undefined {
    return this.#objects.get(textOf(key));
  }

  list(type: string, options: ListOptions = {}): StoredList {
    const [revision, after] = this.#page(options.continue);
    const found = [...this.#objects.entries()]
      .filter(([, { key }]) => key.type === type)
      .filter(([, { key }]) => options.namespace === undefined || key.namespace === options.namespace)
      .filter(([, { object }]) => options.matches?.(object) ?? true)
      .filter(([text]) => after === undefined || text > after)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    const page = found.slice(0, options.limit ?? found.length);
    const remaining = found.length - page.length;
    const last = page.at(-1)?.[0];
    return {
      items: page.map(([, { object }]) => object),
      revision,
      continue: remaining > 0 && last !== undefined ? `${revision}:${last}` : undefined,
      remaining: remaining > 0 ? remaining : undefined,
    };
  }

  async put(key: ObjectKey, object: KubeObject, expected: Expected): Promise<StoredObject> {
    const previous = this.#expect(key, expected);
    const revision = ++this.#revision;
    const stored: StoredObject = { key, object: withVersion(object, revision), revision };
    this.#objects.set(textOf(key), stored);
    this.#tell({ revision, key, object: stored.object, previous: previous?.object, deleted: false });
    return stored;
  }

  async remove(key: ObjectKey, expected: Exclude<Expected, "absent">): Promise<StoredObject> {
    const previous = this.#expect(key, expected);
    if (previous === undefined) throw notFound(key.type, key.name);
    const revision = ++this.#revision;
    const object = withVersion(previous.object, revision);
    this.#objects.delete(textOf(key));
    this.#tell({ revision, key, object, previous: previous.object, deleted: true });
    return { key, object, revision };
  }

  async *follow(type: string, after: number, signal: AbortSignal): AsyncIterable<ObjectChange> {
    let at = after;
    while (!signal.aborted) {
      if (at < this.#oldest) throw new ApiError("Expired", `too old resource version: ${at}`);
      const next = this.#changes.find((change) => change.revision > at && change.key.type === type);
      if (next === undefined) {
        await this.#change(signal);
        continue;
      }
      at = next.revision;
      yield next;
    }
  }

  async close(): Promise<void> {}

  #expect(key: ObjectKey, expected: Expected): StoredObject | undefined {
    const found = this.#objects.get(textOf(key));
    if (expected === "absent" && found !== undefined) throw alreadyExists(key.type, key.name);
    if (typeof expected !== "number") return found;
    if (found === undefined) throw notFound(key.type, key.name);
    if (found.revision !== expected)
      throw conflict(
        key.type,
        key.name,
        "the object has been modified; please apply your changes to the latest version and try again",
      );
    return found;
  }

  #page(text: string | undefined): [revision: number, after: string | undefined] {
    if (text === undefined) return [this.#revision, undefined];
    const revision = Number(text.slice(0, text.indexOf(":")));
    if (revision < this.#oldest) throw new ApiError("Expired", "the list is too old to be continued");
    return [revision, text.slice(text.indexOf(":") + 1)];
  }

  #tell(change: ObjectChange): void {
    this.#changes.push(change);
    for (const wake of [...this.#waiting]) wake();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }
}

function textOf({ type, namespace, name }: ObjectKey): string {
  return `${type}\n${namespace}\n${name}`;
}

function withVersion(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
