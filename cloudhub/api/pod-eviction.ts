import type { KubeObject } from "../../kubernetes/index.ts";
import { deleteOptions } from "./api-call.ts";
import { coreResource } from "./kinds.ts";
import type { Registry } from "./registry.ts";

/**
 * Deletes a pod in an orderly way: what `kubectl drain` asks for. There are no disruption budgets to keep. Throws
 * `BadRequest`, and what a deletion throws.
 */
export async function evict(registry: Registry, pod: KubeObject, eviction: KubeObject): Promise<KubeObject> {
  const { name = "", namespace } = pod.metadata;
  const options = deleteOptions(new URLSearchParams(), eviction.deleteOptions);
  await registry.remove(coreResource("pods"), { name, namespace }, options);
  return {
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Success",
    code: 201,
  };
}
