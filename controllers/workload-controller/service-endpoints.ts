import { isDeepStrictEqual } from "node:util";
import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import { endpoints, nodes, pods, services } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { subsetsOf } from "./endpoints.ts";
import { indexPods, keyOf, nameOfKey } from "./keys.ts";
import { isReachable, onReadiness } from "./reachable.ts";

/** Marks Endpoints that go with their Service. */
const managedBy = "endpoints.kubernetes.io/managed-by";
const managerName = "workload-controller";
const conflictMs = 500;

/** Writes for each Service with a selector where its pods are reached. */
export function startEndpoints(parts: ControllerParts): RunningController {
  const { informers, objects } = parts;
  const ofServices = informers.of(services);
  const ofEndpoints = informers.of(endpoints);
  const ofPods = informers.of(pods);
  const ofNodes = informers.of(nodes);
  indexPods(ofPods);
  ofServices.addIndex("namespace", (service) => [service.metadata.namespace ?? ""]);
  const ready = Promise.all([ofServices, ofEndpoints, ofPods, ofNodes].map((one) => one.synced));

  const look = async (key: string): Promise<number | undefined> => {
    await ready;
    const name = nameOfKey(key);
    const service = ofServices.get(name);
    const known = ofEndpoints.get(name);
    try {
      if (service === undefined) await remove(known);
      else await write(service, known);
      return undefined;
    } catch (error) {
      // The informer is behind.
      const isBehind = ["AlreadyExists", "NotFound", "Conflict"] as const;
      if (isBehind.some((reason) => isReason(error, reason))) return conflictMs;
      throw error;
    }
  };

  const remove = async (known: KubeObject | undefined): Promise<void> => {
    if (known?.metadata.labels?.[managedBy] !== managerName) return;
    const { namespace, name = "" } = known.metadata;
    await objects.delete(endpoints, { namespace, name });
  };

  const write = async (service: KubeObject, known: KubeObject | undefined): Promise<void> => {
    const { namespace = "", name = "", labels } = service.metadata;
    const subsets = subsetsOf(service, ofPods.by("namespace", namespace), (pod) => isReachable(ofNodes, pod));
    if (subsets === undefined || (known !== undefined && isDeepStrictEqual(known.subsets ?? [], subsets)))
      return;
    const metadata = { ...known?.metadata, namespace, name, labels: { ...labels, [managedBy]: managerName } };
    const wanted = { apiVersion: "v1", kind: "Endpoints", metadata, subsets };
    await (known === undefined ? objects.create(endpoints, wanted) : objects.update(endpoints, wanted));
  };

  const queue = new WorkQueue(parts, look, { name: "services" });
  const touch = (pod: KubeObject | undefined): void => {
    for (const service of ofServices.by("namespace", pod?.metadata.namespace ?? ""))
      queue.add(keyOf(service));
  };
  const ends = [
    ofServices.observe(({ object, previous }) => queue.add(keyOf((object ?? previous) as KubeObject))),
    ofPods.observe(({ object, previous }) => touch(object ?? previous)),
    onReadiness(ofNodes, (node) => ofPods.by("node", node).forEach(touch)),
  ];
  return {
    async close() {
      for (const end of ends) end();
      await queue.close();
    },
  };
}
