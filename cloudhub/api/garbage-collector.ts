import { isReason, type Kind, type KubeObject, type OwnerReference } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import type { ObjectKey, ResourceStore } from "../store/resource-store.ts";
import { foregroundFinalizer, orphanFinalizer } from "./deletion.ts";
import { storedType } from "./kinds.ts";
import { withoutFinalizer } from "./object-lifecycle.ts";
import type { Committed } from "./object-writer.ts";
import type { Registry } from "./registry.ts";
import { UnknownOwners } from "./unknown-owners.ts";
import { WorkQueue } from "./work-queue.ts";

export interface KeeperParts {
  readonly registry: Registry;
  readonly store: ResourceStore;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Known {
  readonly kind: Kind;
  readonly key: ObjectKey;
  readonly uid: string;
  /** Of its owners. */
  readonly owners: readonly string[];
}

/**
 * Removes what belonged to objects that are gone, as their owner references say: in the background, before the owner
 * goes (`foregroundDeletion`), or not at all (`orphan`).
 */
export class GarbageCollector {
  readonly #parts: KeeperParts;
  readonly #queue: WorkQueue;
  /** Objects with owners, and owners that wait for their dependents, by {@link textOf}. */
  readonly #known = new Map<string, Known>();
  /** Owner's uid → its dependents. */
  readonly #dependents = new Map<string, Set<string>>();
  /** Uid of an owner that waits for its dependents → the owner. */
  readonly #waiting = new Map<string, string>();
  readonly #unknown = new UnknownOwners();

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    const failed = (key: string, error: unknown): void =>
      parts.log.warn("an object's owners could not be looked after", { key, error });
    this.#queue = new WorkQueue({ clock: parts.clock, failed }, (text) => this.#look(text));
    parts.registry.onCommit((change) => this.#committed(change));
    for (const kind of parts.registry.kinds.stored()) this.#remember(kind);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  #remember(kind: Kind): void {
    const type = storedType(kind);
    for (const object of this.#parts.store.list(type).items) {
      const { namespace = "", name = "" } = object.metadata;
      this.#committed({ kind, key: { type, namespace, name }, object, deleted: false });
    }
  }

  #committed({ kind, key, object, deleted }: Committed): void {
    if (kind.type.kind === "CustomResourceDefinition" && !deleted) this.#defined();
    const text = textOf(key);
    const { uid = "", ownerReferences = [], deletionTimestamp, finalizers = [] } = object.metadata;
    const owners = deleted ? [] : ownerReferences.map((owner) => owner.uid);
    const before = this.#known.get(text);
    for (const owner of before?.owners ?? []) {
      if (owners.includes(owner) && before?.uid === uid) continue;
      this.#forgetDependent(owner, text);
      const waits = this.#waiting.get(owner);
      if (waits !== undefined) this.#queue.add(waits);
    }
    if (deleted) {
      this.#removed(text, uid);
      return;
    }
    const waits =
      deletionTimestamp !== undefined &&
      (finalizers.includes(orphanFinalizer) || finalizers.includes(foregroundFinalizer));
    if (owners.length === 0 && !waits) {
      this.#known.delete(text);
      this.#unknown.forget(text);
      return;
    }
    this.#known.set(text, { kind, key, uid, owners });
    for (const owner of owners) this.#dependentsOf(owner).add(text);
    if (waits || before?.owners.join() !== owners.join()) this.#queue.add(text);
  }

  /** A kind may be known now that was not when owners of it were looked for. */
  #defined(): void {
    const { kinds } = this.#parts.registry;
    const isKnown = ({ apiVersion, kind }: { apiVersion: string; kind: string }): boolean =>
      kinds.ofObject(apiVersion, kind) !== undefined;
    for (const text of this.#unknown.of(isKnown)) this.#queue.add(text);
  }

  #removed(text: string, uid: string): void {
    this.#known.delete(text);
    this.#unknown.forget(text);
    this.#waiting.delete(uid);
    for (const dependent of this.#dependents.get(uid) ?? []) this.#queue.add(dependent);
  }

  #forgetDependent(owner: string, text: string): void {
    const dependents = this.#dependents.get(owner);
    dependents?.delete(text);
    if (dependents?.size === 0) this.#dependents.delete(owner);
  }

  #dependentsOf(uid: string): Set<string> {
    const known = this.#dependents.get(uid) ?? new Set<string>();
    this.#dependents.set(uid, known);
    return known;
  }

  async #look(text: string): Promise<void> {
    const known = this.#known.get(text);
    const object = known && this.#parts.store.get(known.key)?.object;
    if (known === undefined || object === undefined) return;
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    try {
      if (deletionTimestamp !== undefined && finalizers.includes(orphanFinalizer)) await this.#orphan(known);
      else if (deletionTimestamp !== undefined && finalizers.includes(foregroundFinalizer))
        await this.#removeDependents(text, known);
      await this.#lookAtOwners(text, known, object);
    } catch (error) {
      // Somebody else was faster: it is looked at again when that change comes by.
      if (!isReason(error, "NotFound") && !isReason(error, "Conflict")) throw error;
    }
  }

  /** Its dependents stay, without it. */
  async #orphan(owner: Known): Promise<void> {
    for (const text of this.#dependents.get(owner.uid) ?? []) {
      const dependent = this.#known.get(text);
      if (dependent !== undefined) await this.#dropOwners(dependent, new Set([owner.uid]));
    }
    await this.#finish(owner, orphanFinalizer);
  }

  /** Its dependents go first; those that block it are waited for. */
  async #removeDependents(text: string, owner: Known): Promise<void> {
    let blocked = false;
    for (const one of [...(this.#dependents.get(owner.uid) ?? [])]) {
      const dependent = this.#known.get(one);
      const object = dependent && this.#parts.store.get(dependent.key)?.object;
      if (dependent === undefined || object === undefined) continue;
      const gone = object.metadata.deletionTimestamp === undefined && (await this.#remove(dependent));
      const reference = object.metadata.ownerReferences?.find(({ uid }) => uid === owner.uid);
      if (!gone && reference?.blockOwnerDeletion) blocked = true;
    }
    if (blocked) {
      this.#waiting.set(owner.uid, text);
      return;
    }
    this.#waiting.delete(owner.uid);
    await this.#finish(owner, foregroundFinalizer);
  }

  async #lookAtOwners(text: string, known: Known, object: KubeObject): Promise<void> {
    const owners = object.metadata.ownerReferences ?? [];
    this.#unknown.forget(text);
    if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return;
    const { kinds } = this.#parts.registry;
    for (const owner of owners)
      if (kinds.ofObject(owner.apiVersion, owner.kind) === undefined) this.#unknown.add(text, owner);
    const gone = owners.filter((owner) => this.#isGone(owner, object.metadata.namespace));
    if (gone.length === owners.length) await this.#remove(known);
    else if (gone.length > 0) await this.#dropOwners(known, new Set(gone.map(({ uid }) => uid)));
  }

  /** An owner of a kind that is not known here is nobody's to judge, until the kind is defined. */
  #isGone({ apiVersion, kind: kindName, name, uid }: OwnerReference, namespace: string | undefined): boolean {
    const kind = this.#parts.registry.kinds.ofObject(apiVersion, kindName);
    if (kind === undefined || (kind.type.namespaced && namespace === undefined)) return false;
    const key = { type: storedType(kind), namespace: kind.type.namespaced ? (namespace ?? "") : "", name };
    return this.#parts.store.get(key)?.object.metadata.uid !== uid;
  }

  async #remove({ kind, key, uid }: Known): Promise<boolean> {
    const { gone } = await this.#parts.registry.remove(kind.type, nameOf(key), { preconditions: { uid } });
    return gone;
  }

  async #dropOwners({ kind, key }: Known, uids: ReadonlySet<string>): Promise<void> {
    await this.#parts.registry.revise(kind.type, nameOf(key), ({ metadata, ...rest }) => {
      const ownerReferences = metadata.ownerReferences?.filter(({ uid }) => !uids.has(uid)) ?? [];
      const { ownerReferences: _, ...others } = metadata;
      return {
        ...rest,
        metadata: ownerReferences.length === 0 ? others : { ...others, ownerReferences },
      } as KubeObject;
    });
  }

  async #finish({ kind, key }: Known, finalizer: string): Promise<void> {
    await this.#parts.registry.revise(kind.type, nameOf(key), (object) =>
      withoutFinalizer(object, finalizer),
    );
  }
}

function textOf({ type, namespace, name }: ObjectKey): string {
  return `${type} ${namespace} ${name}`;
}

function nameOf({ namespace, name }: ObjectKey): { namespace: string | undefined; name: string } {
  return { namespace: namespace === "" ? undefined : namespace, name };
}
