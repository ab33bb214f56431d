import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, specOf, statusOf } from "../runtime/fields.ts";
import { isActive, readySince } from "./pod-state.ts";
import { hashLabel, templateHash } from "./rollout.ts";

/**
 * The templates that a Deployment has had, each in a ReplicaSet, so that kubectl shows them and goes back to one. Pods belong
 * to the Deployment itself: what is done to these ReplicaSets changes no pod. Pure. Source: Kubernetes' deployment revisions.
 */

export const revisionAnnotation = "deployment.kubernetes.io/revision";
const causeAnnotation = "kubernetes.io/change-cause";
const defaultLimit = 10;

export interface Revisions {
  /** Of the template as it is now. */
  readonly current: number;
  readonly create: KubeObject | undefined;
  readonly change: readonly Change[];
  readonly remove: readonly KubeObject[];
}

/** What of a ReplicaSet is no more as it should be. */
export interface Change {
  readonly set: KubeObject;
  /** Merge patches. */
  readonly patch: object | undefined;
  readonly status: object | undefined;
}

/** @param sets Those of the Deployment. @param pods Its pods. */
export function planRevisions(
  deployment: KubeObject,
  sets: readonly KubeObject[],
  pods: readonly KubeObject[],
): Revisions {
  const hash = templateHash(deployment);
  const own = sets.find((one) => one.metadata.labels?.[hashLabel] === hash);
  const newest = Math.max(0, ...sets.map(revisionOf));
  // A template that is still being changed is no revision yet.
  const isWaiting = own === undefined && specOf(deployment).paused === true;
  const isNewest = own !== undefined && revisionOf(own) === newest;
  const current = isNewest || isWaiting ? newest : newest + 1;
  const change = sets.flatMap((set) => {
    const revision = set === own ? current : revisionOf(set);
    const cause = set === own ? causeOf(deployment) : causeOf(set);
    const found = changeOf(
      set,
      annotationsOf(revision, cause),
      countsOf(set.metadata.labels?.[hashLabel], pods),
    );
    return found === undefined ? [] : [found];
  });
  const limit = specOf(deployment).revisionHistoryLimit;
  const old = sets
    .filter((set) => set !== own && countsOf(set.metadata.labels?.[hashLabel], pods).replicas === 0)
    .sort((a, b) => revisionOf(a) - revisionOf(b));
  const remove = old.slice(0, Math.max(old.length - (typeof limit === "number" ? limit : defaultLimit), 0));
  const create = own === undefined && !isWaiting ? newSet(deployment, hash, current) : undefined;
  return { current, create, change, remove };
}

export function revisionOf({ metadata }: KubeObject): number {
  const value = Number(metadata.annotations?.[revisionAnnotation]);
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function newSet(deployment: KubeObject, hash: string, revision: number): KubeObject {
  const { name = "", namespace = "default", uid = "" } = deployment.metadata;
  const { selector, template, minReadySeconds } = specOf(deployment);
  const { metadata, ...rest } = objectOf(template);
  const labels = { ...objectOf(objectOf(metadata).labels), [hashLabel]: hash } as Record<string, string>;
  const owner = { apiVersion: "apps/v1", kind: "Deployment", name, uid };
  const { matchLabels, ...others } = objectOf(selector);
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name: `${name.slice(0, 242)}-${hash}`,
      namespace,
      labels,
      annotations: annotationsOf(revision, causeOf(deployment)),
      ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...others, matchLabels: { ...objectOf(matchLabels), [hashLabel]: hash } },
      template: { ...rest, metadata: { ...objectOf(metadata), labels } },
    },
  };
}

function annotationsOf(revision: number, cause: string | undefined): Record<string, string> {
  const given = cause === undefined ? {} : { [causeAnnotation]: cause };
  return { ...given, [revisionAnnotation]: String(revision) };
}

function causeOf({ metadata }: KubeObject): string | undefined {
  return metadata.annotations?.[causeAnnotation];
}

function countsOf(hash: string | undefined, pods: readonly KubeObject[]) {
  const active = pods.filter((pod) => isActive(pod) && pod.metadata.labels?.[hashLabel] === hash);
  const readyReplicas = active.filter((pod) => readySince(pod) !== undefined).length;
  return { replicas: active.length, readyReplicas };
}

function changeOf(
  set: KubeObject,
  annotations: Record<string, string>,
  counts: { readonly replicas: number; readonly readyReplicas: number },
): Change | undefined {
  const { replicas, readyReplicas } = statusOf(set);
  const isCounted = isDeepStrictEqual({ replicas: replicas ?? 0, readyReplicas: readyReplicas ?? 0 }, counts);
  const hasAnnotations = Object.entries(annotations).every(
    ([name, value]) => set.metadata.annotations?.[name] === value,
  );
  const isSized = specOf(set).replicas === counts.replicas;
  if (isCounted && hasAnnotations && isSized) return undefined;
  return {
    set,
    patch:
      hasAnnotations && isSized
        ? undefined
        : { metadata: { annotations }, spec: { replicas: counts.replicas } },
    status: isCounted ? undefined : counts,
  };
}
