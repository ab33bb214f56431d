import type { KubeObject } from "../../kubernetes/index.ts";
import { type Clock, pause } from "../../platform/clock.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import type { Logger } from "../../platform/logger.ts";
import {
  asHubError,
  type HubApi,
  type Incoming,
  type Message,
  type Subscription,
} from "../../protocol/index.ts";
import { type DeadLetters, type Failure, requeueAnnotation } from "./dead-letters.ts";
import type { UpwardRoute } from "./rule.ts";
import type { RuleCounts } from "./rule-counts.ts";
import { isTaken, isWorthAnotherTry, post, type TargetAnswer } from "./target.ts";
import { answerTo, bodyOf, filterOf } from "./upward-message.ts";

export interface CourierOptions {
  /** For one call of a target, ms. */
  readonly timeoutMs: number;
  /** Calls before a message becomes a dead letter. */
  readonly attempts: number;
  /** Before the second call, ms; doubles from call to call. */
  readonly retryMs: number;
  /** How long the program on a node waits for its answer, ms. */
  readonly answerMs: number;
}

export interface CourierParts {
  readonly hub: Pick<HubApi, "subscribe" | "publish">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly deadLetters: DeadLetters;
  readonly counts: RuleCounts;
}

type Outcome = { readonly answer: TargetAnswer } | Failure;

/**
 * Carries what nodes send for one rule to the rule's target. A node is acked when the target has taken its message, or
 * when it is a dead letter on the hub's disk. Messages of one topic go one after the other, in order.
 */
export class Courier {
  readonly route: UpwardRoute;
  readonly #parts: CourierParts;
  readonly #options: CourierOptions;
  readonly #subscription: Subscription;
  readonly #lanes = new KeyedLanes();
  readonly #stop = new AbortController();
  readonly #requeued = new Set<string>();

  constructor(route: UpwardRoute, parts: CourierParts, options: CourierOptions) {
    this.route = route;
    this.#parts = parts;
    this.#options = options;
    this.#subscription = parts.hub.subscribe(filterOf(route), { signal: this.#stop.signal });
    void this.#run();
  }

  /** Delivers a dead letter of this rule again, if that is wanted and not being done. */
  requeue(letter: KubeObject): void {
    const { uid = "", annotations } = letter.metadata;
    if (annotations?.[requeueAnnotation] === undefined || this.#requeued.has(uid)) return;
    this.#requeued.add(uid);
    void this.#lanes
      .run(`requeue ${uid}`, () => this.#again(letter))
      .finally(() => this.#requeued.delete(uid));
  }

  /** Gives back to the hub what is not delivered yet. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#lanes.idle();
  }

  async #run(): Promise<void> {
    try {
      for await (const incoming of this.#subscription) {
        void this.#lanes.run(incoming.message.resource.path, () => this.#carry(incoming));
      }
    } catch (error) {
      this.#parts.log.error("a rule gets no messages", { rule: this.route.rule, error: asHubError(error) });
    }
  }

  async #carry({ message, ack, nack }: Incoming): Promise<void> {
    const outcome = await this.#deliver(bodyOf(message), message.node, message.id);
    if (outcome === "stopped") return nack("the router stops");
    try {
      if ("answer" in outcome) await this.#answer(message, outcome.answer);
      else await this.#parts.deadLetters.keep(this.route, message, outcome, this.#parts.clock.wallTime());
    } catch (error) {
      // The node keeps it, and sends it again.
      return nack(asHubError(error).message);
    }
    this.#count(outcome);
    ack();
  }

  async #again(letter: KubeObject): Promise<void> {
    const { content, node, messageId } = letter.spec as { content: unknown; node: string; messageId: string };
    const text = typeof content === "string" ? content : JSON.stringify(content);
    const outcome = await this.#deliver(Buffer.from(text), node, messageId);
    if (outcome === "stopped") return;
    try {
      if ("answer" in outcome) await this.#parts.deadLetters.forget(letter);
      else await this.#parts.deadLetters.failedAgain(letter, outcome, this.#parts.clock.wallTime());
    } catch (error) {
      const { name } = letter.metadata;
      this.#parts.log.warn("a dead letter could not be updated", { letter: name, error: asHubError(error) });
    }
    this.#count(outcome);
  }

  /** Calls the target until it takes the message, refuses it for good, or has had its chances. */
  async #deliver(body: Buffer, node: string, id: string): Promise<Outcome | "stopped"> {
    const { attempts, retryMs, timeoutMs } = this.#options;
    const { url, anyCertificate } = this.route;
    const { signal } = this.#stop;
    // The id is the same at every try: a target can tell a repetition by it.
    const headers = { "x-node-name": node, "x-message-id": id };
    for (let attempt = 1; !signal.aborted; attempt++) {
      const answer = await post({ url, anyCertificate, body, headers, timeoutMs }, signal);
      if (isTaken(answer)) return { answer };
      if (signal.aborted) break;
      if (attempt >= attempts || !isWorthAnotherTry(answer)) {
        const error = answer.status === 0 ? answer.text : `${answer.status}: ${answer.text.slice(0, 500)}`;
        return { attempts: attempt, error: `${url}: ${error}` };
      }
      await pause(this.#parts.clock, retryMs * 2 ** (attempt - 1), signal);
    }
    return "stopped";
  }

  /** A program on a node waits for what the target says to it; a device does not. */
  async #answer(message: Message, { text }: TargetAnswer): Promise<void> {
    if (this.route.kind === "servicebus-rest")
      await this.#parts.hub.publish(answerTo(message, text, this.#options.answerMs));
  }

  #count(outcome: Outcome): void {
    const { counts } = this.#parts;
    if ("answer" in outcome) counts.succeeded(this.route.rule);
    else counts.failed(this.route.rule, outcome.error);
  }
}
