import { objectOf, textOf } from "./fields.ts";
import { isOver } from "./plan.ts";
import type { Container, Pod } from "./pod.ts";
import { qosClassOf } from "./pod-spec.ts";
import { currentSandbox, historyOf, type PodView, type Reason } from "./pod-view.ts";
import type { RuntimeContainer } from "./runtime.ts";

/** PodStatus as a kubelet reports it. Pure. Source: kubelet's status/generate.go and kubelet_pods.go. */
export interface PodStatus {
  readonly phase: Phase;
  readonly conditions: readonly Condition[];
  readonly message?: string;
  readonly reason?: string;
  readonly hostIP: string;
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime: string;
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses: readonly ContainerStatus[];
  readonly qosClass: string;
}

export type Phase = "Pending" | "Running" | "Succeeded" | "Failed";

export interface Condition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly lastProbeTime: null;
  readonly lastTransitionTime: string;
  readonly reason?: string;
  readonly message?: string;
}

export interface ContainerStatus {
  readonly name: string;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly image: string;
  readonly imageID: string;
  readonly containerID?: string;
  readonly started: boolean;
}

export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason: string;
    readonly message?: string;
    readonly startedAt: string;
    readonly finishedAt: string;
    readonly containerID: string;
  };
}

/** What a status is made of. */
export interface StatusParts {
  readonly view: Pick<PodView, "running" | "containers" | "probes" | "failed" | "now">;
  readonly waiting: ReadonlyMap<string, Reason>;
  readonly hostIp: string;
  /** When this node first saw it, wall clock ms. */
  readonly startTime: number;
  /** Conditions as they were, for the times of their changes. */
  readonly before: readonly Condition[];
  /** What the runtime's container ids begin with, `containerd`. */
  readonly idScheme: string;
  /** The pods of the runtime have the node's address. */
  readonly usesHostAddress: boolean;
  /** Last words of a container that ended. */
  lastWords(container: RuntimeContainer): string;
}

/** A time as Kubernetes writes it, in whole seconds. */
export function kubeTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}

export function podStatusOf(pod: Pod, parts: StatusParts): PodStatus {
  const { view } = parts;
  const init = pod.initContainers.map((one) => containerStatus(pod, one, !one.sidecar, parts));
  const main = pod.containers.map((one) => containerStatus(pod, one, false, parts));
  const phase = finalPhase(phaseOf(pod, init, main), view.failed !== undefined || isOver(pod, view.running));
  const sandbox = currentSandbox(view.running);
  const ownIp = sandbox?.ready ? sandbox.ip : undefined;
  const podIp = pod.hostNetwork || parts.usesHostAddress ? (sandbox ? parts.hostIp : undefined) : ownIp;
  return {
    phase,
    conditions: conditionsOf(pod, { init, main, phase }, parts),
    ...(view.failed ?? {}),
    hostIP: parts.hostIp,
    ...(podIp ? { podIP: podIp, podIPs: [{ ip: podIp }] } : {}),
    startTime: kubeTime(parts.startTime),
    ...(init.length > 0 ? { initContainerStatuses: init } : {}),
    containerStatuses: main,
    qosClass: qosClassOf(pod),
  };
}

/** The status of a pod that cannot run here at all. */
export function refusedStatus(
  refusal: Reason,
  startTime: number,
): Pick<PodStatus, "phase" | "reason" | "message" | "startTime"> {
  return { phase: "Failed", ...refusal, startTime: kubeTime(startTime) };
}

function containerStatus(
  pod: Pod,
  container: Container,
  isInit: boolean,
  parts: StatusParts,
): ContainerStatus {
  const { view, waiting } = parts;
  const history = historyOf(view.running, container.name);
  const [last, before] = history.filter((one) => one.state !== "created");
  const wait = waiting.get(container.name);
  const state = stateOf(pod, last, wait, parts);
  const previous = wait && last?.state === "exited" ? last : before;
  const verdict = last ? view.probes.get(last.id) : undefined;
  const isRunning = last?.state === "running";
  const ready = isInit
    ? last?.state === "exited" && last.exitCode === 0
    : isRunning && (verdict?.ready ?? false);
  const remembered = view.containers[container.name]?.attempt ?? 0;
  return {
    name: container.name,
    state,
    lastState: previous?.state === "exited" ? terminated(previous, parts) : {},
    ready,
    restartCount: Math.max(last?.attempt ?? 0, remembered),
    image: namedImage(last?.image) ?? container.image,
    imageID: last?.imageRef ?? last?.imageId ?? "",
    ...(last ? { containerID: `${parts.idScheme}://${last.id}` } : {}),
    started: isRunning && (isInit || (verdict?.started ?? false)),
  };
}

function stateOf(
  pod: Pod,
  last: RuntimeContainer | undefined,
  wait: Reason | undefined,
  parts: StatusParts,
): ContainerState {
  if (last?.state === "running")
    return { running: { startedAt: kubeTime(last.startedAt ?? last.createdAt) } };
  if (wait) return { waiting: { reason: wait.reason, ...(wait.message ? { message: wait.message } : {}) } };
  if (last?.state === "exited") return terminated(last, parts);
  return { waiting: { reason: pod.initContainers.length > 0 ? "PodInitializing" : "ContainerCreating" } };
}

function terminated(container: RuntimeContainer, parts: StatusParts): ContainerState {
  const message = parts.lastWords(container) || container.message;
  const finishedAt = container.finishedAt ?? container.createdAt;
  return {
    terminated: {
      exitCode: container.exitCode ?? 137,
      reason: container.reason || (container.exitCode === 0 ? "Completed" : "Error"),
      ...(message ? { message } : {}),
      startedAt: kubeTime(container.startedAt ?? finishedAt),
      finishedAt: kubeTime(finishedAt),
      containerID: `${parts.idScheme}://${container.id}`,
    },
  };
}

/** A pod that will never run again has ended, and with success only if all of it did. */
function finalPhase(phase: Phase, isFinal: boolean): Phase {
  return isFinal && phase !== "Succeeded" ? "Failed" : phase;
}

function phaseOf(pod: Pod, init: readonly ContainerStatus[], main: readonly ContainerStatus[]): Phase {
  const isFailed = (one: ContainerStatus): boolean => (one.state.terminated?.exitCode ?? 0) !== 0;
  const [sidecars, plain] = split(pod, init);
  const started = main.some((one) => one.state.running || one.state.terminated || one.lastState.terminated);
  if (pod.restartPolicy === "Never" && plain.some(isFailed)) return "Failed";
  const isInitialized =
    plain.every((one) => one.state.terminated?.exitCode === 0) &&
    sidecars.every((one) => one.started || one.lastState.terminated);
  if (!started && !isInitialized) return "Pending";
  const running = main.filter((one) => one.state.running).length;
  const ended = main.filter(
    (one) => one.state.terminated || (one.state.waiting && one.lastState.terminated),
  ).length;
  if (running + ended < main.length) return "Pending";
  if (running > 0 || pod.restartPolicy === "Always") return "Running";
  // It has not ended before its sidecars have.
  if (sidecars.some((one) => one.state.running)) return "Running";
  if (main.every((one) => one.state.terminated?.exitCode === 0)) return "Succeeded";
  return pod.restartPolicy === "Never" ? "Failed" : "Running";
}

/** Sidecars, and the other init containers. */
function split(
  { initContainers }: Pod,
  init: readonly ContainerStatus[],
): [ContainerStatus[], ContainerStatus[]] {
  const isSidecar = (_one: ContainerStatus, place: number): boolean =>
    initContainers[place]?.sidecar ?? false;
  return [init.filter(isSidecar), init.filter((one, place) => !isSidecar(one, place))];
}

interface Statuses {
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly phase: Phase;
}

type Verdict = Pick<Condition, "status" | "reason" | "message">;

function conditionsOf(pod: Pod, statuses: Statuses, parts: StatusParts): Condition[] {
  const containersReady = containersReadyOf(pod, statuses);
  const verdicts: [string, Verdict][] = [
    ["Initialized", initializedOf(pod, statuses)],
    ["Ready", podReadyOf(pod, containersReady)],
    ["ContainersReady", containersReady],
    ["PodScheduled", { status: "True" }],
  ];
  return verdicts.map(([type, verdict]) => {
    const before = parts.before.find((one) => one.type === type);
    const since = before?.status === verdict.status ? before.lastTransitionTime : kubeTime(parts.view.now);
    return { type, lastProbeTime: null, lastTransitionTime: since, ...verdict };
  });
}

function initializedOf(pod: Pod, { init, main, phase }: Statuses): Verdict {
  if (phase === "Succeeded") return { status: "True", reason: "PodCompleted" };
  const started = main.some((one) => one.state.running || one.state.terminated);
  const isComplete = (one: ContainerStatus, place: number): boolean =>
    pod.initContainers[place]?.sidecar ? one.started : one.ready;
  const incomplete = started
    ? []
    : init.filter((one, place) => !isComplete(one, place)).map((one) => one.name);
  if (incomplete.length === 0) return { status: "True" };
  const message = `containers with incomplete status: [${incomplete.join(" ")}]`;
  return { status: "False", reason: "ContainersNotInitialized", message };
}

function containersReadyOf(pod: Pod, { init, main, phase }: Statuses): Verdict {
  if (phase === "Succeeded") return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const [sidecars] = split(pod, init);
  const unready = [...sidecars, ...main].filter((one) => !one.ready).map((one) => one.name);
  if (unready.length === 0) return { status: "True" };
  const message = `containers with unready status: [${unready.join(" ")}]`;
  return { status: "False", reason: "ContainersNotReady", message };
}

function podReadyOf(pod: Pod, containersReady: Verdict): Verdict {
  if (containersReady.status === "False") return containersReady;
  const wrong = pod.readinessGates.flatMap((gate) => {
    const status = pod.foreignConditions.map(objectOf).find(({ type }) => type === gate)?.status;
    if (status === "True") return [];
    return [
      status === undefined
        ? `corresponding condition of pod readiness gate "${gate}" does not exist.`
        : `the status of pod readiness gate "${gate}" is not "True", but ${textOf(status)}`,
    ];
  });
  if (wrong.length === 0) return { status: "True" };
  return { status: "False", reason: "ReadinessGatesNotReady", message: wrong.join(", ") };
}

/** An image by its name; some runtimes give its id instead. */
function namedImage(image: string | undefined): string | undefined {
  return image && !image.startsWith("sha256:") ? image : undefined;
}
