import { asHubError, type Delivery, event, type Message, state } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { cloudAnswer } from "./cloud-answer.ts";
import type { PodMemories, PodMemory } from "./pod-memory.ts";
import type { PodStatus } from "./pod-status.ts";
import type { Reason } from "./pod-view.ts";
import { statusPatch } from "./status-patch.ts";

const keptIps = 8;
/** The cloud is told again that a pod has ended if it has not deleted the pod by then. */
const tellAgainMs = 60_000;
const answerTimeoutMs = 60_000;
/** A status that the cloud did not take is told again so much later, as by a kubelet. */
const refusedPauseMs = 10_000;
/** Reasons why a status is of no use any more: the pod is not there, or is another one. */
const pastReasons: ReadonlySet<string> = new Set(["NotFound", "Conflict"]);

/** What is known of a pod and what the cloud was told of it, kept on the disk in one step. */
export class PodRecord {
  readonly #agent: Agent;
  readonly #memories: PodMemories;
  readonly #stop: AbortSignal;
  #memory: PodMemory;
  #toldAt = Number.NEGATIVE_INFINITY;
  #unsaved = false;
  /** When the last status is to be told again, monotonic ms. */
  #statusAgainAt = Number.POSITIVE_INFINITY;
  /** The message that told it. */
  #statusMessage: Message | undefined;
  #untaken = false;

  /** @param stop Nobody waits for the cloud's answers any more. */
  constructor(agent: Agent, memories: PodMemories, memory: PodMemory, stop: AbortSignal) {
    this.#agent = agent;
    this.#memories = memories;
    this.#stop = stop;
    this.#memory = memory;
  }

  get memory(): PodMemory {
    return this.#memory;
  }

  /** Notes something that is written down with the next status. */
  note(change: Partial<PodMemory>): void {
    this.#memory = { ...this.#memory, ...change };
  }

  /** It has ended for good, unless it has before. */
  fail(reason: Reason): void {
    this.note({ failed: this.#memory.failed ?? reason });
  }

  /** A full disk keeps no pod from running: what cannot be written down now is known as long as the agent lives. */
  async remember(containers: PodMemory["containers"]): Promise<void> {
    this.note({ containers: { ...this.#memory.containers, ...containers } });
    await this.#try(() => this.#memories.save(this.#memory));
  }

  /** Tells the cloud of the pod's status, if it is another one than it was told last. */
  async tellStatus(status: Partial<PodStatus>): Promise<void> {
    const known = this.#memory.ips.filter((ip) => ip !== status.podIP);
    const sent = statusPatch(this.#memory, status, known);
    if (sent === this.#memory.sent) return;
    const ips = [...known, ...(status.podIP ? [status.podIP] : [])].slice(-keptIps);
    const conditions = status.conditions ?? this.#memory.conditions;
    const ended = status.phase === "Succeeded" || status.phase === "Failed" ? { ended: true as const } : {};
    await this.#tellStatus({ sent, ips, conditions, ...ended }, sent);
  }

  /** The link is up. A cloud without acks may not have got what was sent when the one before went. */
  connected(): void {
    if (this.#agent.peerConfirmsTwins) this.#statusAgainAt = this.#agent.clock.now();
  }

  /** Tells the cloud of the last status again, if that may be lost, or was not taken. */
  async tellStatusAgain(): Promise<void> {
    const { sent } = this.#memory;
    if (sent === "" || !this.#agent.connected || this.#agent.clock.now() < this.#statusAgainAt) return;
    await this.#tellStatus({}, sent);
  }

  /** Tells the cloud that all of the pod has ended, so that it may delete it; again if it does not. */
  async tellEnd(): Promise<void> {
    const { clock, connected } = this.#agent;
    if (this.#memory.endTold && (!connected || clock.now() - this.#toldAt < tellAgainMs)) return;
    const content = { gracePeriodSeconds: 0, preconditions: { uid: this.#memory.uid } };
    await this.#tell({ endTold: true }, this.#draft("delete", "pod", content, event()));
    this.#toldAt = clock.now();
  }

  async #tellStatus(change: Partial<PodMemory>, sent: string): Promise<void> {
    const message = this.#draft("patch", "podpatch", sent, state);
    this.#statusAgainAt = Number.POSITIVE_INFINITY;
    this.#statusMessage = message;
    void this.#heed(message);
    await this.#tell(change, message);
  }

  /** Waits for what the cloud says of a status. Never rejects. */
  async #heed(message: Message): Promise<void> {
    const { clock, log } = this.#agent;
    try {
      const limit = { timeoutMs: answerTimeoutMs, signal: this.#stop };
      const { error } = cloudAnswer(await this.#agent.answerTo(message, limit));
      if (this.#statusMessage !== message) return;
      const isTaken = error === undefined || pastReasons.has(error.reason);
      if (!isTaken) this.#statusAgainAt = clock.now() + refusedPauseMs;
      if (!isTaken && !this.#untaken)
        log.warn("the cloud has not taken the status of a pod", { pod: this.#memory.name, ...error });
      this.#untaken = !isTaken;
    } catch {
      // A cloud that acks has it. Another one may have lost it.
      if (this.#statusMessage === message && this.#agent.peerConfirmsTwins) this.#statusAgainAt = clock.now();
    }
  }

  /** Both is on the disk, or neither; then the next status is told again. */
  async #tell(change: Partial<PodMemory>, message: Message): Promise<void> {
    await this.#try(async () => {
      await this.#memories.save({ ...this.#memory, ...change }, message);
      this.note(change);
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#unsaved = false;
    } catch (error) {
      const { namespace, name } = this.#memory;
      const fields = { pod: `${namespace}/${name}`, error: asHubError(error) };
      if (!this.#unsaved) this.#agent.log.warn("what became of a pod could not be written down", fields);
      this.#unsaved = true;
    }
  }

  #draft(operation: string, type: string, content: unknown, delivery: Delivery): Message {
    const { namespace, name } = this.#memory;
    const resource = `${namespace}/${type}/${name}`;
    return this.#agent.draft({ source: "edged", group: "meta", operation, resource, content, delivery });
  }
}
