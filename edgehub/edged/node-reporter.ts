import { OncePer } from "../../platform/logger.ts";
import { asHubError, event, type Message } from "../../protocol/index.ts";
import type { Agent, UpstreamDraft } from "../agent.ts";
import { type CloudAnswer, cloudAnswer } from "./cloud-answer.ts";
import type { Shortage } from "./eviction.ts";
import { type Json, objectOf, textOf } from "./fields.ts";
import type { MachineFacts } from "./machine.ts";
import {
  leaseOf,
  type NodeCondition,
  type NodeParts,
  nodeConditions,
  nodeLabels,
  nodeObject,
  nodePatch,
  nodeStatusOf,
} from "./node-status.ts";
import type { EdgedOptions } from "./options.ts";
import type { Runtime } from "./runtime.ts";
import type { RuntimeWatch } from "./runtime-watch.ts";

/** Above all else that goes up. */
const lifeSignPriority = 20;

export interface NodeReporterParts {
  readonly agent: Agent;
  readonly facts: MachineFacts;
  readonly runtime: Pick<Runtime, "images">;
  readonly watch: Pick<RuntimeWatch, "looked" | "problem" | "version">;
  /** Absolute; its disk is the one that pods use. */
  readonly rootDirectory: string;
  readonly evictor: { readonly pressure: Shortage | undefined };
}

/** An unchanged status goes up that often, as at a kubelet. */
const reportAnywayMs = 300_000;
const answerTimeoutMs = 60_000;
const firstRetryMs = 1_000;
/** So long after its start an agent does not call itself not ready only because it has not looked yet. */
const firstLookMs = 10_000;

/**
 * Tells the cloud of this node while there is a link: registers it, keeps its status true and its lease alive. Two
 * loops of their own; nothing else waits for them.
 */
export class NodeReporter {
  readonly #parts: NodeReporterParts;
  readonly #options: EdgedOptions;
  readonly #stop: AbortSignal;
  readonly #complaints: OncePer;
  #conditions: readonly NodeCondition[] = [];
  #registered = false;
  #uid: string | undefined;
  #lease: Json | undefined;
  #reported = "";
  #reportedAt = Number.NEGATIVE_INFINITY;
  #retryMs = firstRetryMs;
  /** Counts links: a loop of an earlier one ends. */
  #link = 0;

  constructor(parts: NodeReporterParts, options: EdgedOptions, stop: AbortSignal) {
    this.#parts = parts;
    this.#options = options;
    this.#stop = stop;
    this.#complaints = new OncePer(parts.agent.clock, 300_000);
  }

  /** The link has come up or gone. */
  connection(connected: boolean): void {
    this.#link++;
    if (!connected) return;
    // The cloud may be another one, or have forgotten.
    this.#registered = false;
    this.#lease = undefined;
    this.#reported = "";
    this.#retryMs = firstRetryMs;
    void this.#loop(this.#link, () => this.#statusRound());
    void this.#loop(this.#link, () => this.#leaseRound());
  }

  /** @param round Never rejects; returns ms until the next one. */
  async #loop(link: number, round: () => Promise<number>): Promise<void> {
    const { clock } = this.#parts.agent;
    while (link === this.#link && !this.#stop.aborted) {
      const pauseMs = await round();
      await new Promise<void>((resolve) => {
        const done = (): void => {
          cancel();
          this.#stop.removeEventListener("abort", done);
          resolve();
        };
        const cancel = clock.after(pauseMs, done);
        this.#stop.addEventListener("abort", done, { once: true });
      });
    }
  }

  async #statusRound(): Promise<number> {
    try {
      await this.#firstLook();
      const parts = await this.#nodeParts();
      if (!this.#registered) await this.#register(parts);
      if (!this.#registered) return this.#retryLater();
      await this.#report(parts);
      this.#retryMs = firstRetryMs;
      return this.#options.nodeStatusUpdateMs;
    } catch (error) {
      this.#complain("the node's status was not taken", { error: asHubError(error) });
      return this.#retryLater();
    }
  }

  async #firstLook(): Promise<void> {
    let cancel: () => void = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = this.#parts.agent.clock.after(firstLookMs, resolve);
    });
    await Promise.race([this.#parts.watch.looked, late]);
    cancel();
  }

  #retryLater(): number {
    const pauseMs = this.#retryMs;
    this.#retryMs = Math.min(pauseMs * 2, this.#options.nodeStatusUpdateMs);
    return pauseMs;
  }

  async #register(parts: NodeParts): Promise<void> {
    this.#conditions = nodeConditions(parts, this.#conditions, this.#parts.agent.clock.wallTime());
    const answer = await this.#ask("insert", this.#resource("node"), nodeObject(parts, this.#conditions));
    if (answer.error && answer.error.reason !== "AlreadyExists") {
      this.#complain("the node could not be registered", answer.error);
      return;
    }
    this.#uid = uidOf(answer.object);
    if (this.#uid === undefined) await this.#takeUp();
    this.#registered = true;
  }

  /** Goes on from the node that the cloud has: with its uid, for the lease, and the times of its conditions. */
  async #takeUp(): Promise<void> {
    const record = this.#parts.agent.store.meta.get(this.#resource("node"));
    this.#uid = record?.uid;
    if (this.#uid !== undefined || this.#options.namespace === "null") return;
    const { object } = await this.#ask("query", this.#resource("node"), null);
    this.#uid = uidOf(object);
    const known = objectOf(object?.status).conditions;
    if (Array.isArray(known)) this.#conditions = known.filter(isCondition);
  }

  /** Sends the status if it has changed, or was not sent for long. */
  async #report(parts: NodeParts): Promise<void> {
    const { clock } = this.#parts.agent;
    this.#conditions = nodeConditions(parts, this.#conditions, clock.wallTime());
    const status = nodeStatusOf(parts, this.#conditions);
    const told = JSON.stringify({
      ...status,
      conditions: this.#conditions.map((one) => ({ ...one, lastHeartbeatTime: "" })),
    });
    if (told === this.#reported && clock.now() - this.#reportedAt < reportAnywayMs) return;
    const labels = this.#reported === "" ? nodeLabels(parts) : undefined;
    const answer = await this.#ask("patch", this.#resource("nodepatch"), nodePatch(status, labels));
    if (answer.error) {
      this.#registered = answer.error.reason !== "NotFound";
      this.#complain("the node's status was not taken", answer.error);
      return;
    }
    // The node may be known only now, or be another one than before.
    this.#uid = uidOf(answer.object) ?? this.#uid;
    this.#reported = told;
    this.#reportedAt = clock.now();
  }

  async #leaseRound(): Promise<number> {
    const everyMs = this.#options.leaseDurationSeconds * 250;
    if (!this.#registered) return firstRetryMs;
    try {
      return (await this.#renew()) ? everyMs : firstRetryMs;
    } catch (error) {
      this.#complain("the node's lease was not renewed", { error: asHubError(error) });
      return Math.min(firstRetryMs, everyMs);
    }
  }

  /** @returns False: to be tried again at once. */
  async #renew(): Promise<boolean> {
    const { agent } = this.#parts;
    const resource = `kube-node-lease/lease/${agent.node}`;
    if (this.#lease === undefined) {
      const found = await this.#ask("query", resource, null);
      if (uidOf(found.object)) this.#lease = found.object;
    }
    const owner = { name: agent.node, uid: this.#uid };
    const lease = leaseOf(owner, this.#lease, this.#options.leaseDurationSeconds, agent.clock.wallTime());
    const answer = await this.#ask(this.#lease === undefined ? "insert" : "update", resource, lease);
    this.#lease = uidOf(answer.object) ? answer.object : undefined;
    if (answer.error) this.#complain("the node's lease was not renewed", answer.error);
    return answer.error === undefined;
  }

  async #ask(operation: string, resource: string, content: unknown): Promise<CloudAnswer> {
    const draft: UpstreamDraft = {
      source: "edged",
      group: "meta",
      operation,
      resource,
      content,
      // Of no use later, and not to wait behind anything: without it the node is taken for dead.
      delivery: event({ ttlMs: answerTimeoutMs, priority: lifeSignPriority }),
    };
    const limit = { timeoutMs: answerTimeoutMs, signal: this.#stop };
    const message: Message = await this.#parts.agent.request(draft, limit);
    return cloudAnswer(message);
  }

  #resource(type: "node" | "nodepatch"): string {
    return `${this.#options.namespace}/${type}/${this.#parts.agent.node}`;
  }

  async #nodeParts(): Promise<NodeParts> {
    const { agent, facts, runtime, watch, rootDirectory, evictor } = this.#parts;
    const { diskTotalBytes, ...free } = facts.free(rootDirectory);
    const images = watch.problem === undefined ? await runtime.images().catch(() => []) : [];
    return {
      name: agent.node,
      hostIp: facts.hostIp(),
      capacity: facts.capacity(),
      allocatable: facts.allocatable(),
      diskTotalBytes,
      free,
      pressure: evictor.pressure?.resource,
      maxPods: this.#options.maxPods,
      info: facts.info(),
      runtimeVersion: watch.version,
      runtimeProblem: watch.problem,
      images,
    };
  }

  #complain(what: string, fields: Readonly<Record<string, unknown>>): void {
    if (!this.#stop.aborted && this.#complaints.pass(what) !== undefined)
      this.#parts.agent.log.warn(what, fields);
  }
}

function isCondition(value: unknown): value is NodeCondition {
  const { type, status, lastTransitionTime } = objectOf(value);
  return [type, status, lastTransitionTime].every((text) => typeof text === "string");
}

function uidOf(object: Json | undefined): string | undefined {
  return textOf(objectOf(object?.metadata).uid) || undefined;
}
