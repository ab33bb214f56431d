import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../platform/clock.ts";
import type { Logger } from "../../platform/logger.ts";
import { asHubError, Backoff, contentOf, type Message } from "../../protocol/index.ts";
import { clientGone, type LocalServer, listenLocally, readBody } from "../local-http.ts";

export interface InboundOptions {
  readonly server: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
}

export interface InboundParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** May local programs call this address? */
  readonly allowed: (url: string) => boolean;
  /** Asks the cloud to call an address. Rejects with `E_TIMEOUT` … */
  readonly ask: (url: string, body: Buffer, signal: AbortSignal) => Promise<Message>;
}

/** KubeEdge's answer; the HTTP status is always 200. */
interface Reply {
  readonly code: number;
  readonly msg: string;
  readonly body: string;
}

const maxConnections = 1_000;
const maxCalls = 256;
const utf8 = new TextDecoder();

/** The API through which local programs call addresses in the cloud. Listens while there are addresses to call. */
export class InboundApi {
  readonly #parts: InboundParts;
  readonly #options: InboundOptions;
  readonly #backoff: Backoff;
  #server: LocalServer | undefined;
  #wanted = false;
  #changing: Promise<void> = Promise.resolve();
  #cancelRetry: () => void = () => {};
  #calls = 0;

  constructor(parts: InboundParts, options: InboundOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#backoff = new Backoff({ minMs: 1_000, maxMs: 60_000 }, () => 0.5 + parts.random() / 2);
  }

  /** `undefined`: it does not listen. */
  get port(): number | undefined {
    return this.#server?.port;
  }

  /** Listens or not. Resolves when that is so; a port that is taken is tried again in its own time. */
  want(listening: boolean): Promise<void> {
    this.#wanted = listening;
    this.#changing = this.#changing.then(() => this.#adjust());
    return this.#changing;
  }

  async #adjust(): Promise<void> {
    this.#cancelRetry();
    if (this.#wanted === (this.#server !== undefined)) return;
    const { log, clock } = this.#parts;
    if (!this.#wanted) {
      await this.#close();
      return;
    }
    const { server: host, port } = this.#options;
    try {
      const at = { host, port, maxConnections };
      this.#server = await listenLocally(
        at,
        (request, response) => this.#serve(request, response),
        () => void this.#reopen(),
      );
      this.#backoff.reset();
      log.info("ServiceBus listens", { host, port: this.#server.port });
    } catch (error) {
      const retryInMs = Math.round(this.#backoff.next());
      log.error("ServiceBus cannot listen", { error: asHubError(error), retryInMs });
      this.#cancelRetry = clock.after(retryInMs, () => void this.want(this.#wanted));
    }
  }

  async #close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    await server?.close();
  }

  async #reopen(): Promise<void> {
    await this.#close();
    await this.want(this.#wanted);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = await this.#reply(request, clientGone(response)).catch(
      (error: unknown): Reply => failure(500, asHubError(error).message),
    );
    const text = JSON.stringify(reply);
    response.writeHead(200, {
      "content-type": "application/json; charset=utf-8",
      "content-length": Buffer.byteLength(text),
    });
    response.end(text);
  }

  async #reply(request: IncomingMessage, gone: AbortSignal): Promise<Reply> {
    if (this.#calls >= maxCalls) {
      request.resume();
      return failure(503, `more than ${maxCalls} calls at once`);
    }
    this.#calls++;
    try {
      const body = await this.#bodyOf(request);
      if (body === undefined) return failure(400, "can't read data from body of the http's request");
      const url = targetOf(body);
      if (url === undefined) return failure(400, "invalid params");
      if (!this.#parts.allowed(url)) {
        const text = `url ${url} is not allowed and please make a rule for this url in the cloud`;
        return failure(400, text);
      }
      const answer = await this.#parts.ask(url, body, gone).catch((error: unknown) => asHubError(error));
      return answer instanceof Error ? failure(400, answer.message) : success(answer);
    } finally {
      this.#calls--;
    }
  }

  /** @returns `undefined` if it is too large, too slow or broken off. */
  async #bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
    const late = new AbortController();
    const cancel = this.#parts.clock.after(this.#options.timeoutMs, () => late.abort());
    try {
      return await readBody(request, this.#options.maxBodyBytes, late.signal);
    } catch {
      return undefined;
    } finally {
      cancel();
    }
  }
}

/** The address a program wants to call; `undefined` if its request is none. */
function targetOf(body: Buffer): string | undefined {
  try {
    const request = JSON.parse(utf8.decode(body)) as { targetURL?: unknown } | null;
    return typeof request?.targetURL === "string" ? request.targetURL : undefined;
  } catch {
    return undefined;
  }
}

function success(answer: Message): Reply {
  try {
    const content = contentOf(answer);
    const body = typeof content === "string" ? content : utf8.decode(answer.content);
    return { code: 200, msg: "receive response from cloud successfully", body };
  } catch (error) {
    return failure(500, asHubError(error).message);
  }
}

function failure(code: number, msg: string): Reply {
  return { code, msg, body: "" };
}
