import { crashWaitMs, goDuration } from "./crash-backoff.ts";
import type { Container, Pod } from "./pod.ts";
import {
  type Action,
  type ContainerMemory,
  historyOf,
  nextAttempt,
  type PodView,
  type Reason,
  type StartFailure,
} from "./pod-view.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime.ts";

/** When a single container starts, and when it ends. Pure. */

export function isUp(container: RuntimeContainer): boolean {
  return container.state === "running" || container.state === "unknown";
}

/** Ends all that runs: first the containers, then the sidecars, the last one first. */
export function stopActions(
  pod: Pod | undefined,
  running: readonly RuntimePod[],
  graceSeconds: number,
  why: string,
): Action[] {
  const sidecars = pod?.initContainers.filter(({ sidecar }) => sidecar).map(({ name }) => name) ?? [];
  const stops = running
    .flatMap((sandbox) => sandbox.containers.filter(isUp))
    .map(({ id, name }): Action => {
      const place = sidecars.indexOf(name);
      const turn = place === -1 ? 0 : sidecars.length - place;
      return { do: "stopContainer", id, name, graceSeconds, why, turn };
    });
  const sandboxes = running.filter((sandbox) => sandbox.ready);
  return [...stops, ...sandboxes.map(({ sandboxId }): Action => ({ do: "stopSandbox", id: sandboxId }))];
}

/** Ends a container that is up, if it must not stay so. */
export function stopIfNeeded(
  pod: Pod,
  container: Container,
  running: RuntimeContainer,
  view: PodView,
): Action[] {
  const stop = reasonToStop(pod, container, running, view);
  return stop ? [{ do: "stopContainer", id: running.id, name: container.name, turn: 0, ...stop }] : [];
}

/** Why a container that is up must not stay so. */
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
export function startActions(
  pod: Pod,
  container: Container,
  sandbox: RuntimePod,
  view: PodView,
  waiting: Map<string, Reason>,
): Action[] {
  const known = view.failures.get(container.name);
  const failure = known?.hash === container.hash ? known : undefined;
  if (failure !== undefined) waiting.set(container.name, pulling(failure, container, view.now));
  if (failure !== undefined && mustRest(failure, view.now)) return [];
  const history = historyOf(view.running, container.name);
  const ended = history.find((one) => one.state === "exited");
  const endedAt = ended?.finishedAt ?? (ended ? ended.createdAt : undefined);
  const memory = view.containers[container.name];
  const backoff = isAnother(container, memory) ? undefined : memory?.backoff;
  if (endedAt !== undefined && crashWaitMs(backoff, endedAt, view.now) > 0) {
    const delay = goDuration(backoff?.delayMs ?? 0);
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

/** Has its definition changed since its last start? Then what became of the one before does not count. */
export function isAnother({ hash }: Container, memory: ContainerMemory | undefined): boolean {
  return memory !== undefined && (memory.replaced === true || memory.hash !== hash);
}

/** A clock that was set back makes nobody wait longer. */
export function mustRest({ at, retryAt }: StartFailure, now: number): boolean {
  return now >= at && now < retryAt;
}

/** A failed pull is called so once, then it is a wait. */
function pulling(failure: StartFailure, { image }: Container, now: number): Reason {
  if (failure.reason !== "ErrImagePull" || now - failure.at < 1_000) return failure;
  return { reason: "ImagePullBackOff", message: `Back-off pulling image "${image}": ${failure.message}` };
}
