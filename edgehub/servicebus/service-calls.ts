import { pause } from "../../platform/clock.ts";
import { OncePer } from "../../platform/logger.ts";
import { answerTtlMs, asHubError, event, type Message, type MessageId } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { callService } from "./call-service.ts";
import { CallSlots } from "./call-slots.ts";
import { CallTable } from "./call-table.ts";
import {
  answerContent,
  errorAnswer,
  isIdempotent,
  readCall,
  type ServiceAnswer,
  type ServiceCall,
} from "./http-message.ts";
import { servicePriority } from "./priority.ts";

export interface CallOptions {
  readonly callTimeoutMs: number;
  readonly maxBodyBytes: number;
  readonly callsPerService: number;
  readonly answersKeptMs: number;
  readonly answersKeptBytes: number;
}

/** Calls of one service that may wait for their turn. */
const maxWaiting = 1_000;
/** A full disk is tried again so often. */
const writeAgainMs = 1_000;

/**
 * Calls of the cloud to services of this node, each executed once.
 *
 * A call is on the disk before it is executed, and its answer is written in one transaction with the message that
 * carries it. So a repeat gets the answer of the first time. A call that was begun when the agent died is executed
 * again if its method is idempotent and somebody can still wait for it; otherwise it is answered with an error,
 * because nobody knows how far the service had come.
 */
export class ServiceCalls {
  readonly #agent: Agent;
  readonly #options: CallOptions;
  readonly #table: CallTable;
  readonly #slots: CallSlots;
  readonly #once: OncePer;
  readonly #running = new Map<MessageId, Promise<void>>();
  readonly #stopping = new AbortController();

  constructor(agent: Agent, options: CallOptions) {
    this.#agent = agent;
    this.#options = options;
    this.#table = new CallTable(agent.store.database, agent.node, {
      keptMs: options.answersKeptMs,
      keptBytes: options.answersKeptBytes,
    });
    this.#slots = new CallSlots({ running: options.callsPerService, waiting: maxWaiting });
    this.#once = new OncePer(agent.clock, 60_000);
  }

  /** Goes on with what was begun before the agent, or ServiceBus, ended. */
  resume(): void {
    for (const { call, begunAt } of this.#table.unfinished())
      this.#follow(call.id, this.#again(call, begunAt));
  }

  /** Resolves when the call is on the disk, and it is its turn. */
  async take(message: Message): Promise<void> {
    const known = this.#table.find(message.id);
    if (known !== undefined && "answer" in known) {
      await this.#agent.publish(answerDraft(message.id, known.answer));
      return;
    }
    // The answer of a call that runs is on its way.
    if (this.#running.has(message.id)) return;
    if (known === undefined) await this.#begin(message);
    else this.#follow(message.id, this.#again(known.unfinished, known.begunAt));
  }

  /** Lets calls come to their end; at the deadline they are given up, to be gone on with at the next start. */
  async stop(deadline: AbortSignal): Promise<void> {
    this.#slots.close();
    const abort = (): void => this.#stopping.abort();
    deadline.addEventListener("abort", abort, { once: true });
    if (deadline.aborted) abort();
    await Promise.all(this.#running.values());
    deadline.removeEventListener("abort", abort);
    this.#stopping.abort();
  }

  async #begin(message: Message): Promise<void> {
    const read = readCall(message, this.#options.maxBodyBytes);
    if ("refusal" in read) return await this.#refuse(message, read.refusal);
    const turn = this.#slots.take(read.call.port);
    if (turn === undefined) {
      const text = `more than ${maxWaiting} calls wait for 127.0.0.1:${read.call.port}`;
      return await this.#refuse(message, errorAnswer(503, text));
    }
    const release = await turn;
    try {
      const { store, clock } = this.#agent;
      await store.write(() => this.#table.begin(message, clock.wallTime()));
    } catch (error) {
      release();
      throw error;
    }
    this.#follow(message.id, this.#execute(message.id, read.call).finally(release));
  }

  /** Goes on with a call that has no answer, though it was begun. */
  async #again(message: Message, begunAt: number): Promise<void> {
    const read = readCall(message, this.#options.maxBodyBytes);
    if ("refusal" in read) return await this.#finish(message.id, read.refusal);
    const { port, method } = read.call;
    const isFresh = this.#agent.clock.wallTime() - begunAt < answerTtlMs;
    const turn = isIdempotent(method) && isFresh ? this.#slots.take(port) : undefined;
    if (turn === undefined) {
      const text = `the agent stopped during this ${method}; the service may have executed it, or not`;
      return await this.#finish(message.id, errorAnswer(500, text));
    }
    const release = await turn;
    await this.#execute(message.id, read.call).finally(release);
  }

  async #execute(request: MessageId, call: ServiceCall): Promise<void> {
    const { callTimeoutMs: timeoutMs, maxBodyBytes } = this.#options;
    const { clock, log } = this.#agent;
    const parts = { clock, signal: this.#stopping.signal };
    const answer = await callService(call, { timeoutMs, maxBodyBytes }, parts);
    log.debug("local service called", { port: call.port, method: call.method, status: answer.status });
    await this.#finish(request, answer);
  }

  /** Writes the answer, as often as it takes while somebody can still wait for it. */
  async #finish(request: MessageId, answer: ServiceAnswer): Promise<void> {
    const { store, clock } = this.#agent;
    const content = answerContent(answer);
    const message = this.#agent.draft(answerDraft(request, content));
    const giveUpAt = clock.now() + answerTtlMs;
    for (;;) {
      try {
        await store.write((publish) => {
          this.#table.finish(request, content);
          publish(message);
        });
        break;
      } catch (error) {
        if (!asHubError(error).retryable || clock.now() >= giveUpAt) throw error;
        this.#warn("the answer of a local service cannot be stored yet", error);
      }
      if (!(await pause(clock, writeAgainMs, this.#stopping.signal))) return;
    }
    if (this.#table.hasGrown(content.length)) await store.write(() => this.#table.prune(clock.wallTime()));
  }

  /** Answers a message that is no call to execute: repeating it does no harm. */
  async #refuse({ id, resource }: Message, answer: ServiceAnswer): Promise<void> {
    const held = this.#once.pass(`refused ${answer.status}`);
    if (held !== undefined)
      this.#agent.log.warn("a call from the cloud was refused", {
        resource: resource.path,
        status: answer.status,
        held,
      });
    await this.#agent.publish(answerDraft(id, answerContent(answer)));
  }

  #follow(request: MessageId, work: Promise<void>): void {
    const ended = work
      .catch((error: unknown) => {
        const { code } = asHubError(error);
        // What stops with ServiceBus goes on with it.
        if (code !== "E_ABORTED" && code !== "E_CLOSED")
          this.#warn("ServiceBus could not end a call properly", error);
      })
      .then(() => void this.#running.delete(request));
    this.#running.set(request, ended);
  }

  #warn(what: string, error: unknown): void {
    const held = this.#once.pass(what);
    if (held !== undefined) this.#agent.log.warn(what, { error: asHubError(error), held });
  }
}

/** Carries an answer up; with the operation that the router in a KubeEdge cloud looks for, on errors too. */
function answerDraft(request: MessageId, content: Uint8Array) {
  return {
    source: "servicebus",
    group: "user",
    operation: "upload",
    resource: "",
    parentId: request,
    content,
    delivery: event({ ttlMs: answerTtlMs, priority: servicePriority }),
  };
}
