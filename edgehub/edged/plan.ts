import { type CrashBackoff, crashWaitMs, goDuration } from "./crash-backoff.ts";
import type { Container, Pod } from "./pod.ts";
import type { ProbeVerdict } from "./probe.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime.ts";

/** What has to be done so that a pod runs as it should. Pure. Source: kubelet's computePodActions. */

export type Action =
  | {
      readonly do: "stopContainer";
      readonly id: string;
      readonly name: string;
      readonly graceSeconds: number;
      readonly why: string;
      readonly replaced?: true;
    }
  | { readonly do: "removeContainer"; readonly id: string }
  | { readonly do: "stopSandbox"; readonly id: string }
  | { readonly do: "removeSandbox"; readonly id: string }
  | { readonly do: "runSandbox"; readonly attempt: number }
  | {
      readonly do: "startContainer";
      readonly container: Container;
      readonly sandbox: RuntimePod;
      readonly attempt: number;
      /** The end before this start; `undefined`: it is the first. */
      readonly endedAt: number | undefined;
    }
  /** All has ended: the cloud may delete the pod. */
  | { readonly do: "reportEnd" }
  /** Nothing is left but files and rows. */
  | { readonly do: "forget" };

export interface Reason {
  readonly reason: string;
  readonly message: string;
}

/** Name under which failures of a pod's sandbox stand among those of its containers. */
export const wholePod = "";

/** A container, or a sandbox, that could not be created or started. */
export interface StartFailure extends Reason {
  readonly at: number;
  /** Pause before the next try. */
  readonly delayMs: number;
  readonly retryAt: number;
}

/** Of a container, what must be known again after the agent's restart. */
export interface ContainerMemory {
  /** Of its newest start. */
  readonly attempt: number;
  readonly hash: string;
  readonly backoff?: CrashBackoff;
  /** It was stopped to be replaced: it starts again whatever the restart policy says. */
  readonly replaced?: true;
}

export interface PodView {
  /** `undefined`: there shall be no such pod. */
  readonly pod: Pod | undefined;
  /** Its sandboxes, in any order. */
  readonly running: readonly RuntimePod[];
  readonly containers: Readonly<Record<string, ContainerMemory>>;
  readonly failures: ReadonlyMap<string, StartFailure>;
  /** Of running containers, by id. */
  readonly probes: ReadonlyMap<string, ProbeVerdict>;
  /** It has ended for good. */
  readonly failed: Reason | undefined;
  /** For a pod that is to go without having been told how. */
  readonly graceSeconds: number;
  /** Another pod of the same name has not ended yet. */
  readonly mustWait: boolean;
  /** Wall clock, ms. */
  readonly now: number;
}

export interface Plan {
  readonly actions: readonly Action[];
  /** Why containers wait, by name. */
  readonly waiting: ReadonlyMap<string, Reason>;
}

export function planPod(view: PodView): Plan {
  const { pod } = view;
  if (pod === undefined) return { actions: goneActions(view), waiting: new Map() };
  const end = pod.deletion ?? (view.failed ? { graceSeconds: pod.graceSeconds } : undefined);
  if (end === undefined) return livePlan(pod, view);
  const actions = stopActions(view.running, end.graceSeconds, "the pod is to end");
  const told: Action[] = pod.deletion && actions.length === 0 ? [{ do: "reportEnd" }] : [];
  return { actions: [...actions, ...told], waiting: new Map() };
}

/** The sandbox that counts: the newest. */
export function currentSandbox(running: readonly RuntimePod[]): RuntimePod | undefined {
  return [...running].sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt)[0];
}

/** All containers of that name, the newest first. */
export function historyOf(running: readonly RuntimePod[], name: string): RuntimeContainer[] {
  const all = running.flatMap((sandbox) => sandbox.containers).filter((container) => container.name === name);
  return all.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt);
}

/** Number of a container's next start. */
export function nextAttempt(name: string, view: Pick<PodView, "running" | "containers">): number {
  const known = [
    view.containers[name]?.attempt ?? -1,
    ...historyOf(view.running, name).map((one) => one.attempt),
  ];
  return Math.max(...known) + 1;
}

function isUp(container: RuntimeContainer): boolean {
  return container.state === "running" || container.state === "unknown";
}

function stopActions(running: readonly RuntimePod[], graceSeconds: number, why: string): Action[] {
  const containers = running.flatMap((sandbox) => sandbox.containers.filter(isUp));
  const stops = containers.map(
    ({ id, name }): Action => ({ do: "stopContainer", id, name, graceSeconds, why }),
  );
  const sandboxes = running.filter((sandbox) => sandbox.ready);
  return [...stops, ...sandboxes.map(({ sandboxId }): Action => ({ do: "stopSandbox", id: sandboxId }))];
}

function goneActions(view: PodView): Action[] {
  if (view.running.length === 0) return [{ do: "forget" }];
  const stops = stopActions(view.running, view.graceSeconds, "the pod is gone");
  return [...stops, ...view.running.map(({ sandboxId }): Action => ({ do: "removeSandbox", id: sandboxId }))];
}

function livePlan(pod: Pod, view: PodView): Plan {
  const waiting = new Map<string, Reason>();
  const current = currentSandbox(view.running);
  if (view.mustWait) return { actions: [], waiting };
  if (current === undefined || !current.ready)
    return { actions: sandboxActions(pod, current, view, waiting), waiting };
  const init = nextInit(pod, current);
  const actions =
    init === "done"
      ? mainActions(pod, current, view, waiting)
      : initActions(pod, init, current, view, waiting);
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
  const stops = stopActions(view.running, 0, "its sandbox has ended");
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

/** The init container that is to start or runs; `done`: all have succeeded. */
function nextInit(pod: Pod, sandbox: RuntimePod): Container | "done" {
  const started = pod.containers.some(({ name }) => historyOf([sandbox], name).length > 0);
  if (started) return "done";
  const next = pod.initContainers.find(({ name }) => {
    const last = historyOf([sandbox], name)[0];
    return last === undefined || last.state !== "exited" || last.exitCode !== 0;
  });
  return next ?? "done";
}

function initActions(
  pod: Pod,
  init: Container,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): Action[] {
  const last = historyOf([sandbox], init.name)[0];
  if (last?.state === "running") return [];
  if (last?.state === "unknown") return stopActions([sandbox], 0, "the runtime does not know its state");
  if (last?.state === "exited" && pod.restartPolicy === "Never")
    return stopActions([sandbox], 0, "an init container failed");
  return startActions(pod, init, sandbox, view, waiting);
}

function mainActions(pod: Pod, sandbox: RuntimePod, view: PodView, waiting: Map<string, Reason>): Action[] {
  const actions: Action[] = [];
  let alive = 0;
  for (const container of pod.containers) {
    const last = historyOf([sandbox], container.name)[0];
    if (last === undefined || !isUp(last)) {
      const replaced = view.containers[container.name]?.replaced ?? false;
      if (last?.state === "exited" && !restarts(pod, last) && !replaced) continue;
      alive++;
      actions.push(...startActions(pod, container, sandbox, view, waiting));
      continue;
    }
    alive++;
    const stop = reasonToStop(pod, container, last, view);
    if (stop) actions.push({ do: "stopContainer", id: last.id, name: container.name, ...stop });
  }
  return alive === 0 ? stopActions([sandbox], 0, "all containers have ended") : actions;
}

function reasonToStop(
  pod: Pod,
  container: Container,
  running: RuntimeContainer,
  view: PodView,
): { graceSeconds: number; why: string; replaced?: true } | undefined {
  const memory = view.containers[container.name];
  if (memory !== undefined && memory.attempt === running.attempt && memory.hash !== container.hash)
    return { graceSeconds: pod.graceSeconds, why: "its definition has changed", replaced: true };
  if (running.state === "unknown") return { graceSeconds: 0, why: "the runtime does not know its state" };
  const dead = view.probes.get(running.id)?.dead;
  if (dead === undefined) return undefined;
  return { graceSeconds: dead.graceSeconds ?? pod.graceSeconds, why: `its ${dead.probe} probe failed` };
}

/** Starts a container, unless it has to wait after a failure. */
function startActions(
  pod: Pod,
  container: Container,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): Action[] {
  const failure = view.failures.get(container.name);
  if (failure !== undefined) waiting.set(container.name, pulling(failure, container, view.now));
  if (failure !== undefined && mustRest(failure, view.now)) return [];
  const history = historyOf(view.running, container.name);
  const ended = history.find((one) => one.state === "exited");
  const endedAt = ended?.finishedAt ?? (ended ? ended.createdAt : undefined);
  const memory = view.containers[container.name];
  if (endedAt !== undefined && !memory?.replaced && crashWaitMs(memory?.backoff, endedAt, view.now) > 0) {
    const delay = goDuration(memory?.backoff?.delayMs ?? 0);
    const message = `back-off ${delay} restarting failed container=${container.name} pod=${pod.name}_${pod.namespace}(${pod.uid})`;
    waiting.set(container.name, { reason: "CrashLoopBackOff", message });
    return [];
  }
  // One that was made but never ran is made anew.
  const made = history
    .filter((one) => one.state === "created")
    .map(({ id }): Action => ({ do: "removeContainer", id }));
  const attempt = nextAttempt(container.name, view);
  return [...made, { do: "startContainer", container, sandbox, attempt, endedAt }];
}

/** A clock that was set back makes nobody wait longer. */
function mustRest({ at, retryAt }: StartFailure, now: number): boolean {
  return now >= at && now < retryAt;
}

/** A failed pull is called so once, then it is a wait. */
function pulling(failure: StartFailure, { image }: Container, now: number): Reason {
  if (failure.reason !== "ErrImagePull" || now - failure.at < 1_000) return failure;
  return { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}": ${failure.message}` };
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
    ...stopActions(gone, 0, "its sandbox was replaced"),
    ...gone.map(({ sandboxId }): Action => ({ do: "removeSandbox", id: sandboxId })),
  ];
}
