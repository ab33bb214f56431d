import { randomInt, randomUUID } from "node:crypto";
import {
  ApiError,
  alreadyExists,
  conflict,
  type DeleteOptions,
  groupResource,
  isReason,
  type Kind,
  type KubeObject,
  notFound,
  type ObjectName,
} from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { ObjectKey, ResourceStore, StoredObject } from "../store/resource-store.ts";
import { deletionOf, isFinished } from "./deletion.ts";
import { beforeCreate, beforeUpdate, requireDeletable } from "./kind-rules.ts";
import { storedType } from "./kinds.ts";
import { changedObject, changedStatus, isSame, newObject } from "./object-lifecycle.ts";
import { type RegistryOptions, readyObject } from "./object-writing.ts";
import { shownAs, storedAs } from "./representation.ts";

/** A change that is on the disk. */
export interface Committed {
  readonly kind: Kind;
  readonly key: ObjectKey;
  readonly object: KubeObject;
  readonly deleted: boolean;
}

/** A change of an object that is there. */
export interface Change {
  /** What is wanted instead of the object; called again when another change came first. */
  readonly change: (old: KubeObject) => KubeObject;
  readonly options: RegistryOptions;
  /** Only if the object is still of this version. */
  readonly version: string | undefined;
}

export interface WriterParts {
  readonly store: ResourceStore;
  readonly clock: Clock;
  readonly committed: (change: Committed) => void;
}

/**
 * How often a change that does not depend on a version is tried again when another one came first. Those that wait for one
 * object get it in turn, so that this many may want to change it at once.
 */
export const attempts = 64;
const suffixLetters = "bcdfghjklmnpqrstvwxz2456789";
const outdated =
  "the object has been modified; please apply your changes to the latest version and try again";

/** Writes objects by the rules of their kinds: compare and set, until it is done or cannot be. */
export class ObjectWriter {
  readonly #parts: WriterParts;

  constructor(parts: WriterParts) {
    this.#parts = parts;
  }

  /** The object as its version has it, with its revision. Throws `NotFound`. */
  require(kind: Kind, key: ObjectKey): StoredObject {
    const found = this.#parts.store.get(key);
    if (found === undefined) throw notFound(groupResource(kind.type), key.name);
    return { ...found, object: shownAs(kind, found.object) };
  }

  async insert(kind: Kind, sent: KubeObject, options: RegistryOptions): Promise<KubeObject> {
    const { metadata } = sent;
    if (metadata.resourceVersion)
      throw new ApiError("BadRequest", "resourceVersion should not be set on objects to be created");
    for (let attempt = 1; ; attempt++) {
      const name = metadata.name || generatedName(metadata.generateName);
      const born = newObject(kind, sent, { uid: randomUUID(), now: this.#parts.clock.wallTime(), name });
      const object = readyObject(kind, beforeCreate(kind, born, this.#parts.store), undefined, options);
      const key = keyOf(kind, { name, namespace: object.metadata.namespace });
      try {
        if (!options.dryRun) return await this.#put(kind, key, { object, expected: "absent" });
        if (this.#parts.store.get(key) === undefined) return object;
        throw alreadyExists(groupResource(kind.type), name);
      } catch (error) {
        const again = !metadata.name && isReason(error, "AlreadyExists") && attempt < attempts;
        if (!again) throw error;
      }
    }
  }

  async change(kind: Kind, key: ObjectKey, { change, options, version }: Change): Promise<KubeObject> {
    for (let attempt = 1; ; attempt++) {
      const { object: old, revision } = this.require(kind, key);
      if (version && version !== old.metadata.resourceVersion)
        throw conflict(groupResource(kind.type), key.name, outdated);
      const sent = change(old);
      requirePreconditions(kind, old, { uid: sent.metadata.uid });
      const object = readyObject(kind, next(kind, old, { sent, options }), old, options);
      if (isSame(old, object)) return old;
      if (options.dryRun) return object;
      try {
        if (isFinished(object)) return await this.#remove(kind, key, revision);
        return await this.#put(kind, key, { object, expected: revision });
      } catch (error) {
        if (version || !isReason(error, "Conflict") || attempt >= attempts) throw error;
      }
    }
  }

  /** @returns The object as it is now, and whether it is gone. */
  async remove(
    kind: Kind,
    key: ObjectKey,
    options: DeleteOptions,
  ): Promise<{ object: KubeObject; gone: boolean }> {
    for (let attempt = 1; ; attempt++) {
      const { object, revision } = this.require(kind, key);
      requirePreconditions(kind, object, options.preconditions);
      requireDeletable(kind, object);
      const deletion = deletionOf(object, options, this.#parts.clock.wallTime());
      if (deletion.kind === "keep") return { object, gone: false };
      const gone = deletion.kind === "remove";
      if (options.dryRun) return { object: gone ? object : deletion.object, gone };
      try {
        if (gone) return { object: await this.#remove(kind, key, revision), gone };
        return { object: await this.#put(kind, key, { object: deletion.object, expected: revision }), gone };
      } catch (error) {
        if (!isReason(error, "Conflict") || attempt >= attempts) throw error;
      }
    }
  }

  async #put(
    kind: Kind,
    key: ObjectKey,
    { object, expected }: { object: KubeObject; expected: "absent" | number },
  ): Promise<KubeObject> {
    const stored = await this.#parts.store.put(key, storedAs(kind, object), expected);
    this.#parts.committed({ kind, key, object: stored.object, deleted: false });
    return shownAs(kind, stored.object);
  }

  async #remove(kind: Kind, key: ObjectKey, expected: number): Promise<KubeObject> {
    const stored = await this.#parts.store.remove(key, expected);
    this.#parts.committed({ kind, key, object: stored.object, deleted: true });
    return shownAs(kind, stored.object);
  }
}

/** What an update makes of an object: the part of it that is sent to where it was sent. */
function next(
  kind: Kind,
  old: KubeObject,
  { sent, options }: { sent: KubeObject; options: RegistryOptions },
): KubeObject {
  switch (options.subresource) {
    case undefined:
      return beforeUpdate(kind, changedObject(kind, old, sent), old);
    case "finalize":
      return { ...old, spec: sent.spec };
    case "status":
    case "approval":
      return changedStatus(kind, old, sent);
    default:
      return options.subresource satisfies never;
  }
}

/** Throws `BadRequest` for an object of a namespace that names none. */
export function keyOf(kind: Kind, { namespace, name }: ObjectName): ObjectKey {
  const type = storedType(kind);
  if (!kind.type.namespaced) return { type, namespace: "", name };
  if (namespace) return { type, namespace, name };
  throw new ApiError("BadRequest", "an empty namespace may not be set when a resource name is provided");
}

/** Throws `Conflict` as Kubernetes words it. */
function requirePreconditions(
  kind: Kind,
  { metadata }: KubeObject,
  wanted: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined } = {},
): void {
  const { uid, resourceVersion } = wanted;
  const require = (field: string, expected: string | undefined, is: string | undefined): void => {
    if (!expected || expected === is) return;
    const why = `Precondition failed: ${field} in precondition: ${expected}, ${field} in object meta: ${is}`;
    throw conflict(groupResource(kind.type), metadata.name ?? "", why);
  };
  require("UID", uid, metadata.uid);
  require("ResourceVersion", resourceVersion, metadata.resourceVersion);
}

function generatedName(prefix: string | undefined): string {
  if (!prefix) return "";
  const letters = Array.from({ length: 5 }, () => suffixLetters[randomInt(suffixLetters.length)]);
  return `${prefix.slice(0, 58)}${letters.join("")}`;
}
