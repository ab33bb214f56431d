import { rm } from "node:fs/promises";
import { asHubError, type Delivery, event, type Message, state } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { ContainerStarter } from "./container-starter.ts";
import { crashMaxMs, crashMinMs, nextCrashBackoff } from "./crash-backoff.ts";
import {
  type Action,
  currentSandbox,
  type Plan,
  type PodView,
  planPod,
  type Reason,
  type StartFailure,
  wholePod,
} from "./plan.ts";
import type { BadPod, Pod } from "./pod.ts";
import { newMemory, type PodMemories, type PodMemory } from "./pod-memory.ts";
import { type PodStatus, podStatusOf, refusedStatus, statusPatch } from "./pod-status.ts";
import type { ProbeVerdict } from "./probe.ts";
import type { Prober } from "./prober.ts";
import type { PodIdentity, Runtime, RuntimeContainer, RuntimePod } from "./runtime.ts";
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
}

/** What a pod's worker is told each time. */
export interface PodInput {
  /** `undefined`: it is not wanted any more. */
  readonly pod: Pod | undefined;
  readonly running: readonly RuntimePod[];
  readonly mustWait: boolean;
}

const keptIps = 8;
/** The cloud is told again that a pod has ended if it has not deleted the pod by then. */
const tellAgainMs = 60_000;

/** Drives one pod towards what it should be. One piece of work at a time; other pods do not wait for it. */
export class PodWorker {
  memory: PodMemory;
  /** The last status, as it was or will be sent. */
  status: PodStatus | undefined;
  readonly #parts: WorkerParts;
  readonly #failures = new Map<string, StartFailure>();
  #toldAt = Number.NEGATIVE_INFINITY;
  #unsavedSince: number | undefined;

  constructor(parts: WorkerParts, memory: PodMemory) {
    this.#parts = parts;
    this.memory = memory;
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
    if (pod) this.#judge(pod, now);
    const { containers, failed, graceSeconds } = this.memory;
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
    if (pod) await this.#report(pod, view, plan).catch((error: unknown) => this.#unsaved(error));
    return await this.#perform(plan.actions, pod, running);
  }

  /**
   * The same for a pod that cannot run here at all: the cloud is told so, once; what of it runs from before ends when
   * the pod is to end.
   */
  async refuse({ problem, isEnding }: BadPod, running: readonly RuntimePod[]): Promise<"idle" | "busy"> {
    const refusal = { reason: "InvalidPodSpec", message: `this node cannot run the pod: ${problem}` };
    const sent = statusPatch(this.memory, refusedStatus(refusal, this.memory.startTime));
    if (sent !== this.memory.sent) {
      const memory = { ...this.memory, sent };
      await this.#parts.memories.save(memory, this.#draft("patch", "podpatch", sent, state));
      this.memory = memory;
    }
    if (!isEnding) return "idle";
    if (running.length === 0) return await this.#tellEnd();
    const { containers, graceSeconds } = this.memory;
    const now = this.#parts.agent.clock.wallTime();
    const rest = { failures: this.#failures, probes: new Map(), failed: refusal, mustWait: false, now };
    await this.#perform(
      planPod({ pod: undefined, running, containers, graceSeconds, ...rest }).actions,
      undefined,
      running,
    );
    return "busy";
  }

  /** It has ended for good, unless it has before. */
  fail(reason: Reason): void {
    this.memory = { ...this.memory, failed: this.memory.failed ?? reason };
  }

  /** This node takes it in. */
  admit(): void {
    if (!this.memory.admitted) this.memory = { ...this.memory, admitted: true };
  }

  #judge(pod: Pod, now: number): void {
    const deadline = pod.activeDeadlineSeconds;
    this.memory = { ...this.memory, graceSeconds: pod.deletion?.graceSeconds ?? pod.graceSeconds };
    const ended = this.status?.phase === "Succeeded" || this.status?.phase === "Failed";
    if (deadline === undefined || ended || this.memory.failed) return;
    if (now - this.memory.startTime >= deadline * 1_000)
      this.fail({
        reason: "DeadlineExceeded",
        message: "Pod was active on the node longer than the specified deadline",
      });
  }

  #probe(pod: Pod, running: readonly RuntimePod[]): Map<string, ProbeVerdict> {
    const address = this.#addressOf(pod, running);
    const verdicts = new Map<string, ProbeVerdict>();
    for (const container of pod.containers) {
      for (const one of running.flatMap((sandbox) => sandbox.containers)) {
        if (one.name !== container.name || one.state !== "running") continue;
        verdicts.set(one.id, this.#parts.prober.verdict(container, one, address));
      }
    }
    return verdicts;
  }

  #addressOf(pod: Pod, running: readonly RuntimePod[]): string {
    const own = pod.hostNetwork ? undefined : currentSandbox(running)?.ip;
    return own ?? (this.#parts.runtime.name === "process" ? "127.0.0.1" : this.#parts.hostIp());
  }

  async #report(pod: Pod, view: PodView, plan: Plan): Promise<void> {
    const { memories, runtime, hostIp, idScheme } = this.#parts;
    const status = podStatusOf(pod, {
      view,
      waiting: plan.waiting,
      hostIp: hostIp(),
      startTime: this.memory.startTime,
      before: this.memory.conditions,
      idScheme: idScheme(),
      usesHostAddress: runtime.name === "process",
      lastWords: (container) => this.#lastWords(pod, container),
    });
    const ips = [
      ...this.memory.ips.filter((ip) => ip !== status.podIP),
      ...(status.podIP ? [status.podIP] : []),
    ];
    const former = ips.filter((ip) => ip !== status.podIP);
    const sent = statusPatch(pod, status, former);
    this.status = status;
    if (sent === this.memory.sent) return;
    const memory = { ...this.memory, conditions: status.conditions, ips: ips.slice(-keptIps), sent };
    await memories.save(memory, this.#draft("patch", "podpatch", sent, state));
    this.memory = memory;
    this.#unsavedSince = undefined;
  }

  #draft(operation: string, type: string, content: unknown, delivery: Delivery): Message {
    const { namespace, name } = this.memory;
    const resource = `${namespace}/${type}/${name}`;
    return this.#parts.agent.draft({
      source: "edged",
      group: "meta",
      operation,
      resource,
      content,
      delivery,
    });
  }

  #lastWords(pod: Pod, { name, attempt }: RuntimeContainer): string {
    return this.#parts.volumes.terminationMessage(pod.uid, name, attempt);
  }

  async #perform(
    actions: readonly Action[],
    pod: Pod | undefined,
    running: readonly RuntimePod[],
  ): Promise<"idle" | "busy" | "gone"> {
    const stops = actions.filter((action) => action.do === "stopContainer");
    await Promise.all(stops.map((action) => this.#stop(action)));
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
        if (pod === undefined) return "idle";
        return this.#tried(wholePod, await starter.runSandbox(pod, action.attempt));
      case "startContainer":
        return pod === undefined ? "idle" : await this.#start(pod, action, running);
      case "reportEnd":
        return await this.#tellEnd();
      case "forget":
        await this.#forget();
        return "gone";
      default:
        return action satisfies never;
    }
  }

  async #stop(action: Extract<Action, { do: "stopContainer" }>): Promise<void> {
    const { agent, runtime } = this.#parts;
    const { id, name, graceSeconds, why, replaced } = action;
    agent.log.info("a container is stopped", { pod: this.memory.name, container: name, why, graceSeconds });
    const known = this.memory.containers[name];
    if (replaced && known) await this.#remember({ [name]: { ...known, replaced } });
    await runtime.stopContainer(id, graceSeconds);
  }

  async #start(
    pod: Pod,
    action: Extract<Action, { do: "startContainer" }>,
    running: readonly RuntimePod[],
  ): Promise<"idle" | "busy"> {
    const { container, sandbox, attempt, endedAt } = action;
    const { agent, starter } = this.#parts;
    const podIp = this.#addressOf(pod, running);
    const before = this.memory.containers[container.name];
    const problem = await starter.start(pod, container, { sandbox, attempt, podIp }, async () => {
      const backoff =
        endedAt === undefined || before?.replaced
          ? undefined
          : nextCrashBackoff(before?.backoff, endedAt, agent.clock.wallTime());
      const memory = { attempt, hash: container.hash, ...(backoff ? { backoff } : {}) };
      await this.#remember({ [container.name]: memory });
    });
    if (!problem)
      agent.log.info("a container was started", { pod: pod.name, container: container.name, attempt });
    return this.#tried(container.name, problem);
  }

  #tried(name: string, problem: Reason | undefined): "idle" | "busy" {
    const now = this.#parts.agent.clock.wallTime();
    const before = this.#failures.get(name);
    if (problem === undefined) {
      this.#failures.delete(name);
      return "busy";
    }
    // What waits for an object is looked at each time; all else waits longer and longer.
    const isWait = problem.reason === "CreateContainerConfigError";
    const delayMs = isWait ? 0 : Math.min(before?.delayMs ? before.delayMs * 2 : crashMinMs, crashMaxMs);
    this.#failures.set(name, { ...problem, at: now, delayMs, retryAt: now + delayMs });
    if (before?.message === problem.message) return "idle";
    this.#parts.agent.log.warn("a container cannot be started", {
      pod: this.memory.name,
      container: name,
      ...problem,
    });
    return "busy";
  }

  async #tellEnd(): Promise<"idle"> {
    const { agent, memories } = this.#parts;
    const isTold =
      this.memory.endTold && (!agent.connected || agent.clock.now() - this.#toldAt < tellAgainMs);
    if (isTold) return "idle";
    const memory = { ...this.memory, endTold: true as const };
    const content = { gracePeriodSeconds: 0, preconditions: { uid: memory.uid } };
    await memories.save(memory, this.#draft("delete", "pod", content, event()));
    this.memory = memory;
    this.#toldAt = agent.clock.now();
    return "idle";
  }

  async #forget(): Promise<void> {
    const { volumes, starter, memories } = this.#parts;
    await volumes.remove(this.memory.uid);
    await rm(starter.logDirectory(this.memory), { recursive: true, force: true });
    await memories.remove(this.memory.uid);
  }

  async #remember(containers: PodMemory["containers"]): Promise<void> {
    this.memory = { ...this.memory, containers: { ...this.memory.containers, ...containers } };
    await this.#parts.memories.save(this.memory).catch((error: unknown) => this.#unsaved(error));
  }

  /** A full disk or outbox keeps no pod from running; what could not be kept or told now will be later. */
  #unsaved(error: unknown): void {
    if (this.#unsavedSince === undefined) {
      const { name, namespace } = this.memory;
      const fields = { pod: `${namespace}/${name}`, error: asHubError(error) };
      this.#parts.agent.log.warn("what became of a pod could not be written down", fields);
    }
    this.#unsavedSince ??= this.#parts.agent.clock.now();
  }
}
