import { createHash } from "node:crypto";
import { apiVersionOf, type Kind, type KubeObject, type ObjectName } from "../../kubernetes/index.ts";
import { type HubApi, parseResource, type ResourceView } from "../../protocol/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { type Kinds, storedType, syncGroup } from "./kinds.ts";
import { timestamp, withoutUndefined } from "./object-lifecycle.ts";
import type { ObjectView } from "./registry.ts";

export interface SyncParts {
  readonly hub: Pick<HubApi, "nodes" | "resources">;
  readonly store: Pick<ResourceStore, "get">;
  readonly kinds: Kinds;
}

/** At most so many records are told of each node. */
const recordsPerNode = 10_000;

/**
 * What nodes have of each object, as KubeEdge's cloud records it: `<node>.<uid of the object>`. Nothing is kept for it:
 * it is the hub's checkpoints, for objects that are there.
 */
export function syncViews(parts: SyncParts): ReadonlyMap<string, ObjectView> {
  return new Map([
    [`objectsyncs.${syncGroup}`, new SyncView(parts, true)],
    [`clusterobjectsyncs.${syncGroup}`, new SyncView(parts, false)],
  ]);
}

class SyncView implements ObjectView {
  readonly #parts: SyncParts;
  readonly #namespaced: boolean;

  constructor(parts: SyncParts, namespaced: boolean) {
    this.#parts = parts;
    this.#namespaced = namespaced;
  }

  async get({ namespace, name }: ObjectName): Promise<KubeObject | undefined> {
    const records = await this.#ofNode(name.slice(0, name.lastIndexOf(".")));
    return records.find(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
  }

  async list(): Promise<readonly KubeObject[]> {
    const records: KubeObject[] = [];
    for (const { node } of await this.#parts.hub.nodes()) records.push(...(await this.#ofNode(node)));
    return records.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  }

  async #ofNode(node: string): Promise<KubeObject[]> {
    if (node === "") return [];
    const byType = this.#kindsByType();
    const views = await this.#parts.hub.resources({ node, limit: recordsPerNode });
    return views.flatMap((view) => this.#record(node, view, byType) ?? []);
  }

  #record(node: string, view: ResourceView, byType: ReadonlyMap<string, Kind>): KubeObject | undefined {
    const { namespace, type, name } = parseResource(view.resource);
    const kind = byType.get(type);
    if (kind === undefined || (namespace !== undefined) !== this.#namespaced || view.checkpoint?.deleted)
      return undefined;
    const key = { type: storedType(kind), namespace: namespace ?? "", name };
    const object = this.#parts.store.get(key)?.object;
    if (object === undefined) return undefined;
    return recordOf({ node, object, kind, namespace }, view);
  }

  /** By the lower-case kind, as resource paths have it. */
  #kindsByType(): ReadonlyMap<string, Kind> {
    const kinds = this.#parts.kinds.stored().filter(({ type }) => type.namespaced === this.#namespaced);
    return new Map(kinds.reverse().map((kind) => [kind.type.kind.toLowerCase(), kind]));
  }
}

function recordOf(
  {
    node,
    object,
    kind,
    namespace,
  }: { node: string; object: KubeObject; kind: Kind; namespace: string | undefined },
  { checkpoint }: ResourceView,
): KubeObject {
  const name = `${node}.${object.metadata.uid}`;
  const version = checkpoint?.version ?? "0";
  return {
    apiVersion: `${syncGroup}/v1alpha1`,
    kind: namespace === undefined ? "ClusterObjectSync" : "ObjectSync",
    metadata: withoutUndefined({
      name,
      namespace,
      uid: stableUid(name),
      resourceVersion: version,
      creationTimestamp: checkpoint === undefined ? null : timestamp(checkpoint.at),
    }),
    spec: {
      objectAPIVersion: apiVersionOf(kind.type),
      objectKind: kind.type.kind,
      objectName: object.metadata.name,
    },
    status: { objectResourceVersion: version },
  };
}

/** The same each time it is asked for. */
function stableUid(name: string): string {
  const hex = createHash("sha256").update(name).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ""} ${metadata.name}`;
}
