import type { MetaTable } from "../store/meta-table.ts";
import type { ObjectPath } from "./api-path.ts";
import { Catalogue, singularsOf } from "./kinds.ts";
import { isOfKind, type KubeObject, kindOf, objectOf } from "./objects.ts";

/** An object with the path of its resource. */
export interface LocalObject {
  readonly key: string;
  readonly object: KubeObject;
}

/** The Kubernetes objects among the resources of this node. */
export class LocalObjects {
  readonly #meta: MetaTable;

  constructor(meta: MetaTable) {
    this.#meta = meta;
  }

  get(at: ObjectPath): KubeObject | undefined {
    // KubeEdge 1.15 sends nodes as objects of namespace default.
    const namespaces = at.namespace === undefined ? ["null", "default"] : [at.namespace];
    for (const type of singularsOf(at.plural)) {
      for (const namespace of namespaces) {
        const object = this.byKey(`${namespace}/${type}/${at.name}`);
        if (object && isOfKind(object, at) && object.metadata.namespace === at.namespace) return object;
      }
    }
    return undefined;
  }

  /** All of a kind, of one namespace if the path names one, in the order of their keys. */
  list(at: ObjectPath): LocalObject[] {
    const found: LocalObject[] = [];
    for (const type of singularsOf(at.plural)) {
      for (const record of this.#meta.list(type)) {
        if (at.namespace !== undefined && record.namespace !== at.namespace) continue;
        const object = objectOf(record);
        if (object && isOfKind(object, at)) found.push({ key: record.key, object });
      }
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** @param key Resource path. */
  byKey(key: string): KubeObject | undefined {
    const record = this.#meta.get(key);
    return record && objectOf(record);
  }

  /** Paths of all resources. */
  keys(): string[] {
    return this.#meta.keys();
  }

  catalogue(): Catalogue {
    return new Catalogue(
      this.#meta.samples().flatMap((record) => {
        const object = objectOf(record);
        return object ? [kindOf(object)] : [];
      }),
    );
  }
}
