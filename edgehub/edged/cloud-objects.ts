import { OncePer } from "../../platform/logger.ts";
import { asHubError, contentOf, type Message } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { type Json, objectOf } from "./fields.ts";

/** An answer is not waited for longer, as in KubeEdge. */
const answerTimeoutMs = 60_000;
/** What the cloud did not have is asked for again so much later. */
const askAgainMs = 10_000;
/** Of objects that came as answers: whatever the cloud sends of its own is newer. */
const answerOrigin = "answer";
const maxAsked = 10_000;
/** A pod that can do without an object waits so long for the cloud's first word about it. */
const optionalWaitMs = 10_000;

/** ConfigMaps and Secrets: those on this node; what is missing is asked from the cloud, and kept once it comes. */
export class CloudObjects {
  readonly #agent: Agent;
  readonly #stop: AbortSignal;
  /** When a key may be asked for again; monotonic ms. */
  readonly #asked = new Map<string, number>();
  /** Keys that are asked for the first time on this link, and how long that is waited for; monotonic ms. */
  readonly #awaited = new Map<string, number>();
  readonly #complaints: OncePer;

  constructor(agent: Agent, stop: AbortSignal) {
    this.#agent = agent;
    this.#stop = stop;
    this.#complaints = new OncePer(agent.clock, 600_000);
  }

  /** @returns `undefined`: not here; it is being asked for, and the store tells when it has come. */
  find(kind: "configmap" | "secret", namespace: string, name: string): Json | undefined {
    const key = `${namespace}/${kind}/${name}`;
    const record = this.#agent.store.meta.get(key);
    if (record) return objectOf(parsed(record.value));
    this.#askSoon(key);
    return undefined;
  }

  /** Is it not known yet whether the cloud has it? */
  isAwaited(kind: "configmap" | "secret", namespace: string, name: string): boolean {
    return (this.#awaited.get(`${namespace}/${kind}/${name}`) ?? 0) > this.#agent.clock.now();
  }

  /** The link is up: what is missing may be there by now. */
  connected(): void {
    this.#asked.clear();
  }

  /**
   * Asks the cloud. @returns The answer's object; `undefined` if there is none, the cloud does not answer, or says no.
   */
  async ask(resource: string, content: unknown): Promise<{ object: Json; message: Message } | undefined> {
    try {
      const limit = { timeoutMs: answerTimeoutMs, signal: this.#stop };
      const message = await this.#agent.request(
        { group: "meta", operation: "query", resource, content },
        limit,
      );
      const object = objectOf(contentOf(message));
      if (message.operation !== "error" && object.metadata !== undefined && object.ErrStatus === undefined)
        return { object, message };
      this.#complain(resource, {
        answer: String(objectOf(object.ErrStatus).message ?? message.operation).slice(0, 200),
      });
    } catch (error) {
      this.#complain(resource, { error: asHubError(error) });
    }
    return undefined;
  }

  #askSoon(key: string): void {
    const { clock, connected } = this.#agent;
    if (!connected || (this.#asked.get(key) ?? 0) > clock.now()) return;
    if (this.#asked.size >= maxAsked) this.#asked.clear();
    if (!this.#asked.has(key)) this.#awaited.set(key, clock.now() + optionalWaitMs);
    this.#asked.set(key, clock.now() + answerTimeoutMs);
    void this.#fetch(key)
      .catch((error: unknown) => this.#complain(key, { error: asHubError(error) }))
      .finally(() => this.#awaited.delete(key));
  }

  async #fetch(key: string): Promise<void> {
    const answer = await this.ask(key, null);
    this.#asked.set(key, this.#agent.clock.now() + askAgainMs);
    if (answer === undefined || this.#agent.store.meta.get(key) !== undefined) return;
    const message: Message = {
      ...answer.message,
      operation: "insert",
      parentId: undefined,
      packed: undefined,
    };
    await this.#agent.store.apply(message, answerOrigin);
  }

  #complain(resource: string, fields: Json): void {
    if (this.#stop.aborted || this.#complaints.pass(resource) === undefined) return;
    this.#agent.log.warn("the cloud has not given an object that a pod needs", { resource, ...fields });
  }
}

function parsed(value: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(value).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}
