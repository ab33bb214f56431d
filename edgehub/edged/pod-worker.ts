import type { Agent } from "../agent.ts";
import { isAnother } from "./container-plan.ts";
import type { ContainerStarter } from "./container-starter.ts";
import { ContainerStopper, type StopAction } from "./container-stopper.ts";
import { crashMaxMs, crashMinMs, nextCrashBackoff } from "./crash-backoff.ts";
import { removeTree } from "./disk.ts";
import { lastWordsOf } from "./log-tail.ts";
import { type Plan, planPod } from "./plan.ts";
import { type BadPod, isBad, lastingContainers, type Pod } from "./pod.ts";
import { newMemory, type PodMemories, type PodMemory } from "./pod-memory.ts";
import { PodRecord } from "./pod-record.ts";
import { type PodStatus, podStatusOf, refusedStatus } from "./pod-status.ts";
import {
  type Action,
  currentSandbox,
  evicted,
  type PodView,
  type Reason,
  type StartFailure,
  wholePod,
} from "./pod-view.ts";
import type { ProbeVerdict } from "./probe.ts";
import type { Prober } from "./prober.ts";
import type { PodIdentity, Runtime, RuntimePod } from "./runtime.ts";
import type { Volumes } from "./volumes.ts";

export interface WorkerParts {
  readonly agent: Agent;
  readonly runtime: Runtime;
  readonly memories: PodMemories;
  readonly volumes: Volumes;
  readonly starter: ContainerStarter;
  readonly prober: Prober;
  readonly hostIp: () => string;
  /** What the runtime's container ids begin with. */
  readonly idScheme: () => string;
  /** Edged is stopping. */
  readonly stop: AbortSignal;
}

/** What a pod's worker is told each time. */
export interface PodInput {
  /** `undefined`: it is not wanted any more. */
  readonly pod: Pod | undefined;
  readonly running: readonly RuntimePod[];
  readonly mustWait: boolean;
}

/** Drives one pod towards what it should be. One piece of work at a time; other pods do not wait for it. */
export class PodWorker {
  readonly record: PodRecord;
  /** The last status, as it was or will be sent. */
  status: PodStatus | undefined;
  readonly #parts: WorkerParts;
  readonly #failures = new Map<string, StartFailure>();
  readonly #stopper: ContainerStopper;
  #isFreed = false;
  /** Ends what is being started. */
  #ending = new AbortController();

  constructor(parts: WorkerParts, memory: PodMemory) {
    this.#parts = parts;
    this.#stopper = new ContainerStopper({ clock: parts.agent.clock, runtime: parts.runtime });
    this.record = new PodRecord(parts.agent, parts.memories, memory, parts.stop);
  }

  static anew(parts: WorkerParts, identity: PodIdentity, graceSeconds: number): PodWorker {
    return new PodWorker(parts, newMemory(identity, parts.agent.clock.wallTime(), graceSeconds));
  }

  /**
   * One step: report how the pod is, then do what has to be done.
   *
   * @returns `idle`: nothing was to be done; `busy`: look again soon; `gone`: nothing is left of it.
   * Rejects if the runtime cannot be reached, or with `E_STORAGE` and the like.
   */
  async step({ pod, running, mustWait }: PodInput): Promise<"idle" | "busy" | "gone"> {
    const now = this.#parts.agent.clock.wallTime();
    this.#ending = new AbortController();
    if (pod) {
      this.#judge(pod, now);
      await this.record.tellStatusAgain();
    }
    const { containers, failed, graceSeconds } = this.record.memory;
    const probes = pod ? this.#probe(pod, running) : new Map<string, ProbeVerdict>();
    const view: PodView = {
      pod,
      running,
      containers,
      failures: this.#failures,
      probes,
      failed,
      graceSeconds,
      mustWait,
      now,
    };
    const plan = planPod(view);
    // What has ended stays so, though the runtime may have forgotten it.
    const isPast = this.record.memory.ended && running.length === 0;
    if (isPast && pod && !pod.deletion) {
      await this.#freeEvicted();
      return "idle";
    }
    if (pod && !isPast) await this.#report(pod, view, plan);
    return await this.#perform(plan.actions, pod, running);
  }

  /**
   * The same for a pod that cannot run here at all: the cloud is told so, once; what of it runs from before ends when
   * the pod is to end.
   */
  async refuse({ problem, isEnding }: BadPod, running: readonly RuntimePod[]): Promise<"idle" | "busy"> {
    const refusal = { reason: "InvalidPodSpec", message: `this node cannot run the pod: ${problem}` };
    const { startTime, containers, graceSeconds } = this.record.memory;
    await this.record.tellStatusAgain();
    await this.record.tellStatus(refusedStatus(refusal, startTime));
    if (!isEnding) return "idle";
    if (running.length === 0) {
      await this.record.tellEnd();
      return "idle";
    }
    const now = this.#parts.agent.clock.wallTime();
    const rest = { failures: this.#failures, probes: new Map(), failed: refusal, mustWait: false, now };
    const { actions } = planPod({ pod: undefined, running, containers, graceSeconds, ...rest });
    await this.#perform(actions, undefined, running);
    return "busy";
  }

  /**
   * While a step is under way: if the pod is to end, nobody waits for its images and hooks any more, and what ends has as
   * long as it is given now.
   */
  hasten(pod: Pod | BadPod | undefined): void {
    const isEvicted = this.record.memory.failed?.reason === evicted;
    if (pod !== undefined && (isBad(pod) || !(pod.deletion || isEvicted))) return;
    if (pod?.deletion) this.record.note({ graceSeconds: pod.deletion.graceSeconds });
    this.#ending.abort();
    this.#stopper.hasten(isEvicted ? 0 : this.record.memory.graceSeconds);
  }

  #judge(pod: Pod, now: number): void {
    const { record, status } = this;
    record.note({ graceSeconds: pod.deletion?.graceSeconds ?? pod.graceSeconds });
    const hasEnded = status?.phase === "Succeeded" || status?.phase === "Failed";
    const deadline =
      record.memory.startTime + (pod.activeDeadlineSeconds ?? Number.POSITIVE_INFINITY) * 1_000;
    const message = "Pod was active on the node longer than the specified deadline";
    if (now >= deadline && !hasEnded) record.fail({ reason: "DeadlineExceeded", message });
  }

  #probe(pod: Pod, running: readonly RuntimePod[]): Map<string, ProbeVerdict> {
    const address = this.#addressOf(pod, running);
    const verdicts = new Map<string, ProbeVerdict>();
    for (const container of lastingContainers(pod)) {
      for (const one of running.flatMap((sandbox) => sandbox.containers)) {
        if (one.name !== container.name || one.state !== "running") continue;
        verdicts.set(one.id, this.#parts.prober.verdict(container, one, address));
      }
    }
    return verdicts;
  }

  /** Where this node reaches it: a plain process may listen on the machine's own address only. */
  #addressOf(pod: Pod, running: readonly RuntimePod[]): string {
    return this.#parts.runtime.name === "process" ? "127.0.0.1" : this.#ipOf(pod, running);
  }

  /** Where others reach it. */
  #ipOf(pod: Pod, running: readonly RuntimePod[]): string {
    return (pod.hostNetwork ? undefined : currentSandbox(running)?.ip) ?? this.#parts.hostIp();
  }

  async #report(pod: Pod, view: PodView, plan: Plan): Promise<void> {
    const { runtime, hostIp, idScheme } = this.#parts;
    const { startTime, conditions } = this.record.memory;
    this.status = podStatusOf(pod, {
      view,
      waiting: plan.waiting,
      hostIp: hostIp(),
      startTime,
      before: conditions,
      idScheme: idScheme(),
      usesHostAddress: runtime.name === "process",
      lastWords: (ended) => lastWordsOf(pod, ended, this.#parts.volumes),
    });
    await this.record.tellStatus(this.status);
  }

  /** A pod that had to go for want of room keeps none. */
  async #freeEvicted(): Promise<void> {
    const { failed, uid } = this.record.memory;
    if (this.#isFreed || failed?.reason !== evicted) return;
    await this.#parts.volumes.remove(uid);
    this.#isFreed = true;
  }

  async #perform(
    actions: readonly Action[],
    pod: Pod | undefined,
    running: readonly RuntimePod[],
  ): Promise<"idle" | "busy" | "gone"> {
    const stops = actions.filter((action) => action.do === "stopContainer");
    await this.#stop(stops, pod, running);
    let done: "idle" | "busy" | "gone" = stops.length > 0 ? "busy" : "idle";
    for (const action of actions) {
      if (action.do === "stopContainer") continue;
      const result = await this.#do(action, pod, running);
      if (result !== "idle") done = result;
    }
    return done;
  }

  async #do(
    action: Exclude<Action, { do: "stopContainer" }>,
    pod: Pod | undefined,
    running: readonly RuntimePod[],
  ): Promise<"idle" | "busy" | "gone"> {
    const { runtime, starter } = this.#parts;
    switch (action.do) {
      case "removeContainer":
        await runtime.removeContainer(action.id);
        return "busy";
      case "stopSandbox":
        await runtime.stopSandbox(action.id);
        return "busy";
      case "removeSandbox":
        await runtime.removeSandbox(action.id);
        return "busy";
      case "runSandbox":
        if (pod === undefined || this.#ending.signal.aborted) return "busy";
        return this.#tried(wholePod, "", await starter.runSandbox(pod, action.attempt));
      case "startContainer":
        if (pod === undefined || this.#ending.signal.aborted) return "busy";
        return await this.#start(pod, action, running);
      case "reportEnd":
        await this.record.tellEnd();
        return "idle";
      case "forget":
        await this.#forget();
        return "gone";
      default:
        return action satisfies never;
    }
  }

  async #stop(
    actions: readonly StopAction[],
    pod: Pod | undefined,
    running: readonly RuntimePod[],
  ): Promise<void> {
    for (const { name, graceSeconds, why, replaced } of actions) {
      const fields = { pod: this.record.memory.name, container: name, why, graceSeconds };
      this.#parts.agent.log.info("a container is stopped", fields);
      const known = this.record.memory.containers[name];
      if (replaced && known) await this.record.remember({ [name]: { ...known, replaced } });
    }
    const containers = new Map(pod && lastingContainers(pod).map((one) => [one.name, one]));
    const address = pod ? this.#addressOf(pod, running) : "";
    await this.#stopper.stopAll(actions, { containers, address });
  }

  async #start(
    pod: Pod,
    action: Extract<Action, { do: "startContainer" }>,
    running: readonly RuntimePod[],
  ): Promise<"idle" | "busy"> {
    const { container, sandbox, attempt, endedAt } = action;
    const { agent, starter } = this.#parts;
    const podIp = this.#ipOf(pod, running);
    const before = this.record.memory.containers[container.name];
    const ending = this.#ending.signal;
    const problem = await starter.start(pod, container, { sandbox, attempt, podIp, ending }, async () => {
      const backoff =
        endedAt === undefined || isAnother(container, before)
          ? undefined
          : nextCrashBackoff(before?.backoff, endedAt, agent.clock.wallTime());
      const memory = { attempt, hash: container.hash, ...(backoff ? { backoff } : {}) };
      await this.record.remember({ [container.name]: memory });
    });
    if (!problem && !ending.aborted)
      agent.log.info("a container was started", { pod: pod.name, container: container.name, attempt });
    return this.#tried(container.name, container.hash, problem);
  }

  #tried(name: string, hash: string, problem: Reason | undefined): "idle" | "busy" {
    const now = this.#parts.agent.clock.wallTime();
    const known = this.#failures.get(name);
    const before = known?.hash === hash ? known : undefined;
    if (problem === undefined) {
      this.#failures.delete(name);
      return "busy";
    }
    // What waits for an object is looked at each time; all else waits longer and longer.
    const isWait = problem.reason === "CreateContainerConfigError";
    const delayMs = isWait ? 0 : Math.min(before?.delayMs ? before.delayMs * 2 : crashMinMs, crashMaxMs);
    this.#failures.set(name, { ...problem, hash, at: now, delayMs, retryAt: now + delayMs });
    if (before?.message === problem.message) return "idle";
    this.#parts.agent.log.warn("a container cannot be started", {
      pod: this.record.memory.name,
      container: name,
      ...problem,
    });
    return "busy";
  }

  async #forget(): Promise<void> {
    const { volumes, starter, memories } = this.#parts;
    await volumes.remove(this.record.memory.uid);
    await removeTree(starter.logDirectory(this.record.memory));
    await memories.remove(this.record.memory.uid);
  }
}
