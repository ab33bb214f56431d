import {
  ApiError,
  apiVersionOf,
  type DeleteOptions,
  groupResource,
  isReason,
  type Kind,
  type KubeList,
  type KubeObject,
  type ListQuery,
  notFound,
  notServed,
  type ObjectName,
  type ObjectsApi,
  type PatchKind,
  type ResourceName,
  type WatchEvent,
  type WatchQuery,
} from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { type Kinds, storedType } from "./kinds.ts";
import { bookmark, watchObjects } from "./object-watch.ts";
import { attempts, type Committed, keyOf, ObjectWriter } from "./object-writer.ts";
import { asSent, managed, type RegistryOptions } from "./object-writing.ts";
import { patched, requiredVersion } from "./patching.ts";
import { matcherOf, requireKnownVersion, revisionIn, shownAs } from "./representation.ts";

/** What is kept elsewhere and can be read like objects. */
export interface ObjectView {
  get(name: ObjectName): Promise<KubeObject | undefined>;
  list(): Promise<readonly KubeObject[]>;
}

/** Answers what is posted to a subresource that is no part of the object. */
export type SubresourceAnswer = (object: KubeObject, document: KubeObject) => Promise<KubeObject>;

export interface RegistryParts {
  readonly store: ResourceStore;
  readonly clock: Clock;
  readonly kinds: Kinds;
  /** By `groupResource` of the kind. */
  readonly views?: ReadonlyMap<string, ObjectView>;
}

export interface RegistryWatch extends Omit<WatchQuery, "resourceVersion"> {
  /** Absent: begins with what is there now. */
  readonly resourceVersion?: string | undefined;
  /** Begins with what is there now, and a bookmark that says where that ends. */
  readonly sendInitialEvents?: boolean | undefined;
  /** Says every so many ms up to where nothing has changed; absent: never. */
  readonly bookmarkMs?: number | undefined;
}

export interface RegistryList extends ListQuery {
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
}

/** Does with objects what every request needs, whoever asks: the rules of their kinds over the store. */
export class Registry implements ObjectsApi {
  readonly kinds: Kinds;
  readonly #parts: RegistryParts;
  readonly #writer: ObjectWriter;
  readonly #listeners: ((change: Committed) => void)[] = [];
  readonly #answers = new Map<string, SubresourceAnswer>();
  readonly #questions = new Map<string, (question: KubeObject) => KubeObject>();

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.kinds = parts.kinds;
    const { store, clock } = parts;
    this.#writer = new ObjectWriter({ store, clock, committed: (change) => this.#committed(change) });
    for (const definition of store.list("customresourcedefinitions.apiextensions.k8s.io").items)
      this.kinds.define(definition);
  }

  /** Tells of every change that this registry makes, once it is on the disk. */
  onCommit(listener: (change: Committed) => void): void {
    this.#listeners.push(listener);
  }

  /** @param path `serviceaccounts/token`, with the group after the plural for other groups than the core. */
  answer(path: string, answer: SubresourceAnswer): void {
    this.#answers.set(path, answer);
  }

  /** @param kind One that is answered and not kept: `SubjectAccessReview`. */
  answerQuestion(kind: string, answer: (question: KubeObject) => KubeObject): void {
    this.#questions.set(kind, answer);
  }

  async get(resource: ResourceName, name: ObjectName): Promise<KubeObject> {
    const kind = this.#kind(resource, "get");
    const view = this.#view(kind);
    if (view === undefined) return this.#writer.require(kind, keyOf(kind, name)).object;
    const found = await view.get(name);
    if (found === undefined) throw notFound(groupResource(kind.type), name.name);
    return found;
  }

  /** The object as it is now; `undefined`: it is not there. */
  peek(kind: Kind, name: ObjectName): KubeObject | undefined {
    const found = this.#parts.store.get(keyOf(kind, name));
    return found && shownAs(kind, found.object);
  }

  async list(resource: ResourceName, query: RegistryList = {}): Promise<KubeList> {
    const kind = this.#kind(resource, "list");
    const { store } = this.#parts;
    requireKnownVersion(query, store.revision);
    const matches = matcherOf(kind, query);
    const view = this.#view(kind);
    if (view !== undefined) {
      const all = await view.list();
      const items = all.filter((object) => matches(object) && isIn(query.namespace, object));
      return listOf(kind, items, { resourceVersion: String(store.revision) });
    }
    const page = store.list(storedType(kind), {
      namespace: query.namespace,
      ...(query.labelSelector || query.fieldSelector ? { matches } : {}),
      limit: query.limit === 0 ? undefined : query.limit,
      continue: query.continue || undefined,
    });
    const items = page.items.map((object) => shownAs(kind, object));
    const more = page.continue === undefined ? {} : { continue: page.continue };
    const remaining = page.remaining === undefined ? {} : { remainingItemCount: page.remaining };
    return listOf(kind, items, { resourceVersion: String(page.revision), ...more, ...remaining });
  }

  async *watch(resource: ResourceName, query: RegistryWatch): AsyncGenerator<WatchEvent> {
    const kind = this.#kind(resource, "watch");
    const { store } = this.#parts;
    const { namespace, sendInitialEvents, signal = new AbortController().signal } = query;
    const matches = matcherOf(kind, query);
    const shown = (object: KubeObject): KubeObject => shownAs(kind, object);
    const scope = { type: storedType(kind), namespace, matches, shown };
    let after = revisionIn(query.resourceVersion);
    if (sendInitialEvents ?? after === 0) {
      const { items, revision } = store.list(scope.type, { namespace, matches });
      for (const object of items) yield { type: "ADDED", object: shown(object) };
      if (sendInitialEvents) yield { type: "BOOKMARK", object: bookmark(scope, revision, true) };
      after = revision;
    } else if (after === 0) after = store.revision;
    yield* watchObjects(this.#parts, scope, { after, bookmarkMs: query.bookmarkMs ?? 0, signal });
  }

  async create(
    resource: ResourceName,
    object: KubeObject,
    options: RegistryOptions = {},
  ): Promise<KubeObject> {
    const kind = this.#kind(resource, "create");
    if (!kind.type.verbs.includes("list")) return this.#answerTo(kind, object);
    const sent = asSent(kind, object, options);
    const now = this.#parts.clock.wallTime();
    return await this.#writer.insert(kind, managed(kind, sent, undefined, { options, now }), options);
  }

  async update(
    resource: ResourceName,
    object: KubeObject,
    options: RegistryOptions = {},
  ): Promise<KubeObject> {
    const kind = this.#kind(resource, "update");
    const sent = asSent(kind, object, options);
    const { name, namespace, resourceVersion: version } = sent.metadata;
    if (!name) throw new ApiError("BadRequest", "name must be provided");
    const now = this.#parts.clock.wallTime();
    const change = (old: KubeObject): KubeObject => managed(kind, sent, old, { options, now });
    return await this.#writer.change(kind, keyOf(kind, { name, namespace }), { change, options, version });
  }

  async patch(
    resource: ResourceName,
    name: ObjectName,
    patchKind: PatchKind,
    patch: unknown,
    options: RegistryOptions = {},
  ): Promise<KubeObject> {
    const kind = this.#kind(resource, "patch");
    const key = keyOf(kind, name);
    const now = this.#parts.clock.wallTime();
    const change = (old: KubeObject | undefined): KubeObject =>
      patched(kind, old, { patchKind, patch, name }, { options, now });
    const version = requiredVersion(patchKind, patch);
    const makes = patchKind === "apply" && options.subresource === undefined;
    for (let attempt = 1; makes && this.#parts.store.get(key) === undefined; attempt++) {
      try {
        return await this.#writer.insert(kind, change(undefined), options);
      } catch (error) {
        if (!isReason(error, "AlreadyExists") || attempt >= attempts) throw error;
      }
    }
    return await this.#writer.change(kind, key, { change, options, version });
  }

  /**
   * Changes an object by whatever a function makes of it, again when another change came first. In the hub's own name,
   * unless the options name a field manager.
   */
  async revise(
    resource: ResourceName,
    name: ObjectName,
    change: (old: KubeObject) => KubeObject,
    options: RegistryOptions = {},
  ): Promise<KubeObject> {
    const kind = this.kinds.require(resource);
    const now = this.#parts.clock.wallTime();
    const made = (old: KubeObject): KubeObject => managed(kind, change(old), old, { options, now });
    return await this.#writer.change(kind, keyOf(kind, name), { change: made, options, version: undefined });
  }

  async delete(resource: ResourceName, name: ObjectName, options: DeleteOptions = {}): Promise<KubeObject> {
    return (await this.remove(resource, name, options)).object;
  }

  /** Deletes an object. @returns It as it is now, and whether it is gone. */
  async remove(
    resource: ResourceName,
    name: ObjectName,
    options: DeleteOptions = {},
  ): Promise<{ object: KubeObject; gone: boolean }> {
    const kind = this.#kind(resource, "delete");
    return await this.#writer.remove(kind, keyOf(kind, name), options);
  }

  /** Deletes all that a list would give. @returns What was there. */
  async deleteCollection(
    resource: ResourceName,
    query: RegistryList,
    options: DeleteOptions = {},
  ): Promise<KubeList> {
    const kind = this.#kind(resource, "deletecollection");
    const found = await this.list(resource, query);
    for (const { metadata } of found.items) {
      const { name = "", namespace } = metadata;
      try {
        await this.remove(kind.type, { name, namespace }, options);
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    }
    return found;
  }

  async request(
    resource: ResourceName,
    name: ObjectName,
    subresource: string,
    document: KubeObject,
  ): Promise<KubeObject> {
    const kind = this.kinds.require(resource);
    const answer = this.#answers.get(`${groupResource(kind.type)}/${subresource}`);
    if (answer === undefined) throw notServed();
    return await answer(this.#writer.require(kind, keyOf(kind, name)).object, document);
  }

  #answerTo({ type }: Kind, question: KubeObject): KubeObject {
    const answer = this.#questions.get(type.kind);
    if (answer !== undefined) return answer(question);
    throw new ApiError("MethodNotAllowed", `${type.kind} is answered to clients of the API only`);
  }

  #committed(change: Committed): void {
    if (change.kind.type.kind === "CustomResourceDefinition") {
      if (change.deleted) this.kinds.forget(change.key.name);
      else this.kinds.define(change.object);
    }
    for (const listener of this.#listeners) listener(change);
  }

  #kind(resource: ResourceName, verb: Kind["type"]["verbs"][number]): Kind {
    const kind = this.kinds.require(resource);
    if (kind.type.verbs.includes(verb)) return kind;
    throw new ApiError("MethodNotAllowed", "the server does not allow this method on the requested resource");
  }

  #view(kind: Kind): ObjectView | undefined {
    return this.#parts.views?.get(groupResource(kind.type));
  }
}

function listOf(kind: Kind, items: readonly KubeObject[], metadata: KubeList["metadata"]): KubeList {
  return { apiVersion: apiVersionOf(kind.type), kind: `${kind.type.kind}List`, metadata, items };
}

function isIn(namespace: string | undefined, { metadata }: KubeObject): boolean {
  return namespace === undefined || metadata.namespace === namespace;
}
