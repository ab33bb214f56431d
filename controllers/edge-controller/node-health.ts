import type { KubeObject } from "../../kubernetes/index.ts";
import { type Json, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";
import { tolerates } from "../runtime/taints.ts";
import { timeText } from "../runtime/time.ts";

/** Whether a node lives, what its conditions and taints say of it, and which pods must leave it. Pure. */

/** As in Kubernetes: a lease is renewed every 10 s and good for 40, or longer if it says so. */
export const nodeMonitorGraceMs = 40_000;

/** The last sign of life, on a monotonic clock. */
export interface Heartbeat {
  /** `lease`: its edged renews a lease. `link`: it has none, and its link is up. `none`: neither. */
  readonly source: "lease" | "link" | "none";
  readonly at: number;
  /** For how long it is good, ms. */
  readonly goodMs: number;
}

const notReadyKey = "node.kubernetes.io/not-ready";
const unreachableKey = "node.kubernetes.io/unreachable";
const watched = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/** A node with nothing but a link says again that it is ready, as often as an edged does. */
const reportAnywayMs = 300_000;

/**
 * The conditions that the cloud must change; none if they are right. An edged speaks for itself while its lease is fresh.
 *
 * @param wallTime ms since 1970.
 */
export function conditionsToWrite(
  node: KubeObject,
  beat: Heartbeat,
  now: number,
  wallTime: number,
): readonly Json[] {
  const conditions = objectsOf(statusOf(node).conditions);
  const ready = conditions.find((one) => one.type === "Ready");
  const time = timeText(wallTime);
  if (now - beat.at >= beat.goodMs) return lost(conditions, time);
  if (beat.source !== "link") return [];
  const isOurs = ready === undefined || ready.reason === linkReason || ready.status === "Unknown";
  const isFresh =
    ready?.status === "True" && wallTime - Date.parse(textOf(ready.lastHeartbeatTime)) < reportAnywayMs;
  if (!isOurs || isFresh) return [];
  const since = ready?.status === "True" ? ready.lastTransitionTime : time;
  return [
    {
      type: "Ready",
      status: "True",
      reason: linkReason,
      message: "the node is connected to the hub",
      lastHeartbeatTime: time,
      lastTransitionTime: since,
    },
  ];
}

const linkReason = "EdgeConnected";

function lost(conditions: readonly Json[], time: string): Json[] {
  const known = new Map(conditions.map((one) => [one.type, one]));
  return watched
    .filter((type) => type === "Ready" || known.has(type))
    .filter((type) => known.get(type)?.status !== "Unknown")
    .map((type) => ({
      type,
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
      lastTransitionTime: time,
      ...(known.has(type) ? {} : { lastHeartbeatTime: time }),
    }));
}

/** The taints of a node as its Ready condition asks for them; `undefined` if it has just those. */
export function taintsToWrite(node: KubeObject, wallTime: number): readonly Json[] | undefined {
  const taints = objectsOf(specOf(node).taints);
  const status = readyStatus(node);
  const key = status === "False" ? notReadyKey : status === "Unknown" ? unreachableKey : undefined;
  const kept = taints.filter((one) => !isOurs(one) || one.key === key);
  const effects = key === undefined ? [] : ["NoSchedule", "NoExecute"];
  const missing = effects.filter((effect) => !kept.some((one) => one.key === key && one.effect === effect));
  if (kept.length === taints.length && missing.length === 0) return undefined;
  const time = timeText(wallTime);
  return [
    ...kept,
    ...missing.map((effect) => ({ key, effect, ...(effect === "NoExecute" ? { timeAdded: time } : {}) })),
  ];
}

/** `undefined`: nothing was said yet. */
export function readyStatus(node: KubeObject | undefined): string | undefined {
  const ready = objectsOf(statusOf(node).conditions).find((one) => one.type === "Ready");
  return ready === undefined ? undefined : textOf(ready.status, "Unknown");
}

/**
 * When a pod must leave its node for the node's taints; `undefined`: it stays. Of a node that is only away or not ready it
 * leaves only if it says itself for how long it tolerates that: without a word it stays, since an edge goes on without the
 * cloud.
 *
 * @returns ms since 1970.
 */
export function evictionTime(pod: KubeObject, node: KubeObject): number | undefined {
  const tolerations = objectsOf(specOf(pod).tolerations);
  const times = objectsOf(specOf(node).taints)
    .filter((taint) => taint.effect === "NoExecute")
    .flatMap((taint) => {
      const matching = tolerations.filter((one) => tolerates(one, taint));
      const added = Date.parse(textOf(taint.timeAdded)) || 0;
      if (matching.length === 0) return isOurs(taint) ? [] : [added];
      const limits = matching.flatMap(({ tolerationSeconds }) =>
        typeof tolerationSeconds === "number" ? [Math.max(tolerationSeconds, 0)] : [],
      );
      return limits.length === 0 ? [] : [added + Math.min(...limits) * 1_000];
    });
  return times.length === 0 ? undefined : Math.min(...times);
}

function isOurs(taint: Json): boolean {
  return taint.key === notReadyKey || taint.key === unreachableKey;
}
