import { isUp, mustRest, startActions, stopActions, stopIfNeeded } from "./container-plan.ts";
import { initPlan } from "./init-plan.ts";
import type { Pod } from "./pod.ts";
import {
  type Action,
  currentSandbox,
  evicted,
  historyOf,
  type PodView,
  type Reason,
  wholePod,
} from "./pod-view.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime.ts";

/** What has to be done so that a pod runs as it should. Pure. Source: kubelet's computePodActions. */

export interface Plan {
  readonly actions: readonly Action[];
  /** Why containers wait, by name. */
  readonly waiting: ReadonlyMap<string, Reason>;
}

export function planPod(view: PodView): Plan {
  const { pod } = view;
  if (pod === undefined) return { actions: goneActions(view), waiting: new Map() };
  const isEvicted = view.failed?.reason === evicted;
  const graceSeconds = isEvicted ? 0 : pod.graceSeconds;
  const end = pod.deletion ?? (view.failed ? { graceSeconds } : undefined);
  if (end === undefined) return livePlan(pod, view);
  const actions = stopActions(pod, view.running, end.graceSeconds, "the pod is to end");
  if (actions.length > 0) return { actions, waiting: new Map() };
  const last: Action[] = pod.deletion ? [{ do: "reportEnd" }] : isEvicted ? removals(view.running) : [];
  return { actions: last, waiting: new Map() };
}

function goneActions(view: PodView): Action[] {
  if (view.running.length === 0) return [{ do: "forget" }];
  const stops = stopActions(undefined, view.running, view.graceSeconds, "the pod is gone");
  return [...stops, ...removals(view.running)];
}

function removals(sandboxes: readonly RuntimePod[]): Action[] {
  return sandboxes.map(({ sandboxId }): Action => ({ do: "removeSandbox", id: sandboxId }));
}

function livePlan(pod: Pod, view: PodView): Plan {
  const waiting = new Map<string, Reason>();
  const current = currentSandbox(view.running);
  if (view.mustWait) return { actions: [], waiting };
  if (current === undefined || !current.ready)
    return { actions: sandboxActions(pod, current, view, waiting), waiting };
  const init = initPlan(pod, current, view, waiting);
  const main = init.done ? mainActions(pod, current, view, waiting) : [];
  const actions = main === "ended" ? endActions(pod, current) : [...init.actions, ...main];
  return { actions: [...actions, ...leftovers(current, view.running)], waiting };
}

/** A new sandbox, if anything is to run in it. */
function sandboxActions(
  pod: Pod,
  old: RuntimePod | undefined,
  view: PodView,
  waiting: Map<string, Reason>,
): Action[] {
  if (old !== undefined && !wantsToRun(pod, view.running)) return [];
  const failure = view.failures.get(wholePod);
  if (failure !== undefined)
    for (const { name } of [...pod.initContainers, ...pod.containers]) waiting.set(name, failure);
  if (failure !== undefined && mustRest(failure, view.now)) return [];
  const stops = stopActions(pod, view.running, 0, "its sandbox has ended");
  // It has ended, but its address and its host ports are given up only now.
  if (old !== undefined) stops.push({ do: "stopSandbox", id: old.sandboxId });
  return [...stops, { do: "runSandbox", attempt: old === undefined ? 0 : old.attempt + 1 }];
}

/** Its sandbox has ended, and no other will be made: what has not run by now never will. */
export function isOver(pod: Pod, running: readonly RuntimePod[]): boolean {
  const current = currentSandbox(running);
  return current !== undefined && !current.ready && !wantsToRun(pod, running);
}

/** Would any container be started in a new sandbox? */
function wantsToRun(pod: Pod, running: readonly RuntimePod[]): boolean {
  if (pod.restartPolicy === "Never")
    return running.every((sandbox) => sandbox.containers.every((one) => one.startedAt === undefined));
  return pod.containers.some(({ name }) => {
    const last = historyOf(running, name)[0];
    return last === undefined || last.state !== "exited" || restarts(pod, last);
  });
}

function restarts(pod: Pod, ended: RuntimeContainer): boolean {
  if (pod.restartPolicy === "Never") return false;
  return pod.restartPolicy === "Always" || ended.exitCode !== 0;
}

/** @returns `ended`: none runs, and none will. */
function mainActions(
  pod: Pod,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): Action[] | "ended" {
  const alive = pod.containers.flatMap((container) => {
    // A success in an earlier sandbox is one for ever.
    const sandboxes = pod.restartPolicy === "OnFailure" ? view.running : [sandbox];
    const last = historyOf(sandboxes, container.name)[0];
    if (last !== undefined && isUp(last)) return [stopIfNeeded(pod, container, last, view)];
    const replaced = view.containers[container.name]?.replaced ?? false;
    if (last?.state === "exited" && !restarts(pod, last) && !replaced) return [];
    return [startActions(pod, container, sandbox, view, waiting)];
  });
  return alive.length === 0 ? "ended" : alive.flat();
}

/** Sidecars keep no pod from its end. */
function endActions(pod: Pod, sandbox: RuntimePod): Action[] {
  return stopActions(pod, [sandbox], pod.graceSeconds, "all containers have ended");
}

/** Of each container the newest and the one before are kept, for status and logs; old sandboxes go when they hold none. */
function leftovers(current: RuntimePod, running: readonly RuntimePod[]): Action[] {
  const names = new Set(running.flatMap((sandbox) => sandbox.containers.map((one) => one.name)));
  const kept = new Set(
    [...names].flatMap((name) =>
      historyOf(running, name)
        .slice(0, 2)
        .map((one) => one.id),
    ),
  );
  const old = running.filter((sandbox) => sandbox !== current);
  const gone = old.filter((sandbox) => sandbox.containers.every((one) => !kept.has(one.id)));
  const dead = running
    .filter((sandbox) => !gone.includes(sandbox))
    .flatMap((sandbox) => sandbox.containers)
    .filter((one) => one.state === "exited" && !kept.has(one.id));
  return [
    ...dead.map(({ id }): Action => ({ do: "removeContainer", id })),
    ...stopActions(undefined, gone, 0, "its sandbox was replaced"),
    ...removals(gone),
  ];
}
