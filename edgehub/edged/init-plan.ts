import { isUp, startActions, stopActions, stopIfNeeded } from "./container-plan.ts";
import type { Container, Pod } from "./pod.ts";
import { type Action, historyOf, type PodView, type Reason } from "./pod-view.ts";
import type { RuntimePod } from "./runtime.ts";

/**
 * What has to be done about init containers and sidecars, the init containers with `restartPolicy: Always`. Pure. Source:
 * kubelet's computeInitContainerActions.
 */
export interface InitPlan {
  readonly actions: readonly Action[];
  /** The other containers may run. */
  readonly done: boolean;
}

/**
 * They start in order: each init container waits for the success of the one before, or, if that is a sidecar, until it
 * has started. Sidecars are restarted as long as the pod lives.
 *
 * @param waiting Gets why containers wait.
 */
export function initPlan(
  pod: Pod,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): InitPlan {
  const hasRun = ({ name }: Container): boolean => historyOf([sandbox], name).length > 0;
  const isInitialized = pod.containers.some(hasRun);
  const actions: Action[] = [];
  for (const [place, init] of pod.initContainers.entries()) {
    if (isInitialized && !init.sidecar) continue;
    const step = init.sidecar ? sidecarStep : initStep;
    const { actions: own, done } = step(pod, init, sandbox, view, waiting);
    actions.push(...own);
    // A sidecar that has crashed holds up nobody who is further already.
    const isPassed = init.sidecar && (isInitialized || pod.initContainers.slice(place + 1).some(hasRun));
    if (!done && !isPassed) return { actions, done: false };
  }
  return { actions, done: true };
}

function initStep(
  pod: Pod,
  init: Container,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): InitPlan {
  const last = historyOf([sandbox], init.name)[0];
  if (last?.state === "exited" && last.exitCode === 0) return { actions: [], done: true };
  const act = (): Action[] => {
    if (last?.state === "running") return [];
    if (last?.state === "unknown")
      return stopActions(pod, [sandbox], 0, "the runtime does not know its state");
    if (last?.state === "exited" && pod.restartPolicy === "Never")
      return stopActions(pod, [sandbox], pod.graceSeconds, "an init container failed");
    return startActions(pod, init, sandbox, view, waiting);
  };
  return { actions: act(), done: false };
}

function sidecarStep(
  pod: Pod,
  sidecar: Container,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): InitPlan {
  const last = historyOf([sandbox], sidecar.name)[0];
  if (last === undefined || !isUp(last))
    return { actions: startActions(pod, sidecar, sandbox, view, waiting), done: false };
  const actions = stopIfNeeded(pod, sidecar, last, view);
  return { actions, done: actions.length === 0 && (view.probes.get(last.id)?.started ?? false) };
}
