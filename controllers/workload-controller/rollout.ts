import { createHash } from "node:crypto";
import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";
import { timeText } from "../runtime/time.ts";
import { hasEnded, isActive, readySince } from "./pod-state.ts";

/**
 * What a Deployment needs done to its pods, and its status. Pure. Pods are made without ReplicaSets: those of the template
 * as it is now bear its hash, all others are old. Source: Kubernetes' rolling update.
 */

export const hashLabel = "pod-template-hash";

export interface Rollout {
  /** How many pods of the new template are to be made. */
  readonly create: number;
  readonly remove: readonly KubeObject[];
  readonly status: Json;
  /** ms until time alone changes something. */
  readonly againMs: number | undefined;
}

/** A pod that has failed is replaced no sooner. */
const replaceFailedMs = 30_000;

/**
 * @param pods All that the Deployment has made. @param isReachable False for pods of a node that is away: they may run, but
 * nobody can use them. @param now ms since 1970.
 */
export function planRollout(
  deployment: KubeObject,
  pods: readonly KubeObject[],
  isReachable: (pod: KubeObject) => boolean,
  now: number,
): Rollout {
  const wanted = wantedOf(deployment);
  const hash = templateHash(deployment);
  const active = pods.filter(isActive);
  const isNew = (pod: KubeObject): boolean => pod.metadata.labels?.[hashLabel] === hash;
  const fresh = active.filter(isNew);
  const old = active.filter((pod) => !isNew(pod));
  const available = (pod: KubeObject): boolean => {
    const since = readySince(pod);
    return since !== undefined && isReachable(pod) && now - since >= wanted.minReadyMs;
  };
  const ended = pods.filter((pod) => hasEnded(pod) && pod.metadata.deletionTimestamp === undefined);
  const failedLately = ended.filter((pod) => isNew(pod) && now - endOf(pod) < replaceFailedMs);
  const steps = { wanted, fresh, old, available, hasOthers: pods.length > active.length + ended.length };
  const create = Math.max(creations(steps) - failedLately.length, 0);
  const remove = [...removals(steps), ...ended.filter((pod) => !failedLately.includes(pod))];
  const status = statusNow(deployment, { ...steps, active }, now);
  const waits = [...ripening(steps, now), ...failedLately.map((pod) => endOf(pod) + replaceFailedMs - now)];
  const late = deadlineOf(deployment, status);
  const looks = [...waits, ...(late === undefined ? [] : [late - now])].filter((ms) => ms > 0);
  return { create, remove, status, againMs: looks.length === 0 ? undefined : Math.min(...looks) };
}

interface WantedState {
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly recreate: boolean;
  readonly paused: boolean;
  readonly minReadyMs: number;
}

interface Steps {
  readonly wanted: WantedState;
  readonly fresh: readonly KubeObject[];
  readonly old: readonly KubeObject[];
  readonly available: (pod: KubeObject) => boolean;
  /** Pods that are still ending. */
  readonly hasOthers: boolean;
}

function wantedOf(deployment: KubeObject): WantedState {
  const spec = specOf(deployment);
  const replicas = typeof spec.replicas === "number" ? spec.replicas : 1;
  const { type, rollingUpdate } = objectOf(spec.strategy);
  const surge = share(objectOf(rollingUpdate).maxSurge ?? "25%", replicas, Math.ceil);
  const unavailable = share(objectOf(rollingUpdate).maxUnavailable ?? "25%", replicas, Math.floor);
  return {
    replicas,
    maxSurge: surge,
    maxUnavailable: surge === 0 && unavailable === 0 ? 1 : unavailable,
    recreate: type === "Recreate",
    paused: spec.paused === true,
    minReadyMs: (typeof spec.minReadySeconds === "number" ? spec.minReadySeconds : 0) * 1_000,
  };
}

/** A number, or a percentage of the replicas. */
function share(value: unknown, replicas: number, round: (value: number) => number): number {
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(textOf(value))?.[1];
  return percent === undefined ? Number(value) || 0 : round((Number(percent) * replicas) / 100);
}

function creations({ wanted, fresh, old, hasOthers }: Steps): number {
  const { replicas, maxSurge, recreate, paused } = wanted;
  const total = fresh.length + old.length;
  if (paused && old.length > 0) return 0;
  if (recreate) return old.length > 0 || (hasOthers && fresh.length === 0) ? 0 : replicas - fresh.length;
  return Math.min(replicas - fresh.length, replicas + maxSurge - total);
}

function removals({ wanted, fresh, old, available }: Steps): KubeObject[] {
  const { replicas, maxUnavailable, recreate, paused } = wanted;
  const surplus = byWorth(fresh, available).slice(0, Math.max(fresh.length - replicas, 0));
  if (recreate && !paused) return [...surplus, ...old];
  const keep = paused ? Math.max(replicas - fresh.length, 0) : 0;
  const mayGo = byWorth(old, available).slice(0, Math.max(old.length - keep, 0));
  const kept = [...fresh.filter((pod) => !surplus.includes(pod)), ...old];
  let spare = kept.filter(available).length - (replicas - maxUnavailable);
  const going: KubeObject[] = [];
  for (const pod of mayGo) {
    if (available(pod) && --spare < 0) break;
    going.push(pod);
  }
  return [...surplus, ...going];
}

/** Those first that are missed least: not placed, not available, young. */
function byWorth(pods: readonly KubeObject[], available: (pod: KubeObject) => boolean): KubeObject[] {
  const worth = (pod: KubeObject): number => (specOf(pod).nodeName ? 1 : 0) + (available(pod) ? 2 : 0);
  const age = (pod: KubeObject): string => pod.metadata.creationTimestamp ?? "";
  return [...pods].sort((a, b) => worth(a) - worth(b) || (age(a) > age(b) ? -1 : 1));
}

function statusNow(
  deployment: KubeObject,
  { wanted, fresh, active, available }: Steps & { active: readonly KubeObject[] },
  now: number,
): Json {
  const availableReplicas = active.filter(available).length;
  const counts = {
    replicas: active.length,
    updatedReplicas: fresh.length,
    readyReplicas: active.filter((pod) => readySince(pod) !== undefined).length,
    availableReplicas,
    unavailableReplicas: Math.max(wanted.replicas - availableReplicas, 0),
  };
  const isEnough = availableReplicas >= wanted.replicas - wanted.maxUnavailable;
  const isDone =
    fresh.length === wanted.replicas &&
    active.length === wanted.replicas &&
    availableReplicas >= wanted.replicas;
  const before = statusOf(deployment);
  const conditions = [
    condition(before, now, {
      type: "Available",
      status: isEnough ? "True" : "False",
      reason: isEnough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
      message: `Deployment ${isEnough ? "has" : "does not have"} minimum availability.`,
    }),
    progress(deployment, { counts, isDone }, now),
  ];
  return { observedGeneration: deployment.metadata.generation ?? 0, ...counts, conditions };
}

/** Time runs against a rollout that does not get on. */
function progress(
  deployment: KubeObject,
  { counts, isDone }: { counts: Json; isDone: boolean },
  now: number,
): Json {
  const before = statusOf(deployment);
  const name = deployment.metadata.name ?? "";
  const known = objectsOf(before.conditions).find((one) => one.type === "Progressing");
  const hasMoved =
    before.observedGeneration !== deployment.metadata.generation ||
    ["updatedReplicas", "replicas", "readyReplicas", "availableReplicas"].some(
      (field) => (before[field] ?? 0) !== counts[field],
    );
  const since = hasMoved ? now : Date.parse(textOf(known?.lastUpdateTime)) || now;
  const deadline = specOf(deployment).progressDeadlineSeconds;
  const isLate = !isDone && typeof deadline === "number" && now - since >= deadline * 1_000;
  const told = isDone
    ? {
        status: "True",
        reason: "NewReplicaSetAvailable",
        message: `Deployment "${name}" has been rolled out.`,
      }
    : isLate
      ? {
          status: "False",
          reason: "ProgressDeadlineExceeded",
          message: `Deployment "${name}" has timed out progressing.`,
        }
      : { status: "True", reason: "ReplicaSetUpdated", message: `Deployment "${name}" is progressing.` };
  return { ...condition(before, now, { type: "Progressing", ...told }), lastUpdateTime: timeText(since) };
}

function condition(status: Json, now: number, next: Json): Json {
  const known = objectsOf(status.conditions).find((one) => one.type === next.type);
  const isSame = known?.status === next.status;
  const time = timeText(now);
  const lastUpdateTime = isSame && known?.reason === next.reason ? known?.lastUpdateTime : time;
  return { ...next, lastUpdateTime, lastTransitionTime: isSame ? known?.lastTransitionTime : time };
}

/** ms until pods that are ready count as available. */
function ripening({ wanted, fresh, old }: Steps, now: number): number[] {
  return [...fresh, ...old]
    .map((pod) => (readySince(pod) ?? Number.NaN) + wanted.minReadyMs - now)
    .filter((ms) => ms > 0);
}

/** When a rollout that is under way is late, ms since 1970. */
function deadlineOf(deployment: KubeObject, status: Json): number | undefined {
  const deadline = specOf(deployment).progressDeadlineSeconds;
  const progressing = objectsOf(status.conditions).find((one) => one.type === "Progressing");
  if (typeof deadline !== "number" || progressing?.reason !== "ReplicaSetUpdated") return undefined;
  return Date.parse(textOf(progressing.lastUpdateTime)) + deadline * 1_000;
}

function endOf(pod: KubeObject): number {
  const ends = objectsOf(statusOf(pod).containerStatuses).map(({ state }) =>
    Date.parse(textOf(objectOf(objectOf(state).terminated).finishedAt)),
  );
  const known = ends.filter((one) => !Number.isNaN(one));
  return known.length > 0 ? Math.max(...known) : Date.parse(pod.metadata.creationTimestamp ?? "") || 0;
}

const letters = "bcdfghjklmnpqrstvwxz2456789";

/** Ten letters that stand for a pod template. */
export function templateHash(deployment: KubeObject): string {
  const digest = createHash("sha256")
    .update(JSON.stringify(sorted(specOf(deployment).template)))
    .digest();
  return [...digest.subarray(0, 10)].map((byte) => letters[byte % letters.length]).join("");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined && field !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}

/** A pod of the Deployment's template, to be created. */
export function podOf(deployment: KubeObject): KubeObject {
  const { metadata, spec } = objectOf(specOf(deployment).template);
  const { name = "", namespace = "default", uid = "" } = deployment.metadata;
  const { labels, annotations } = objectOf(metadata) as KubeObject["metadata"];
  const hash = templateHash(deployment);
  const owner = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    name,
    uid,
    controller: true,
    blockOwnerDeletion: true,
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: `${name}-${hash}-`,
      namespace,
      labels: { ...labels, [hashLabel]: hash },
      ...(annotations ? { annotations } : {}),
      ownerReferences: [owner],
    },
    spec: objectOf(spec),
  };
}
