import { createHash } from "node:crypto";
import { isReason, type KubeObject, type ObjectsApi } from "../../kubernetes/index.ts";
import { objectOf, textOf } from "../runtime/fields.ts";
import { configMaps } from "../runtime/kinds.ts";
import { readRecords, type WatchRecord } from "./watch.ts";

const namespace = "kubeedge";
const label = "cloudhub/metaserver-watches";
const prefix = "metaserver-watches.";

/**
 * The watches of nodes, each node's in a ConfigMap: a stock edgecore tells of them when they are opened and never again,
 * so a cloud that restarts must know them itself.
 */
export class WatchStore {
  readonly #objects: ObjectsApi;

  constructor(objects: ObjectsApi) {
    this.#objects = objects;
  }

  async load(): Promise<Map<string, WatchRecord[]>> {
    const found = new Map<string, WatchRecord[]>();
    const { items } = await this.#objects.list(configMaps, { namespace, labelSelector: `${label}=true` });
    for (const { data } of items) {
      const { node, watches } = objectOf(data);
      if (textOf(node) !== "") found.set(textOf(node), readRecords(textOf(watches)));
    }
    return found;
  }

  /** No watches: nothing is kept of the node. */
  async save(node: string, watches: readonly WatchRecord[]): Promise<void> {
    const name = { namespace, name: nameFor(node) };
    try {
      if (watches.length === 0) await this.#objects.delete(configMaps, name);
      else await this.#objects.update(configMaps, objectFor(node, watches));
    } catch (error) {
      if (!isReason(error, "NotFound")) throw error;
      if (watches.length > 0) await this.#objects.create(configMaps, objectFor(node, watches));
    }
  }
}

function objectFor(node: string, watches: readonly WatchRecord[]): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace, name: nameFor(node), labels: { [label]: "true" } },
    data: { node, watches: JSON.stringify(watches) },
  };
}

/** Names of nodes may be as long as those of ConfigMaps. */
function nameFor(node: string): string {
  const name = prefix + node;
  return name.length <= 253 ? name : prefix + createHash("sha256").update(node).digest("hex");
}
