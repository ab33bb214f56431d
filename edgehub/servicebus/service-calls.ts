import { pause } from "../../platform/clock.ts";
import { OncePer } from "../../platform/logger.ts";
import { answerTtlMs, asHubError, event, type Message, type MessageId } from "../../protocol/index.ts";
import type { Agent } from "../agent.ts";
import { callService } from "./call-service.ts";
import { CallSlots, type Turn } from "./call-slots.ts";
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

/** Calls of one service that may wait for their turn, and their bytes on the disk. */
const maxWaiting = 1_000;
const maxWaitingBytes = 16 << 20;
/** A full disk is tried again so often. */
const writeAgainMs = 1_000;

/**
 * Calls of the cloud to services of this node, each executed once.
 *
 * A call is on the disk before it is acked and waits there for its turn, so that a service that hangs takes no room of
 * the link and no memory. Its answer is written in one transaction with the message that carries it. So a repeat gets the
 * answer of the first time. A call that was begun when the agent died is executed again if its method is idempotent and
 * somebody can still wait for it; otherwise it is answered with an error, because nobody knows how far the service had
 * come.
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
    const slots = { running: options.callsPerService, waiting: maxWaiting, waitingBytes: maxWaitingBytes };
    this.#slots = new CallSlots(slots);
    this.#once = new OncePer(agent.clock, 60_000);
  }

  /** Goes on with what was begun before the agent, or ServiceBus, ended. */
  resume(): void {
    for (const request of this.#table.unfinished()) this.#follow(request, this.#again(request));
  }

  /** Resolves when the call is on the disk. */
  async take(message: Message): Promise<void> {
    const known = this.#table.find(message.id);
    if (known !== undefined && "answer" in known) {
      await this.#agent.publish(answerDraft(message.id, known.answer));
      return;
    }
    // The answer of a call that runs is on its way.
    if (this.#running.has(message.id)) return;
    if (known === undefined) await this.#begin(message);
    else this.#follow(message.id, this.#again(message.id));
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
    const turn = this.#slots.take(read.call.port, message.content.length);
    if (turn === undefined) {
      const text = `too many calls, or too large ones, wait for 127.0.0.1:${read.call.port} already`;
      return await this.#refuse(message, errorAnswer(503, text));
    }
    try {
      const { store, clock } = this.#agent;
      await store.write(() => this.#table.add(message, clock.wallTime(), turn.isNow));
    } catch (error) {
      turn.comes.then(
        (release) => release(),
        () => undefined,
      );
      throw error;
    }
    this.#follow(message.id, this.#inTurn(message.id, turn));
  }

  /** Goes on with a call that has no answer, though it came before. */
  async #again(request: MessageId): Promise<void> {
    const known = this.#table.find(request);
    if (known === undefined || "answer" in known) return;
    const { unfinished: message, begunAt, started } = known;
    const read = readCall(message, this.#options.maxBodyBytes);
    if ("refusal" in read) return await this.#finish(request, read.refusal);
    const { port, method } = read.call;
    const isFresh = this.#agent.clock.wallTime() - begunAt < answerTtlMs;
    const mayBegin = isFresh && (isIdempotent(method) || !started);
    const turn = mayBegin ? this.#slots.take(port, message.content.length) : undefined;
    if (turn !== undefined) return await this.#inTurn(request, turn);
    const text = started
      ? `the agent stopped during this ${method}; the service may have executed it, or not`
      : `the agent stopped before it was the turn of this ${method}; it was not executed`;
    await this.#finish(request, errorAnswer(500, text));
  }

  /** Executes a call when it is its turn. It is read again then: what waits is held on the disk only. */
  async #inTurn(request: MessageId, turn: Turn): Promise<void> {
    const { clock } = this.#agent;
    const giveUpAt = clock.now() + answerTtlMs;
    const release = await turn.comes;
    try {
      const known = this.#table.find(request);
      if (known === undefined || "answer" in known) return;
      const read = readCall(known.unfinished, this.#options.maxBodyBytes);
      if ("refusal" in read) return await this.#finish(request, read.refusal);
      if (clock.now() >= giveUpAt) {
        const text = `the calls before this one took too long; it was not executed`;
        return await this.#finish(request, errorAnswer(503, text));
      }
      if (!known.started && !(await this.#write(() => this.#table.start(request)))) return;
      await this.#execute(request, read.call);
    } finally {
      release();
    }
  }

  async #execute(request: MessageId, call: ServiceCall): Promise<void> {
    const { callTimeoutMs: timeoutMs, maxBodyBytes } = this.#options;
    const { clock, log } = this.#agent;
    const parts = { clock, signal: this.#stopping.signal };
    const answer = await callService(call, { timeoutMs, maxBodyBytes }, parts);
    log.debug("local service called", { port: call.port, method: call.method, status: answer.status });
    await this.#finish(request, answer);
  }

  async #finish(request: MessageId, answer: ServiceAnswer): Promise<void> {
    const { store, clock } = this.#agent;
    const content = answerContent(answer);
    const message = this.#agent.draft(answerDraft(request, content));
    const isWritten = await this.#write((publish) => {
      this.#table.finish(request, content);
      publish(message);
    });
    if (isWritten && this.#table.hasGrown(content.length))
      await store.write(() => this.#table.prune(clock.wallTime()));
  }

  /** Writes as often as it takes while somebody can still wait for the answer. @returns False: ServiceBus stops. */
  async #write(work: (publish: (message: Message) => void) => void): Promise<boolean> {
    const { store, clock } = this.#agent;
    const giveUpAt = clock.now() + answerTtlMs;
    for (;;) {
      try {
        await store.write(work);
        return true;
      } catch (error) {
        if (!asHubError(error).retryable || clock.now() >= giveUpAt) throw error;
        this.#warn("a call of a local service cannot be stored yet", error);
      }
      if (!(await pause(clock, writeAgainMs, this.#stopping.signal))) return false;
    }
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
