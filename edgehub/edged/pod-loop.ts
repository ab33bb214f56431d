import { OncePer } from "../../platform/logger.ts";
import { asHubError } from "../../protocol/index.ts";
import { refusalOf } from "./admission.ts";
import type { PodContext } from "./environment.ts";
import { pressureRefusal } from "./eviction.ts";
import type { Candidate, Evictor } from "./evictor.ts";
import type { Housekeeper } from "./housekeeper.ts";
import type { EdgedOptions } from "./options.ts";
import { type BadPod, isBad, type Pod } from "./pod.ts";
import type { PodStatus } from "./pod-status.ts";
import type { Reason } from "./pod-view.ts";
import { PodWorker, type WorkerParts } from "./pod-worker.ts";
import type { RuntimePod } from "./runtime.ts";
import type { RuntimeWatch } from "./runtime-watch.ts";
import type { FindToken } from "./volume-files.ts";
import type { WantedPods } from "./wanted-pods.ts";

/** A pod whose work is under way, or done. */
interface Lane {
  readonly worker: PodWorker;
  /** What it does at the moment. */
  work: Promise<void> | undefined;
  /** Number of the newest look when its last work ended: only a later one has seen the outcome. */
  freshFrom: number;
  /** It was not wanted at some look: all of it goes, also if a pod of the same uid is wanted again. */
  isLeaving: boolean;
}

export interface PodLoopParts extends WorkerParts {
  readonly watch: RuntimeWatch;
  readonly wanted: WantedPods;
  readonly housekeeper: Housekeeper;
  readonly evictor: Evictor;
  contextOf(pod: Pod, podIp: string): PodContext & { readonly token: FindToken };
}

/** How soon it looks again after something was done, or has changed. */
const soonMs = 20;
const refreshVolumesMs = 60_000;
/** For a pod of which nothing is known but that it runs. */
const unknownGraceSeconds = 30;

/**
 * Compares what shall run with what does, again and again, and lets one worker per pod do the difference. Workers run
 * beside each other: a slow pod holds up nothing.
 */
export class PodLoop {
  readonly #parts: PodLoopParts;
  readonly #options: EdgedOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #complaints: OncePer;
  #looks = 0;
  #looking = false;
  #lookAgain = false;
  #volumesDueAt = 0;
  #stopped = false;
  #cancelTimer: () => void = () => {};

  constructor(parts: PodLoopParts, options: EdgedOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#complaints = new OncePer(parts.agent.clock, 600_000);
  }

  start(): void {
    for (const memory of this.#parts.memories.list()) this.#add(new PodWorker(this.#parts, memory));
    this.soon();
  }

  /** Ends what it does here, at the deadline at the latest; the pods run on. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#stopped = true;
    this.#cancelTimer();
    const late = new Promise<void>((resolve) => {
      deadline.addEventListener("abort", () => resolve(), { once: true });
      if (deadline.aborted) resolve();
    });
    await Promise.race([Promise.all([...this.#lanes.values()].map(({ work }) => work)), late]);
  }

  /** Something has changed: look before it is time. */
  soon(): void {
    if (this.#looking) this.#lookAgain = true;
    else this.#lookIn(soonMs);
  }

  /** The link to the cloud is up. */
  connected(): void {
    for (const { worker } of this.#lanes.values()) worker.record.connected();
    this.soon();
  }

  /** Objects that volumes are made of have changed. */
  refreshVolumes(): void {
    this.#volumesDueAt = 0;
    this.soon();
  }

  /** `undefined`: nothing is known of it yet. */
  statusOf(uid: string): PodStatus | undefined {
    return this.#lanes.get(uid)?.worker.status;
  }

  #lookIn(delayMs: number): void {
    this.#cancelTimer();
    if (this.#stopped) return;
    this.#cancelTimer = this.#parts.agent.clock.after(delayMs, () => void this.#look());
  }

  /** One look at everything; the work that follows from it goes on by itself. */
  async #look(): Promise<void> {
    this.#looking = true;
    this.#lookAgain = false;
    const number = ++this.#looks;
    const seen = await this.#parts.watch.look();
    if (this.#stopped) return;
    try {
      if ("pods" in seen) this.#drive(seen.pods, number);
    } catch (error) {
      if (this.#complaints.pass("look") !== undefined)
        this.#parts.agent.log.error("the pods of this node could not be looked at", {
          error: asHubError(error),
        });
    }
    this.#looking = false;
    const dueMs = this.#lookAgain ? soonMs : this.#options.syncMs;
    this.#lookIn("pods" in seen ? dueMs : Math.max(seen.retryInMs, this.#options.syncMs));
  }

  #drive(running: readonly RuntimePod[], look: number): void {
    const byUid = Map.groupBy(running, (pod) => pod.uid);
    const wanted = this.#parts.wanted.byUid();
    this.#parts.prober.keep(runningIds(running));
    const waiting = this.#admit([...wanted.values()].filter((pod): pod is Pod => !isBad(pod)));
    void this.#parts.evictor.round(this.#candidates(wanted, byUid));
    if (this.#parts.agent.clock.now() >= this.#volumesDueAt) this.#refreshVolumes(wanted, byUid);
    for (const uid of new Set([...wanted.keys(), ...byUid.keys(), ...this.#lanes.keys()])) {
      const own = byUid.get(uid) ?? [];
      const lane = this.#laneOf(uid, wanted.get(uid), own[0]);
      if (lane === undefined) continue;
      lane.isLeaving ||= !wanted.has(uid);
      const pod = lane.isLeaving ? undefined : wanted.get(uid);
      if (lane.work !== undefined) lane.worker.hasten(pod);
      if (lane.work || lane.freshFrom >= look) continue;
      lane.work = this.#run(lane, { pod, running: own, mustWait: waiting.has(uid) });
    }
    void this.#parts.housekeeper.round(running, new Set([...wanted.keys(), ...this.#lanes.keys()]));
  }

  /** Pods that hold something of this node. */
  #candidates(
    wanted: ReadonlyMap<string, Pod | BadPod>,
    running: ReadonlyMap<string, readonly RuntimePod[]>,
  ): Candidate[] {
    return [...wanted.values()].flatMap((pod) => {
      const record = isBad(pod) ? undefined : this.#lanes.get(pod.uid)?.worker.record;
      if (isBad(pod) || !record?.memory.admitted || !running.get(pod.uid)?.some(({ ready }) => ready))
        return [];
      const isEnding = pod.deletion !== undefined || record.memory.failed !== undefined;
      return [{ pod, isEnding, evict: (reason) => record.fail(reason) }];
    });
  }

  /** Takes in new pods that fit, the older first. @returns Those that have to wait for others to end. */
  #admit(pods: readonly Pod[]): Set<string> {
    const waiting = new Set<string>();
    const names = new Map<string, number>();
    for (const lane of this.#lanes.values()) {
      const { namespace, name } = lane.worker.record.memory;
      names.set(`${namespace}/${name}`, (names.get(`${namespace}/${name}`) ?? 0) + 1);
    }
    const active = pods.filter((pod) => this.#isActive(pod));
    const taken = active.filter((pod) => this.#lanes.get(pod.uid)?.worker.record.memory.admitted);
    for (const pod of active.sort((a, b) => a.createdAt - b.createdAt || (a.uid < b.uid ? -1 : 1))) {
      const lane = this.#laneOf(pod.uid, pod, undefined);
      if (lane === undefined || lane.worker.record.memory.admitted || pod.deletion) continue;
      // The one before of the same name ends first.
      const refusal =
        (names.get(`${pod.namespace}/${pod.name}`) ?? 0) > 1
          ? "wait"
          : (this.#pressureRefusal(pod) ?? refusalOf(pod, taken, this.#options.maxPods));
      if (refusal === "wait") waiting.add(pod.uid);
      else if (refusal) {
        lane.worker.record.fail(refusal);
        this.#parts.agent.log.warn("a pod was refused", { pod: pod.name, ...refusal });
      } else {
        lane.worker.record.note({ admitted: true });
        taken.push(pod);
      }
    }
    return waiting;
  }

  #pressureRefusal(pod: Pod): Reason | undefined {
    const { pressure } = this.#parts.evictor;
    return pressure && pressureRefusal(pod, pressure);
  }

  #isActive({ uid }: Pod): boolean {
    const memory = this.#lanes.get(uid)?.worker.record.memory;
    return !(memory?.failed || memory?.ended || memory?.endTold);
  }

  #laneOf(uid: string, pod: Pod | BadPod | undefined, running: RuntimePod | undefined): Lane | undefined {
    const known = this.#lanes.get(uid);
    const identity = pod === undefined ? running : isBad(pod) ? pod.identity : pod;
    if (known || identity === undefined) return known;
    const graceSeconds = pod === undefined || isBad(pod) ? unknownGraceSeconds : pod.graceSeconds;
    return this.#add(PodWorker.anew(this.#parts, identity, graceSeconds));
  }

  #add(worker: PodWorker): Lane {
    const lane = { worker, work: undefined, freshFrom: 0, isLeaving: false };
    this.#lanes.set(worker.record.memory.uid, lane);
    return lane;
  }

  async #run(
    lane: Lane,
    input: { pod: Pod | BadPod | undefined; running: readonly RuntimePod[]; mustWait: boolean },
  ) {
    const { worker } = lane;
    const { uid, name, namespace } = worker.record.memory;
    const { pod, running, mustWait } = input;
    try {
      const bad = pod !== undefined && isBad(pod);
      const result = bad ? await worker.refuse(pod, running) : await worker.step({ pod, running, mustWait });
      if (result === "gone") this.#lanes.delete(uid);
      if (result !== "idle") this.soon();
    } catch (error) {
      const wrong = asHubError(error);
      if (!this.#stopped && this.#complaints.pass(`${uid} ${wrong.code}`) !== undefined)
        this.#parts.agent.log.warn("a pod could not be driven on", {
          pod: `${namespace}/${name}`,
          error: wrong,
        });
    } finally {
      lane.work = undefined;
      lane.freshFrom = this.#looks;
    }
  }

  /** Gives pods that are there the new content of their ConfigMaps, Secrets and tokens; others get it when they start. */
  #refreshVolumes(
    wanted: ReadonlyMap<string, Pod | BadPod>,
    running: ReadonlyMap<string, readonly RuntimePod[]>,
  ): void {
    this.#volumesDueAt = this.#parts.agent.clock.now() + refreshVolumesMs;
    for (const [uid, pod] of wanted) {
      if (isBad(pod) || pod.deletion || !running.get(uid)?.some(({ ready }) => ready)) continue;
      const { phase, podIP } = this.#lanes.get(uid)?.worker.status ?? {};
      if (phase === "Succeeded" || phase === "Failed") continue;
      // Its address may stand in a file, and is known after its next step.
      if (phase !== "Running" && podIP === undefined) this.#volumesDueAt = 0;
      else this.#fillVolumes(pod, podIP ?? "");
    }
  }

  #fillVolumes(pod: Pod, podIp: string): void {
    try {
      this.#parts.volumes.prepare(pod, this.#parts.contextOf(pod, podIp), []);
    } catch (error) {
      if (this.#complaints.pass(`volumes ${pod.uid}`) !== undefined)
        this.#parts.agent.log.warn("volumes could not be brought up to date", {
          pod: pod.name,
          error: asHubError(error),
        });
    }
  }
}

function runningIds(running: readonly RuntimePod[]): Set<string> {
  const containers = running.flatMap((sandbox) => sandbox.containers);
  return new Set(containers.filter((one) => one.state === "running").map((one) => one.id));
}
