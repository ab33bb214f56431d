import { at, isObject, type JsonObject } from "../json.ts";

/** What `kubectl get pods` says of a pod. Source: printPod of Kubernetes. */

export interface PodSummary {
  readonly ready: number;
  readonly containers: number;
  /** `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating` … */
  readonly status: string;
  readonly restarts: number;
  /** Time of the last restart. */
  readonly restartedAt: string | undefined;
}

export function podSummary(pod: JsonObject): PodSummary {
  const statuses = objectsAt(pod, "status", "containerStatuses");
  const initial = objectsAt(pod, "status", "initContainerStatuses");
  const starting = initialStatus(pod, initial);
  const counted = starting === undefined ? statuses : initial;
  const times = counted
    .map((one) => at(one, "lastState", "terminated", "finishedAt"))
    .filter((time) => typeof time === "string");
  return {
    ready: statuses.filter(({ ready, state }) => ready === true && at(state, "running") !== undefined).length,
    containers: objectsAt(pod, "spec", "containers").length,
    status: deletionStatus(pod) ?? starting ?? containersStatus(pod, statuses),
    restarts: counted.reduce((sum, { restartCount }) => sum + Number(restartCount ?? 0), 0),
    restartedAt: times.toSorted().at(-1),
  };
}

function deletionStatus(pod: JsonObject): string | undefined {
  if (at(pod, "metadata", "deletionTimestamp") === undefined) return undefined;
  return at(pod, "status", "reason") === "NodeLost" ? "Unknown" : "Terminating";
}

/** While containers that run first are not through. */
function initialStatus(pod: JsonObject, statuses: readonly JsonObject[]): string | undefined {
  const initial = objectsAt(pod, "spec", "initContainers");
  const index = statuses.findIndex(({ state }) => at(state, "terminated", "exitCode") !== 0);
  if (index < 0) return undefined;
  const state = statuses[index]?.state;
  const isSidecar = initial.find(({ name }) => name === statuses[index]?.name)?.restartPolicy === "Always";
  if (isSidecar && statuses[index]?.started === true) return undefined;
  const terminated = at(state, "terminated");
  if (isObject(terminated)) return `Init:${stopReason(terminated)}`;
  const waiting = at(state, "waiting", "reason");
  if (typeof waiting === "string" && waiting !== "" && waiting !== "PodInitializing")
    return `Init:${waiting}`;
  return `Init:${index}/${initial.length}`;
}

function containersStatus(pod: JsonObject, statuses: readonly JsonObject[]): string {
  const phase = at(pod, "status", "phase");
  const reason = at(pod, "status", "reason");
  const whole = String(reason || phase || "Unknown");
  const reasons = statuses.toReversed().flatMap(({ state }) => {
    const waiting = at(state, "waiting", "reason");
    const terminated = at(state, "terminated");
    if (typeof waiting === "string" && waiting !== "") return [waiting];
    return isObject(terminated) ? [stopReason(terminated)] : [];
  });
  const found = reasons.at(-1) ?? whole;
  const isRunning = statuses.some(({ ready, state }) => ready === true && at(state, "running") !== undefined);
  if (found !== "Completed" || !isRunning) return found;
  const isReady = objectsAt(pod, "status", "conditions").some(
    ({ type, status }) => type === "Ready" && status === "True",
  );
  return isReady ? "Running" : "NotReady";
}

function stopReason({ reason, signal, exitCode }: JsonObject): string {
  if (typeof reason === "string" && reason !== "") return reason;
  return typeof signal === "number" && signal !== 0 ? `Signal:${signal}` : `ExitCode:${String(exitCode)}`;
}

export function objectsAt(value: unknown, ...path: readonly string[]): readonly JsonObject[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}
