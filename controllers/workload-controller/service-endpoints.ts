import { isDeepStrictEqual } from "node:util";
import { isReason, type KubeObject } from "../../kubernetes/index.ts";
import { endpointSlices, endpoints, nodes, pods, services } from "../runtime/kinds.ts";
import type { ControllerParts, RunningController } from "../runtime/parts.ts";
import { WorkQueue } from "../runtime/work-queue.ts";
import { isOurs, serviceLabel, slicesOf } from "./endpoint-slices.ts";
import { subsetsOf } from "./endpoints.ts";
import { indexPods, keyOf, nameOfKey } from "./keys.ts";
import { isReachable, onReadiness } from "./reachable.ts";

/** Marks Endpoints that go with their Service. */
const managedBy = "endpoints.kubernetes.io/managed-by";
const managerName = "workload-controller";
const conflictMs = 500;

/** Writes for each Service with a selector where its pods are reached: in Endpoints, and in EndpointSlices. */
export function startEndpoints(parts: ControllerParts): RunningController {
  const { informers, objects } = parts;
  const ofServices = informers.of(services);
  const ofEndpoints = informers.of(endpoints);
  const ofSlices = informers.of(endpointSlices);
  const ofPods = informers.of(pods);
  const ofNodes = informers.of(nodes);
  indexPods(ofPods);
  ofSlices.addIndex("service", ({ metadata }) => [
    `${metadata.namespace}/${metadata.labels?.[serviceLabel]}`,
  ]);
  ofServices.addIndex("namespace", (service) => [service.metadata.namespace ?? ""]);
  const ready = Promise.all([ofServices, ofEndpoints, ofSlices, ofPods, ofNodes].map((one) => one.synced));

  const look = async (key: string): Promise<number | undefined> => {
    await ready;
    const name = nameOfKey(key);
    const service = ofServices.get(name);
    const known = ofEndpoints.get(name);
    try {
      const subsets = service && subsetsNow(service);
      if (service === undefined) await remove(known);
      else if (subsets !== undefined) await write(service, subsets, known);
      await writeSlices(key, service && slicesOf(service, subsets ?? []));
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

  const subsetsNow = (service: KubeObject) =>
    subsetsOf(service, ofPods.by("namespace", service.metadata.namespace ?? ""), (pod) =>
      isReachable(ofNodes, pod),
    );

  const write = async (
    service: KubeObject,
    subsets: readonly object[],
    known: KubeObject | undefined,
  ): Promise<void> => {
    const { namespace = "", name = "", labels } = service.metadata;
    if (known !== undefined && isDeepStrictEqual(known.subsets ?? [], subsets)) return;
    const metadata = { ...known?.metadata, namespace, name, labels: { ...labels, [managedBy]: managerName } };
    const wanted = { apiVersion: "v1", kind: "Endpoints", metadata, subsets };
    await (known === undefined ? objects.create(endpoints, wanted) : objects.update(endpoints, wanted));
  };

  /** Those of a Service that is gone go with it. */
  const writeSlices = async (key: string, wanted: readonly KubeObject[] = []): Promise<void> => {
    const others = new Map(
      ofSlices
        .by("service", key)
        .filter(isOurs)
        .map((one) => [one.metadata.name, one]),
    );
    for (const slice of wanted) {
      const { name = "" } = slice.metadata;
      const found = others.get(name);
      others.delete(name);
      if (found === undefined) await objects.create(endpointSlices, slice);
      else if (!isSame(found, slice))
        await objects.update(endpointSlices, {
          ...slice,
          metadata: { ...found.metadata, ...slice.metadata },
        });
    }
    for (const { metadata } of others.values()) {
      const { namespace, name = "" } = metadata;
      await objects.delete(endpointSlices, { namespace, name });
    }
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

function isSame(known: KubeObject, wanted: KubeObject): boolean {
  const told = (slice: KubeObject) => [slice.addressType, slice.ports, slice.endpoints];
  return isDeepStrictEqual(told(known), told(wanted));
}
