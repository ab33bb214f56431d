import { OncePer } from "../../platform/logger.ts";
import { asHubError, contentOf, event } from "../../protocol/index.ts";
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

/**
 * The Kubernetes API of the cloud. A cloud without one never answers: after the first read that waited in vain, none
 * waits again until it has answered something.
 */
export class CloudApi {
  readonly #agent: Agent;
  readonly #timeoutMs: number;
  readonly #once: OncePer;
  /** Watches of local programs that the cloud shall feed, by application. */
  readonly #watches = new Map<string, { readonly application: Application; count: number }>();
  #isSilent = false;
  #probeAt = 0;
  #syncing = false;

  constructor(agent: Agent, timeoutMs: number) {
    this.#agent = agent;
    this.#timeoutMs = timeoutMs;
    this.#once = new OncePer(agent.clock, 60_000);
  }

  /** Rejects with `E_LINK_LOST`, `E_TIMEOUT` … */
  async ask(draft: ApplicationDraft, signal?: AbortSignal): Promise<Outcome> {
    return await this.#ask(applicationOf(draft, this.#agent.node), signal);
  }

  /** As {@link ask} for what this node can answer as well. @returns `undefined`: the cloud does not answer. */
  async tryToAsk(draft: ApplicationDraft, signal?: AbortSignal): Promise<Outcome | undefined> {
    if (this.#answers) return await this.ask(draft, signal).catch((error: unknown) => this.#without(error));
    const { connected, clock } = this.#agent;
    if (!connected || clock.now() < this.#probeAt) return undefined;
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
    if (open.count === 1 && this.#answers) void this.#register(application);
    return () => {
      open.count--;
      if (open.count > 0) return;
      this.#watches.delete(application.ID);
      if (this.#answers) this.#syncSoon();
    };
  }

  /** The link is up: this may be a cloud that knows nothing of our watches. */
  connected(): void {
    this.#isSilent = false;
    if (this.#watches.size > 0) this.#syncSoon();
  }

  get #answers(): boolean {
    return this.#agent.connected && !this.#isSilent;
  }

  async #register(application: Application): Promise<void> {
    const outcome = await this.#ask(application).catch((error: unknown) => this.#without(error));
    if (outcome === undefined || outcome.approved) return;
    const { Key: key } = application;
    if (this.#once.pass(`refused ${key}`) !== undefined)
      this.#agent.log.warn("the cloud does not feed a watch", { key, reason: outcome.status.message });
  }

  async #ask(application: Application, signal?: AbortSignal): Promise<Outcome> {
    const { clock } = this.#agent;
    const limit = { timeoutMs: this.#timeoutMs, ...(signal ? { signal } : {}) };
    try {
      const answer = await this.#agent.request(
        { ...applicationRoute, resource: "null", content: application },
        limit,
      );
      this.#heard();
      return outcomeOf(contentOf(answer));
    } catch (error) {
      if (asHubError(error).code === "E_TIMEOUT") {
        this.#isSilent = true;
        this.#probeAt = clock.now() + probeMs;
      }
      throw error;
    }
  }

  #heard(): void {
    if (!this.#isSilent) return;
    this.#isSilent = false;
    if (this.#watches.size > 0) this.#syncSoon();
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
      const open = [...this.#watches].map(([id, { application }]) => [id, application] as const);
      const content = Object.fromEntries(open);
      const delivery = event({ ttlMs: this.#timeoutMs });
      this.#agent
        .publish({ ...applicationRoute, resource: "watchapp/sync", content, delivery })
        .catch((error: unknown) => this.#without(error));
    });
  }
}
