import { OncePer } from "../../platform/logger.ts";
import { asHubError, Backoff, contentOf, type ErrorCode, event, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import {
  type Application,
  type ApplicationDraft,
  applicationOf,
  applicationRoute,
  type Outcome,
  outcomeOf,
} from "./application.ts";

/** A cloud that has not answered is tried again so often, unless the link comes up anew. */
const probeMs = 60_000;
/** A hub that has told at once that nobody answers, so often. */
const refusedProbeMs = 5_000;
/** Before a cloud has answered anything, a read that this node can answer waits so long for it. */
const graceMs = 1_000;
/** A hub where nobody has listened is told of the watches again after so long, half at random. */
const againPauses = { minMs: 5_000, maxMs: 600_000 };
const logPeriodMs = 600_000;
/** Its own: a question does not stand behind events that nobody takes, nor they behind it. */
const priority = 10;

/**
 * The Kubernetes API of the cloud, which may have none. A hub says at once that nobody takes a question; other clouds
 * are silent. Either way reads do not wait for such a cloud, until it has answered something.
 */
export class CloudApi {
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #once: OncePer;
  /** Watches of local programs that the cloud shall feed, by application. */
  readonly #watches = new Map<string, { readonly application: Application; count: number }>();
  /** Reads that wait; to be answered without the cloud. */
  readonly #waiting = new Set<() => void>();
  #cloud: "unknown" | "answers" | "silent" = "unknown";
  /** It is silent because nobody listens there, as its hub says: that may change at any time. */
  #isDeserted = false;
  #probeAt = 0;
  #syncing = false;
  /** The cloud may believe that more is watched than is: it was told in an earlier life of this agent, or in vain. */
  #mayKnowMore = true;
  readonly #pauses: Backoff;
  #cancelAgain: (() => void) | undefined;
  #isClosed = false;

  constructor(agent: Agent, timeoutMs: number) {
    this.#agent = agent;
    this.#timeoutMs = timeoutMs;
    this.#once = new OncePer(agent.clock, logPeriodMs);
    this.#pauses = new Backoff(againPauses, () => 0.5 + agent.random() / 2);
  }

  /** Rejects with `E_LINK_LOST`, `E_NO_CONSUMER`, `E_TIMEOUT` … */
  async ask(draft: ApplicationDraft, signal?: AbortSignal): Promise<Outcome> {
    return await this.#ask(applicationOf(draft, this.#agent.node), signal);
  }

  /**
   * As {@link ask} for reads.
   *
   * @param hasOwn Can this node answer as well?
   * @returns `undefined`: the cloud does not answer, or not in time.
   */
  async tryToAsk(
    draft: ApplicationDraft,
    { hasOwn, signal }: { hasOwn: () => boolean; signal?: AbortSignal },
  ): Promise<Outcome | undefined> {
    const { connected, clock } = this.#agent;
    if (!connected) return undefined;
    if (this.#cloud !== "silent") {
      const asking = this.ask(draft, signal).catch((error: unknown) => this.#without(error));
      return await this.#inTime(asking, this.#cloud === "unknown" && hasOwn() ? graceMs : undefined);
    }
    if (clock.now() < this.#probeAt) return undefined;
    this.#probeAt = clock.now() + probeMs;
    void this.ask(draft).catch((error: unknown) => this.#without(error));
    return undefined;
  }

  /** Lets the cloud feed a watch with changes. @returns Ends that. */
  openWatch(draft: ApplicationDraft): () => void {
    const application = applicationOf(draft, this.#agent.node);
    const open = this.#watches.get(application.ID) ?? { application, count: 0 };
    this.#watches.set(application.ID, open);
    open.count++;
    if (open.count === 1 && this.#mayAnswer) void this.#register(application);
    else if (open.count === 1 && this.#isDeserted) this.#syncAgain();
    return () => {
      open.count--;
      if (open.count > 0) return;
      this.#watches.delete(application.ID);
      this.#mayKnowMore = true;
      if (this.#mayAnswer) this.#syncSoon();
      else if (this.#isDeserted) this.#syncAgain();
    };
  }

  /** The link has come up, perhaps to a cloud that knows nothing of our watches, or gone. */
  connection(connected: boolean): void {
    this.#cloud = "unknown";
    this.#isDeserted = false;
    this.#pauses.reset();
    this.#endAgain();
    if (connected && (this.#watches.size > 0 || this.#mayKnowMore)) this.#syncSoon();
    if (!connected) this.#goOnWithout();
  }

  close(): void {
    this.#isClosed = true;
    this.#endAgain();
  }

  get #mayAnswer(): boolean {
    return this.#agent.connected && this.#cloud !== "silent";
  }

  async #register(application: Application): Promise<void> {
    const outcome = await this.#ask(application).catch((error: unknown) => this.#without(error));
    if (outcome === undefined && this.#isDeserted) this.#syncAgain();
    if (outcome === undefined || outcome.approved) return;
    const { Key: key } = application;
    if (this.#once.pass(`refused ${key}`) !== undefined)
      this.#agent.log.warn("the cloud does not feed a watch", { key, reason: outcome.status.message });
  }

  async #ask(application: Application, signal?: AbortSignal): Promise<Outcome> {
    try {
      const answer = await this.#request("null", application, signal);
      this.#heard();
      return outcomeOf(contentOf(answer));
    } catch (error) {
      const { code } = asHubError(error);
      this.#failed(code);
      throw error;
    }
  }

  async #request(resource: string, content: unknown, signal?: AbortSignal): Promise<Message> {
    const limit = { timeoutMs: this.#timeoutMs, onlyNow: true, ...(signal ? { signal } : {}) };
    const delivery = event({ ttlMs: this.#timeoutMs, priority });
    return await this.#agent.request({ ...applicationRoute, resource, content, delivery }, limit);
  }

  /** @param waitMs `undefined`: as long as it takes to know that the cloud does not answer. */
  async #inTime(
    asking: Promise<Outcome | undefined>,
    waitMs: number | undefined,
  ): Promise<Outcome | undefined> {
    let goOn: () => void = () => {};
    const withoutIt = new Promise<undefined>((resolve) => {
      goOn = () => resolve(undefined);
    });
    this.#waiting.add(goOn);
    const cancel = waitMs === undefined ? () => {} : this.#agent.clock.after(waitMs, goOn);
    try {
      return await Promise.race([asking, withoutIt]);
    } finally {
      cancel();
      this.#waiting.delete(goOn);
    }
  }

  #goOnWithout(): void {
    for (const goOn of this.#waiting) goOn();
  }

  #failed(code: ErrorCode): void {
    if (code !== "E_TIMEOUT" && code !== "E_NO_CONSUMER") return;
    this.#isDeserted = code === "E_NO_CONSUMER";
    this.#cloud = "silent";
    this.#probeAt = this.#agent.clock.now() + (this.#isDeserted ? refusedProbeMs : probeMs);
    this.#goOnWithout();
  }

  #heard(): void {
    const wasSilent = this.#cloud === "silent";
    this.#cloud = "answers";
    this.#isDeserted = false;
    if (wasSilent && (this.#watches.size > 0 || this.#mayKnowMore)) this.#syncSoon();
  }

  #without(error: unknown): undefined {
    const { code } = asHubError(error);
    if (code !== "E_ABORTED" && this.#once.pass(code) !== undefined)
      this.#agent.log.warn("MetaServer goes on without the cloud", { error: asHubError(error) });
  }

  /** Tells the cloud which watches are open; it forgets others and adds those it does not know. */
  #syncSoon(): void {
    if (this.#syncing) return;
    this.#syncing = true;
    this.#agent.clock.atTurnEnd(() => {
      this.#syncing = false;
      void this.#sync().catch((error: unknown) => this.#without(error));
    });
  }

  /** Says it again later: programs that only watch would wait for somebody who reads. */
  #syncAgain(): void {
    if (this.#isClosed) return;
    this.#cancelAgain ??= this.#agent.clock.after(this.#pauses.next(), () => {
      this.#endAgain();
      if (this.#agent.connected) this.#syncSoon();
    });
  }

  #endAgain(): void {
    this.#cancelAgain?.();
    this.#cancelAgain = undefined;
  }

  async #sync(): Promise<void> {
    const open = [...this.#watches].map(([id, { application }]) => [id, application] as const);
    try {
      this.#mayKnowMore = false;
      await this.#request("watchapp/sync", Object.fromEntries(open));
      this.#cloud = "answers";
      this.#isDeserted = false;
      this.#pauses.reset();
    } catch (error) {
      this.#mayKnowMore = true;
      const { code } = asHubError(error);
      if (code === "E_NO_CONSUMER") {
        // An agent that only takes back says nothing of what its programs may ask a moment later.
        if (open.length > 0) this.#failed(code);
        this.#syncAgain();
      }
      // It has answered before: it was only late.
      if (code === "E_TIMEOUT" && this.#cloud === "answers") this.#syncAgain();
      // Not every cloud answers this, and a later link begins with it anyway.
      if (code !== "E_TIMEOUT" && code !== "E_LINK_LOST") throw error;
    }
  }
}
