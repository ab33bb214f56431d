import { isReason, type KubeObject, type ResourceName } from "../../kubernetes/index.ts";
import { forEachAtOnce } from "../../platform/at-once.ts";
import type { KeeperParts } from "./garbage-collector.ts";
import { definitionFinalizer } from "./kind-rules.ts";
import { coreResource, storedType } from "./kinds.ts";
import { withoutFinalizer } from "./object-lifecycle.ts";
import type { Committed } from "./object-writer.ts";
import { WorkQueue } from "./work-queue.ts";

const namespaces = coreResource("namespaces");
const definitions = {
  group: "apiextensions.k8s.io",
  version: "v1",
  resource: "customresourcedefinitions",
};
/** Objects that are being removed at a time: what is removed in one turn is one transaction. */
const removedAtOnce = 8;

/**
 * Looks after what holds other objects. A namespace gets its ServiceAccount `default` and the hub's CA; one that is
 * deleted is emptied before it goes. The objects of a CustomResourceDefinition go before it does.
 */
export class NamespaceKeeper {
  readonly #parts: KeeperParts;
  readonly #caPem: string;
  readonly #namespaces: WorkQueue;
  readonly #definitions: WorkQueue;

  /** @param caPem What clients inside pods trust. */
  constructor(parts: KeeperParts, caPem: string) {
    this.#parts = parts;
    this.#caPem = caPem;
    const { clock, log, registry, store } = parts;
    const failed = (key: string, error: unknown): void =>
      log.warn("a namespace or definition could not be looked after", { key, error });
    this.#namespaces = new WorkQueue({ clock, failed }, (name) => this.#lookAtNamespace(name));
    this.#definitions = new WorkQueue({ clock, failed }, (name) => this.#lookAtDefinition(name));
    registry.onCommit((change) => this.#committed(change));
    for (const { metadata } of store.list("namespaces").items) this.#namespaces.add(metadata.name ?? "");
    for (const { metadata } of store.list("customresourcedefinitions.apiextensions.k8s.io").items)
      this.#definitions.add(metadata.name ?? "");
  }

  async close(): Promise<void> {
    await this.#namespaces.close();
    await this.#definitions.close();
  }

  #committed({ kind, key, deleted }: Committed): void {
    const { registry } = this.#parts;
    if (key.type === "namespaces" && !deleted) this.#namespaces.add(key.name);
    else if (kind.type.resource === definitions.resource && !deleted) this.#definitions.add(key.name);
    else if (deleted && key.namespace !== "") this.#namespaces.add(key.namespace);
    if (!deleted || kind.form !== "structural") return;
    const definition = `${kind.type.resource}.${kind.type.group}`;
    if (registry.kinds.ofDefinition(definition).length > 0) this.#definitions.add(definition);
  }

  async #lookAtNamespace(name: string): Promise<void> {
    const found = this.#parts.store.get({ type: "namespaces", namespace: "", name })?.object;
    if (found === undefined) return;
    if (found.metadata.deletionTimestamp === undefined) await this.#furnish(name);
    else if (await this.#isEmptied(name)) await this.#finish(name);
  }

  async #furnish(namespace: string): Promise<void> {
    await this.#ensure({
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "default", namespace },
    });
    await this.#ensure({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: {
        name: "kube-root-ca.crt",
        namespace,
        annotations: { "kubernetes.io/description": "The certificate authority of the API server." },
      },
      data: { "ca.crt": this.#caPem },
    });
  }

  async #ensure(object: KubeObject): Promise<void> {
    const { registry, store } = this.#parts;
    const { name = "", namespace = "" } = object.metadata;
    const resource = object.kind === "ConfigMap" ? "configmaps" : "serviceaccounts";
    const there = store.get({ type: resource, namespace, name })?.object;
    if (there === undefined) await registry.create(coreResource(resource), object);
    else if (object.data !== undefined)
      await registry.revise(coreResource(resource), { name, namespace }, (old) => ({
        ...old,
        data: object.data,
      }));
  }

  /**
   * Deletes what is left in a namespace. What was decided before the namespace was marked may become visible while others
   * are being deleted: it is looked for again when those are gone.
   *
   * @returns True if nothing was found.
   */
  async #isEmptied(namespace: string): Promise<boolean> {
    const { registry, store } = this.#parts;
    let found = 0;
    for (const kind of registry.kinds.stored()) {
      if (!kind.type.namespaced) continue;
      const { items } = store.list(storedType(kind), { namespace });
      found += items.length;
      await this.#removeAll(kind.type, items);
    }
    return found === 0;
  }

  /** What is being deleted already is left to whoever holds it. */
  async #removeAll(resource: ResourceName, objects: readonly KubeObject[]): Promise<void> {
    const left = objects.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    await forEachAtOnce(removedAtOnce, left, async ({ metadata: { name = "", namespace } }) => {
      try {
        await this.#parts.registry.remove(resource, { name, namespace });
      } catch (error) {
        if (!isReason(error, "NotFound")) throw error;
      }
    });
  }

  async #finish(name: string): Promise<void> {
    const emptied = (object: KubeObject): KubeObject => ({
      ...object,
      spec: { ...(object.spec as object | undefined), finalizers: [] },
    });
    await this.#parts.registry.revise(namespaces, { name }, emptied, { subresource: "finalize" });
  }

  async #lookAtDefinition(name: string): Promise<void> {
    const { registry, store } = this.#parts;
    const type = "customresourcedefinitions.apiextensions.k8s.io";
    const found = store.get({ type, namespace: "", name })?.object;
    if (found?.metadata.deletionTimestamp === undefined) return;
    const [kind] = registry.kinds.ofDefinition(name);
    const { items } = kind === undefined ? { items: [] } : store.list(storedType(kind));
    if (kind !== undefined) await this.#removeAll(kind.type, items);
    // Each that goes lets this be looked at again.
    if (items.length > 0) return;
    await registry.revise(definitions, { name }, (object) => withoutFinalizer(object, definitionFinalizer));
  }
}
