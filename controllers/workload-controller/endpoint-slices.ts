import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectsOf, textOf } from "../runtime/fields.ts";

/** A Service's Endpoints once more, in pieces. Pure. Source: Kubernetes' endpointslice controller. */

export const serviceLabel = "kubernetes.io/service-name";
const managedBy = "endpointslice.kubernetes.io/managed-by";
const managerName = "workload-controller";
/** As Kubernetes does unless it is told otherwise. */
const maxEndpoints = 100;

interface Piece {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly Json[];
  readonly endpoints: readonly Json[];
}

/** True for those that are written here. */
export function isOurs({ metadata }: KubeObject): boolean {
  return metadata.labels?.[managedBy] === managerName;
}

/** @param subsets Of the Service's Endpoints. */
export function slicesOf(service: KubeObject, subsets: readonly Json[]): KubeObject[] {
  const { name = "", namespace = "", uid = "", labels } = service.metadata;
  const owner = { apiVersion: "v1", kind: "Service", name, uid, controller: true, blockOwnerDeletion: true };
  return subsets.flatMap(piecesOf).map((piece, index) => ({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${index}`,
      namespace,
      labels: { ...labels, [serviceLabel]: name, [managedBy]: managerName },
      ownerReferences: [owner],
    },
    ...piece,
  }));
}

function piecesOf({ addresses, notReadyAddresses, ports }: Json): Piece[] {
  const all = [
    ...objectsOf(addresses).map((one) => endpointOf(one, true)),
    ...objectsOf(notReadyAddresses).map((one) => endpointOf(one, false)),
  ];
  const named = objectsOf(ports).map((port) => ({ name: "", ...port }));
  return (["IPv4", "IPv6"] as const).flatMap((addressType) => {
    const ofType = all.filter(({ addresses: [ip] }) => ip.includes(":") === (addressType === "IPv6"));
    const pieces: Piece[] = [];
    for (let at = 0; at < ofType.length; at += maxEndpoints)
      pieces.push({ addressType, ports: named, endpoints: ofType.slice(at, at + maxEndpoints) });
    return pieces;
  });
}

function endpointOf({ ip, nodeName, targetRef }: Json, ready: boolean) {
  return {
    addresses: [textOf(ip)] as const,
    conditions: { ready, serving: ready, terminating: false },
    ...(textOf(nodeName) === "" ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}
