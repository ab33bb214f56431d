import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";

/** What a pod's object says of its life. Pure. */

/** It runs, will run, or is ending; not one that has run to its end. */
export function isActive(pod: KubeObject): boolean {
  return !hasEnded(pod) && pod.metadata.deletionTimestamp === undefined;
}

export function hasEnded(pod: KubeObject): boolean {
  const { phase } = statusOf(pod);
  return phase === "Failed" || phase === "Succeeded";
}

/** When it became ready, ms since 1970; `undefined`: it is not. */
export function readySince(pod: KubeObject): number | undefined {
  const ready = objectsOf(statusOf(pod).conditions).find((one) => one.type === "Ready");
  if (ready?.status !== "True") return undefined;
  return Date.parse(textOf(ready.lastTransitionTime)) || 0;
}

export function podNode(pod: KubeObject): string {
  return textOf(specOf(pod).nodeName);
}

/** The uid of the object that has made it. */
export function ownerOf(pod: KubeObject): string | undefined {
  return pod.metadata.ownerReferences?.find((one) => one.controller)?.uid;
}

/** Does a `matchLabels` and `matchExpressions` take in these labels? An absent one takes in nothing. */
export function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  if (selector === undefined || selector === null) return false;
  const { matchLabels, matchExpressions } = objectOf(selector);
  return (
    Object.entries(objectOf(matchLabels)).every(([key, value]) => labels[key] === value) &&
    objectsOf(matchExpressions).every((one) => fits(one, labels))
  );
}

/** One requirement of a selector or an affinity. */
export function fits(
  requirement: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>>,
): boolean {
  const { key, operator, values } = requirement;
  const value = labels[textOf(key)];
  const list = Array.isArray(values) ? (values as unknown[]) : [];
  switch (operator) {
    case "In":
      return value !== undefined && list.includes(value);
    case "NotIn":
      return value === undefined || !list.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && Number(value) > Number(list[0]);
    case "Lt":
      return value !== undefined && Number(value) < Number(list[0]);
    default:
      return false;
  }
}
