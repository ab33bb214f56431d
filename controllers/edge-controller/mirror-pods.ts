import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, objectsOf, specOf } from "../runtime/fields.ts";
import { referencesOf } from "./references.ts";

/** Pods that a node runs by itself, and only tells of. Pure. Source: Kubernetes NodeRestriction, mirror pods. */

const mirrorAnnotation = "kubernetes.io/config.mirror";
/** Volumes that bring nothing from the cloud. */
const ownVolumes: ReadonlySet<string> = new Set(["name", "hostPath", "emptyDir", "downwardAPI"]);

export function isMirror({ metadata }: KubeObject): boolean {
  return metadata.annotations?.[mirrorAnnotation] !== undefined;
}

/**
 * A node that could make pods as it likes could have every Secret and every token: its pods decide which it gets.
 *
 * @returns Why a node may not create this pod; `undefined`: it may.
 */
export function whyNoMirror(pod: KubeObject, node: string): string | undefined {
  const spec = specOf(pod);
  if (spec.nodeName !== node) return `node ${node} creates pods of its own only`;
  if (!isMirror(pod))
    return `node ${node} creates mirror pods only, which have the annotation ${mirrorAnnotation}`;
  if (spec.serviceAccountName || spec.serviceAccount) return "a mirror pod uses no service account";
  const volumes = objectsOf(spec.volumes).flatMap((volume) => Object.keys(volume));
  const other = volumes.find((source) => !ownVolumes.has(source));
  if (other !== undefined) return `a mirror pod has no volume ${other}`;
  if (referencesOf(pod).length > 0) return "a mirror pod uses no ConfigMaps and Secrets";
  const owners = objectsOf(pod.metadata.ownerReferences);
  if (owners.some(({ kind, name }) => kind !== "Node" || name !== node))
    return "a mirror pod belongs to its node or to nobody";
  return objectOf(pod.metadata).finalizers === undefined ? undefined : "a mirror pod has no finalizers";
}
