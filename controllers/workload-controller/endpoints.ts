import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";
import { isActive, podNode, readySince, selects } from "./pod-state.ts";

/** Where a Service's pods are reached. Pure. Source: Kubernetes' endpoints controller. */

/** The subsets of a Service's Endpoints; `undefined` for one whose Endpoints somebody else writes. */
export function subsetsOf(
  service: KubeObject,
  pods: readonly KubeObject[],
  isReachable: (pod: KubeObject) => boolean,
): readonly Json[] | undefined {
  const spec = specOf(service);
  if (spec.selector === undefined || spec.type === "ExternalName") return undefined;
  const selector = { matchLabels: spec.selector };
  const bySet = new Map<string, { ports: readonly Json[]; ready: Json[]; notReady: Json[] }>();
  for (const pod of [...pods].sort((a, b) => ((a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1))) {
    const ip = textOf(statusOf(pod).podIP);
    if (ip === "" || !isActive(pod) || !selects(selector, pod.metadata.labels ?? {})) continue;
    const ports = objectsOf(spec.ports).flatMap((port) => portOf(port, pod));
    const key = JSON.stringify(ports);
    const set = bySet.get(key) ?? { ports, ready: [], notReady: [] };
    const isReady = readySince(pod) !== undefined && isReachable(pod);
    (isReady || spec.publishNotReadyAddresses === true ? set.ready : set.notReady).push(address(pod, ip));
    bySet.set(key, set);
  }
  return [...bySet.values()].map(({ ports, ready, notReady }) => ({
    ...(ready.length > 0 ? { addresses: ready } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: notReady } : {}),
    ...(ports.length > 0 ? { ports } : {}),
  }));
}

function address(pod: KubeObject, ip: string): Json {
  const { name, namespace, uid } = pod.metadata;
  return { ip, nodeName: podNode(pod), targetRef: { kind: "Pod", name, namespace, uid } };
}

/** A port that the pod does not name is left out. */
function portOf({ name, port, targetPort, protocol }: Json, pod: KubeObject): Json[] {
  const number = typeof targetPort === "string" ? namedPort(pod, targetPort) : (targetPort ?? port);
  if (typeof number !== "number") return [];
  return [{ ...(textOf(name) === "" ? {} : { name }), port: number, protocol: textOf(protocol, "TCP") }];
}

function namedPort(pod: KubeObject, name: string): unknown {
  const ports = objectsOf(specOf(pod).containers).flatMap((container) => objectsOf(container.ports));
  return objectOf(ports.find((one) => one.name === name)).containerPort;
}
