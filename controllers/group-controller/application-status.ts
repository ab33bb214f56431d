import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, specOf, statusOf } from "../runtime/fields.ts";
import { appliedAnnotation, type WantedObject } from "./manifests.ts";

/** How the objects of an application are. Pure. Source: KubeEdge's EdgeApplication. */

/** @param find An object as it is now; `undefined`: it is not there. */
export function applicationStatus(
  objects: readonly WantedObject[],
  find: (wanted: WantedObject) => KubeObject | undefined,
): Json {
  return {
    workloadStatus: objects.map((wanted) => ({
      identifier: wanted.identifier,
      conditions: isAvailable(find(wanted)) ? "Available" : "Processing",
    })),
  };
}

/** A Deployment is when as many pods as it is to have are; anything else when it is there. */
function isAvailable(object: KubeObject | undefined): boolean {
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return false;
  if (object.kind !== "Deployment") return true;
  const { replicas = 1 } = specOf(object);
  const { observedGeneration, updatedReplicas = 0, availableReplicas = 0 } = statusOf(object);
  const isSeen =
    observedGeneration === undefined || Number(observedGeneration) >= (object.metadata.generation ?? 0);
  return (
    isSeen && Number(availableReplicas) >= Number(replicas) && Number(updatedReplicas) >= Number(replicas)
  );
}

/** Is the object what the application wants it to be? What others have added to it does not matter. */
export function isApplied({ object }: WantedObject, found: KubeObject): boolean {
  if (found.metadata.annotations?.[appliedAnnotation] !== object.metadata.annotations?.[appliedAnnotation])
    return false;
  return contains(found, object);
}

/** Was it made for this application? */
export function isOwned(object: KubeObject, application: KubeObject): boolean {
  return (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === application.metadata.uid);
}

function contains(found: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found) || found.length !== wanted.length) return false;
    return wanted.every((one, index) => contains(found[index], one));
  }
  if (wanted === null || wanted === undefined) return found === null || found === undefined;
  if (typeof wanted !== "object") return found === wanted;
  if (typeof found !== "object" || found === null) return Object.keys(wanted).length === 0;
  return Object.entries(wanted).every(([key, value]) => contains((found as Json)[key], value));
}
