import type { DeleteOptions, KubeObject, ObjectMeta } from "../../kubernetes/index.ts";
import { timestamp, withoutUndefined } from "./object-lifecycle.ts";

/** What becomes of an object that is to be deleted. Pure. */

export type Deletion =
  /** It goes now. */
  | { readonly kind: "remove" }
  /** It stays as this object until its finalizers, or the node it runs on, are done. */
  | { readonly kind: "mark"; readonly object: KubeObject }
  /** It is being deleted already, and this changes nothing. */
  | { readonly kind: "keep" };

/** Their dependents are looked after before an object with one of these goes. */
export const orphanFinalizer = "orphan";
export const foregroundFinalizer = "foregroundDeletion";

/** @param now Wall clock, ms. */
export function deletionOf(object: KubeObject, options: DeleteOptions, now: number): Deletion {
  const finalizers = finalizersOf(object.metadata, options);
  const seconds = graceSeconds(object, options);
  const { deletionTimestamp, deletionGracePeriodSeconds } = object.metadata;
  const held = finalizers.length > 0 || namespaceFinalizers(object).length > 0;
  if (deletionTimestamp === undefined) {
    if (!held && seconds === 0) return { kind: "remove" };
    return { kind: "mark", object: marked(object, { finalizers, seconds, now }) };
  }
  if (!held && seconds === 0) return { kind: "remove" };
  // A deletion under way is hurried, never delayed.
  const shorter = seconds < (deletionGracePeriodSeconds ?? 0);
  const changed = finalizers.length !== (object.metadata.finalizers ?? []).length;
  if (!shorter && !changed) return { kind: "keep" };
  const next = shorter ? seconds : (deletionGracePeriodSeconds ?? 0);
  return { kind: "mark", object: marked(object, { finalizers, seconds: next, now }) };
}

/** True for an object that only waited for this change to be gone. */
export function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    deletionGracePeriodSeconds === 0 &&
    finalizers.length === 0 &&
    namespaceFinalizers(object).length === 0
  );
}

/** What a namespace waits for; of other kinds nothing. */
export function namespaceFinalizers(object: KubeObject): readonly string[] {
  if (object.kind !== "Namespace" || object.apiVersion !== "v1") return [];
  return (object.spec as { finalizers?: readonly string[] } | undefined)?.finalizers ?? [];
}

function marked(
  object: KubeObject,
  { finalizers, seconds, now }: { finalizers: readonly string[]; seconds: number; now: number },
): KubeObject {
  const { deletionTimestamp, generation } = object.metadata;
  const metadata: ObjectMeta = withoutUndefined({
    ...object.metadata,
    deletionTimestamp: timestamp(now + seconds * 1_000),
    deletionGracePeriodSeconds: seconds,
    generation: generation !== undefined && deletionTimestamp === undefined ? generation + 1 : generation,
    finalizers: finalizers.length === 0 ? undefined : finalizers,
  });
  const next: KubeObject = withoutUndefined({ ...object, metadata });
  if (object.kind !== "Namespace" || object.apiVersion !== "v1") return next;
  return { ...next, status: { ...(object.status as object | undefined), phase: "Terminating" } };
}

/** How long a pod that runs on a node may take to stop; everything else goes at once. */
function graceSeconds(object: KubeObject, { gracePeriodSeconds }: DeleteOptions): number {
  if (object.kind !== "Pod" || object.apiVersion !== "v1") return 0;
  const spec = object.spec as { nodeName?: string; terminationGracePeriodSeconds?: number } | undefined;
  const { phase } = (object.status ?? {}) as { phase?: string };
  if (!spec?.nodeName || phase === "Failed" || phase === "Succeeded") return 0;
  const seconds = gracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30;
  return seconds < 0 ? 1 : seconds;
}

function finalizersOf(metadata: ObjectMeta, { propagationPolicy }: DeleteOptions): readonly string[] {
  const others = (metadata.finalizers ?? []).filter(
    (one) => one !== orphanFinalizer && one !== foregroundFinalizer,
  );
  switch (propagationPolicy) {
    case "Orphan":
      return [...others, orphanFinalizer];
    case "Foreground":
      return [...others, foregroundFinalizer];
    case "Background":
      return others;
    case undefined:
      return metadata.finalizers ?? [];
    default:
      return propagationPolicy satisfies never;
  }
}
