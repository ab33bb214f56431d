import { join } from "node:path";
import { OncePer } from "../../platform/logger.ts";
import { asHubError, Backoff, HubError, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import type { EdgeModule } from "../dispatcher.ts";
import type { MetaChange } from "../store/edge-store.ts";
import { AccountTokens } from "./account-tokens.ts";
import { refusalOf } from "./admission.ts";
import { CloudObjects } from "./cloud-objects.ts";
import { ContainerStarter } from "./container-starter.ts";
import type { EdgedOptions } from "./options.ts";
import { historyOf } from "./plan.ts";
import { type BadPod, isBad, type Pod } from "./pod.ts";
import { PodMemories } from "./pod-memory.ts";
import type { PodStatus } from "./pod-status.ts";
import { PodWorker, type WorkerParts } from "./pod-worker.ts";
import { Prober } from "./prober.ts";
import type { ExecResult, Runtime, RuntimePod } from "./runtime.ts";
import { Volumes } from "./volumes.ts";
import { WantedPods } from "./wanted-pods.ts";

/** What a node tells its pods about itself. */
export interface NodeFacts {
  hostIp(): string;
  allocatable(): { cpuMillis: number; memoryBytes: number };
}

export interface EdgedParts {
  readonly runtime: Runtime;
  readonly facts: NodeFacts;
}

/** A pod of this node, for people. */
export interface PodSummary {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly isEnding: boolean;
  /** `undefined`: nothing is known yet. */
  readonly status: PodStatus | undefined;
}

/** A pod whose work is under way, or done. */
interface Lane {
  readonly worker: PodWorker;
  busy: boolean;
  /** Number of the look at the runtime after which its last work ended. */
  freshFrom: number;
}

/** A runtime that does not answer in that time is down. */
const listTimeoutMs = 60_000;
const soonMs = 20;
const refreshVolumesMs = 60_000;
const runtimeBackoff = { minMs: 1_000, maxMs: 30_000 };

/**
 * The pods of this node: compares what the store says shall run with what the runtime says does run, again and again,
 * and lets one worker per pod do the difference. Nothing here waits for the cloud or for a single pod.
 */
export class Edged implements EdgeModule {
  readonly name = "edged";
  readonly groups = [];
  readonly #agent: Agent;
  readonly #options: EdgedOptions;
  readonly #runtime: Runtime;
  readonly #stop = new AbortController();
  readonly #lanes = new Map<string, Lane>();
  readonly #complaints: OncePer;
  readonly #backoff: Backoff;
  readonly #memories: PodMemories;
  readonly #objects: CloudObjects;
  readonly #tokens: AccountTokens;
  readonly #wanted: WantedPods;
  readonly #parts: WorkerParts;
  readonly #facts: NodeFacts;
  #idScheme = "containerd";
  #looks = 0;
  #looking = false;
  #lookAgain = false;
  #volumesDueAt = 0;
  #runtimeProblem: string | undefined = "the container runtime has not been reached yet";
  #cancelTimer: () => void = () => {};
  #unfollow: () => void = () => {};

  /** @param rootDirectory Absolute: volumes and logs. */
  constructor(
    agent: Agent,
    { runtime, facts }: EdgedParts,
    options: EdgedOptions & { rootDirectory: string },
  ) {
    this.#agent = agent;
    this.#options = options;
    this.#runtime = runtime;
    this.#facts = facts;
    this.#complaints = new OncePer(agent.clock, 600_000);
    this.#backoff = new Backoff(runtimeBackoff, () => 0.5 + agent.random() / 2);
    this.#memories = new PodMemories(agent.store);
    this.#objects = new CloudObjects(agent, this.#stop.signal);
    this.#tokens = new AccountTokens(agent, this.#objects, () => this.#refresh());
    this.#wanted = new WantedPods(agent);
    const volumes = new Volumes(options.rootDirectory);
    this.#parts = {
      agent,
      runtime,
      volumes,
      memories: this.#memories,
      starter: new ContainerStarter({
        runtime,
        volumes,
        logRoot: join(options.rootDirectory, "logs"),
        contextOf: (pod, podIp) => this.#contextOf(pod, podIp),
      }),
      prober: new Prober({ clock: agent.clock, log: agent.log, runtime, changed: () => this.#soon() }),
      hostIp: facts.hostIp,
      idScheme: () => this.#idScheme,
    };
  }

  start(): Promise<void> {
    for (const memory of this.#memories.list())
      this.#lanes.set(memory.uid, { worker: new PodWorker(this.#parts, memory), busy: false, freshFrom: 0 });
    this.#unfollow = this.#agent.store.onChange((change) => this.#changed(change));
    this.#soon();
    return Promise.resolve();
  }

  /** All it needs comes through the store. */
  handle(message: Message): Promise<void> {
    return Promise.reject(new HubError("E_NO_MODULE", `Edged takes no messages, ${message.resource.path}`));
  }

  connection(connected: boolean): void {
    if (!connected) return;
    this.#objects.connected();
    this.#tokens.connected();
    this.#soon();
  }

  /** Ends what it does here; the pods run on. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#cancelTimer();
    this.#unfollow();
    this.#parts.prober.keep(new Set());
    await this.#runtime.close();
  }

  /** Why pods cannot be driven at the moment; `undefined`: they can. */
  get runtimeProblem(): string | undefined {
    return this.#runtimeProblem;
  }

  pods(): PodSummary[] {
    return this.#wanted.all().flatMap((pod) => {
      const identity = isBad(pod) ? pod.identity : pod;
      if (identity === undefined) return [];
      const { namespace, name, uid } = identity;
      const isEnding = isBad(pod) ? pod.isEnding : pod.deletion !== undefined;
      return [{ namespace, name, uid, isEnding, status: this.#lanes.get(uid)?.worker.status }];
    });
  }

  /** The log file of a container's newest run. Rejects with `E_NOT_FOUND`. */
  async logPath(namespace: string, name: string, container: string): Promise<string> {
    return (await this.#containerOf(namespace, name, container)).logPath;
  }

  /** Runs a command in a container, to its end. Rejects with `E_NOT_FOUND`, or as the runtime. */
  async exec(
    place: { namespace: string; name: string; container: string },
    command: readonly string[],
    timeoutMs: number,
  ): Promise<ExecResult> {
    const { id } = await this.#containerOf(place.namespace, place.name, place.container);
    return await this.#runtime.exec(id, command, timeoutMs);
  }

  async #containerOf(namespace: string, name: string, container: string) {
    const pods = (await this.#runtime.pods()).filter(
      (one) => one.namespace === namespace && one.name === name,
    );
    const found = historyOf(pods, container)[0];
    if (found) return found;
    throw new HubError(
      "E_NOT_FOUND",
      `there is no container ${container} of pod ${namespace}/${name} on this node`,
    );
  }

  #contextOf(pod: Pod, podIp: string) {
    return {
      find: (kind: "configmap" | "secret", name: string) => this.#objects.find(kind, pod.namespace, name),
      token: (audience: string, seconds: number) => this.#tokens.find(pod, audience, seconds),
      nodeName: this.#agent.node,
      hostIp: this.#facts.hostIp(),
      podIp,
      allocatable: this.#facts.allocatable(),
    };
  }

  #changed({ type, key }: MetaChange): void {
    if (type === "pod") this.#wanted.changed(key);
    if (type === "configmap" || type === "secret") this.#refresh();
    if (type === "pod") this.#soon();
  }

  /** Objects that volumes are made of have changed. */
  #refresh(): void {
    this.#volumesDueAt = 0;
    this.#soon();
  }

  #soon(): void {
    if (this.#looking) this.#lookAgain = true;
    else this.#lookIn(soonMs);
  }

  #lookIn(delayMs: number): void {
    this.#cancelTimer();
    if (this.#stop.signal.aborted) return;
    this.#cancelTimer = this.#agent.clock.after(delayMs, () => void this.#look());
  }

  /** One look at everything; the work that follows from it goes on by itself. */
  async #look(): Promise<void> {
    this.#looking = true;
    this.#lookAgain = false;
    let nextMs = this.#options.syncMs;
    try {
      const look = ++this.#looks;
      const running = await this.#listPods();
      if (!this.#stop.signal.aborted) this.#drive(running, look);
    } catch (error) {
      nextMs = Math.max(nextMs, this.#runtimeDown(error));
    }
    this.#looking = false;
    this.#lookIn(this.#lookAgain && nextMs <= this.#options.syncMs ? soonMs : nextMs);
  }

  async #listPods(): Promise<readonly RuntimePod[]> {
    let cancel: () => void = () => {};
    const late = new Promise<never>((_, reject) => {
      const text = `the container runtime has not answered for ${listTimeoutMs} ms`;
      cancel = this.#agent.clock.after(listTimeoutMs, () => reject(new HubError("E_TIMEOUT", text)));
    });
    try {
      return await Promise.race([this.#listNow(), late]);
    } finally {
      cancel();
    }
  }

  async #listNow(): Promise<readonly RuntimePod[]> {
    if (this.#runtimeProblem !== undefined) {
      this.#idScheme = (await this.#runtime.version()).split(" ")[0] ?? this.#idScheme;
    }
    const pods = await this.#runtime.pods();
    if (this.#runtimeProblem !== undefined)
      this.#agent.log.info("the container runtime answers", { pods: pods.length });
    this.#runtimeProblem = undefined;
    this.#backoff.reset();
    return pods;
  }

  #runtimeDown(error: unknown): number {
    const wrong = asHubError(error);
    this.#runtimeProblem = `container runtime is down: ${wrong.message}`;
    if (!this.#stop.signal.aborted && this.#complaints.pass("runtime") !== undefined)
      this.#agent.log.error("the container runtime does not answer; what runs, runs on", { error: wrong });
    return this.#backoff.next();
  }

  #drive(running: readonly RuntimePod[], look: number): void {
    const byUid = Map.groupBy(running, (pod) => pod.uid);
    const wanted = this.#wanted.byUid();
    this.#parts.prober.keep(runningIds(running));
    const waiting = this.#admit([...wanted.values()].filter((pod): pod is Pod => !isBad(pod)));
    if (this.#agent.clock.now() >= this.#volumesDueAt) this.#refreshVolumes(wanted);
    for (const uid of new Set([...wanted.keys(), ...byUid.keys(), ...this.#lanes.keys()])) {
      const pod = wanted.get(uid);
      const own = byUid.get(uid) ?? [];
      const lane = this.#laneOf(uid, pod, own[0]);
      if (lane === undefined || lane.busy || lane.freshFrom >= look) continue;
      void this.#run(uid, lane, pod, own, waiting.has(uid));
    }
  }

  /** Takes in new pods that fit, the older first. @returns Those that have to wait for others to end. */
  #admit(pods: readonly Pod[]): Set<string> {
    const waiting = new Set<string>();
    const names = new Map<string, number>();
    for (const lane of this.#lanes.values()) {
      const { namespace, name } = lane.worker.memory;
      names.set(`${namespace}/${name}`, (names.get(`${namespace}/${name}`) ?? 0) + 1);
    }
    const active = pods.filter((pod) => this.#isActive(pod));
    const taken = active.filter((pod) => this.#lanes.get(pod.uid)?.worker.memory.admitted);
    for (const pod of active.sort((a, b) => a.createdAt - b.createdAt || (a.uid < b.uid ? -1 : 1))) {
      const lane = this.#laneOf(pod.uid, pod, undefined);
      if (lane === undefined || lane.worker.memory.admitted || pod.deletion) continue;
      // The one before of the same name ends first.
      const refusal =
        (names.get(`${pod.namespace}/${pod.name}`) ?? 0) > 1
          ? "wait"
          : refusalOf(pod, taken, this.#options.maxPods);
      if (refusal === "wait") waiting.add(pod.uid);
      else if (refusal) {
        lane.worker.fail(refusal);
        this.#agent.log.warn("a pod was refused", { pod: pod.name, ...refusal });
      } else {
        lane.worker.admit();
        taken.push(pod);
      }
    }
    return waiting;
  }

  #isActive({ uid }: Pod): boolean {
    const worker = this.#lanes.get(uid)?.worker;
    if (worker?.memory.failed || worker?.memory.endTold) return false;
    return worker?.status?.phase !== "Succeeded" && worker?.status?.phase !== "Failed";
  }

  #laneOf(uid: string, pod: Pod | BadPod | undefined, running: RuntimePod | undefined): Lane | undefined {
    const known = this.#lanes.get(uid);
    if (known) return known;
    const identity = pod === undefined ? running : isBad(pod) ? pod.identity : pod;
    if (identity === undefined) return undefined;
    const graceSeconds = pod === undefined || isBad(pod) ? 30 : pod.graceSeconds;
    const lane = { worker: PodWorker.anew(this.#parts, identity, graceSeconds), busy: false, freshFrom: 0 };
    this.#lanes.set(uid, lane);
    return lane;
  }

  async #run(
    uid: string,
    lane: Lane,
    pod: Pod | BadPod | undefined,
    running: readonly RuntimePod[],
    mustWait: boolean,
  ): Promise<void> {
    lane.busy = true;
    try {
      const result =
        pod && isBad(pod)
          ? await lane.worker.refuse(pod, running)
          : await lane.worker.step({ pod, running, mustWait });
      if (result === "gone") this.#lanes.delete(uid);
      if (result !== "idle") this.#soon();
    } catch (error) {
      const { name, namespace } = lane.worker.memory;
      if (
        !this.#stop.signal.aborted &&
        this.#complaints.pass(`${uid} ${asHubError(error).code}`) !== undefined
      )
        this.#agent.log.warn("a pod could not be driven on", {
          pod: `${namespace}/${name}`,
          error: asHubError(error),
        });
    } finally {
      lane.busy = false;
      // A look that began before this moment may have seen what is no more.
      lane.freshFrom = this.#looks;
    }
  }

  /** Gives running pods the new content of their ConfigMaps, Secrets and tokens. */
  #refreshVolumes(wanted: ReadonlyMap<string, Pod | BadPod>): void {
    this.#volumesDueAt = this.#agent.clock.now() + refreshVolumesMs;
    for (const [uid, pod] of wanted) {
      const status = this.#lanes.get(uid)?.worker.status;
      if (isBad(pod) || pod.deletion || status?.phase !== "Running") continue;
      try {
        this.#parts.volumes.prepare(pod, this.#contextOf(pod, status.podIP ?? ""), []);
      } catch (error) {
        if (this.#complaints.pass(`volumes ${uid}`) !== undefined)
          this.#agent.log.warn("volumes could not be brought up to date", {
            pod: pod.name,
            error: asHubError(error),
          });
      }
    }
  }
}

function runningIds(running: readonly RuntimePod[]): Set<string> {
  const containers = running.flatMap((sandbox) => sandbox.containers);
  return new Set(containers.filter((one) => one.state === "running").map((one) => one.id));
}
