import type { KubeObject } from "../../kubernetes/object.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";
import type { EdgeStore } from "../store/edge-store.ts";
import type { MetaRecord } from "../store/meta-table.ts";
import { type ChangeLog, hasReports } from "./change-log.ts";
import { Catalogue, singularsOf } from "./kinds.ts";
import { isOfKind, kindOf, objectOf, type StoredObject } from "./objects.ts";
import { withReport } from "./reported.ts";

/** An object with the path of its resource. */
export interface LocalObject {
  readonly key: string;
  readonly object: KubeObject;
}

/** The Kubernetes objects among the resources of this node, pods and the node with the status that it reports. */
export class LocalObjects {
  readonly #store: Pick<EdgeStore, "meta" | "reports">;
  readonly #log: ChangeLog;

  constructor(store: Pick<EdgeStore, "meta" | "reports">, log: ChangeLog) {
    this.#store = store;
    this.#log = log;
  }

  get(at: ObjectPath): KubeObject | undefined {
    // KubeEdge 1.15 sends nodes as objects of namespace default.
    const namespaces = at.namespace === undefined ? ["null", "default"] : [at.namespace];
    for (const type of singularsOf(at.resource)) {
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
    for (const type of singularsOf(at.resource)) {
      for (const record of this.#records(type)) {
        if (at.namespace !== undefined && record.namespace !== at.namespace) continue;
        const object = this.#object(record);
        if (object && isOfKind(object, at)) found.push({ key: record.key, object });
      }
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** @param key Resource path. */
  byKey(key: string): KubeObject | undefined {
    const { meta } = this.#store;
    const record = meta.get(key) ?? this.#registered().find((one) => one.key === key);
    return record && this.#object(record);
  }

  /** The version the cloud gave an object, if clients of this node know its newest state by another one. */
  cloudVersionOf(at: ObjectPath, version: string): string | undefined {
    const { meta } = this.#store;
    for (const namespace of at.namespace === undefined ? ["null", "default"] : [at.namespace])
      for (const type of singularsOf(at.resource).filter(hasReports)) {
        const key = `${namespace}/${type}/${at.name}`;
        const record = meta.get(key);
        const object = record && objectOf(record);
        if (object && version === this.#log.versionOf(key)) return object.metadata.resourceVersion;
      }
    return undefined;
  }

  /** An object that the cloud gave, with what this node knows better: how its pods are, and itself. */
  withStatus(object: KubeObject, { group, resource }: ObjectPath): KubeObject {
    const [type = ""] = singularsOf(resource);
    if (group !== "" || !hasReports(type)) return object;
    const { name, namespace = "null" } = object.metadata;
    const { patch } = this.#store.reports.get(`${namespace}/${type}/${name}`) ?? {};
    return patch === undefined ? object : withReport(object, patch);
  }

  /** Paths of all resources. */
  keys(): string[] {
    return [...this.#store.meta.keys(), ...this.#registered().map(({ key }) => key)];
  }

  catalogue(): Catalogue {
    return new Catalogue(
      this.#store.meta.samples().flatMap((record) => {
        const object = objectOf(record);
        return object ? [kindOf(object)] : [];
      }),
    );
  }

  #records(type: string): (StoredObject & { readonly key: string })[] {
    const records = this.#store.meta.list(type);
    return type === "node" ? [...records, ...this.#registered()] : records;
  }

  /** This node as it registered itself, as long as the cloud has not sent it. */
  #registered(): (StoredObject & { readonly key: string })[] {
    const { meta, reports } = this.#store;
    const { key, object } = reports.registered() ?? {};
    if (key === undefined || object === undefined) return [];
    const [, type = "", name = ""] = key.split("/");
    const sent = [`default/node/${name}`, `null/node/${name}`].some((path) => meta.get(path) !== undefined);
    return sent ? [] : [{ key, type, namespace: undefined, name, version: undefined, value: object }];
  }

  #object(record: StoredObject & Pick<MetaRecord, "key">): KubeObject | undefined {
    const object = objectOf(record);
    if (object === undefined || !hasReports(record.type)) return object;
    const { patch } = this.#store.reports.get(record.key) ?? {};
    return patch === undefined ? object : withReport(object, patch, this.#log.versionOf(record.key));
  }
}
