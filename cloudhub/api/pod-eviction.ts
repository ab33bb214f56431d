import type { DeleteOptions, KubeObject } from "../../kubernetes/index.ts";
import { coreResource } from "./kinds.ts";
import { withoutUndefined } from "./object-lifecycle.ts";
import type { Registry } from "./registry.ts";

/** Deletes a pod in an orderly way: what `kubectl drain` asks for. There are no disruption budgets to keep. */
export async function evict(registry: Registry, pod: KubeObject, eviction: KubeObject): Promise<KubeObject> {
  const { name = "", namespace } = pod.metadata;
  const options = (eviction.deleteOptions ?? {}) as DeleteOptions & { dryRun?: unknown };
  const dryRun = Array.isArray(options.dryRun) && options.dryRun.length > 0;
  await registry.remove(coreResource("pods"), { name, namespace }, withoutUndefined({ ...options, dryRun }));
  return {
    apiVersion: "v1",
    kind: "Status",
    metadata: {},
    status: "Success",
    code: 201,
  };
}
