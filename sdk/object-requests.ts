import type { IncomingMessage } from "node:http";
import { Agent, request as send } from "node:https";
import { ApiError, type Status, type StatusReason, statusReasons } from "../kubernetes/index.ts";
import { version } from "../platform/version.ts";
import type { ConnectOptions } from "./options.ts";

export interface ObjectRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  /** Sent as JSON; absent: nothing. */
  readonly body?: unknown;
  /** Default `application/json`. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** Nothing heard for so long: given up, ms. */
  readonly silenceMs: number;
}

/** Requests under way at once; more wait. */
const maxSockets = 32;
const maxAnswerBytes = 256 << 20;

/** Sends requests to a hub's Kubernetes API over connections that are kept. */
export class ObjectRequests {
  readonly #options: Pick<ConnectOptions, "url" | "token">;
  readonly #agent: Agent;
  /** Watches hold their connections: others must not wait for these. */
  readonly #watching: Agent;

  constructor({ url, token, ca, certificate }: ConnectOptions) {
    this.#options = token === undefined ? { url } : { url, token };
    const tls = { ...(ca === undefined ? {} : { ca }), ...(certificate ?? {}) };
    this.#agent = new Agent({ keepAlive: true, maxSockets, ...tls });
    this.#watching = new Agent({ keepAlive: true, ...tls });
  }

  /** The answer as JSON. Rejects with an ApiError. */
  async json(request: ObjectRequest): Promise<unknown> {
    const response = await this.#send(request, this.#agent);
    return readJson(await textOf(response));
  }

  /** The answer as it comes. Rejects with an ApiError. */
  stream(request: ObjectRequest): Promise<IncomingMessage> {
    return this.#send(request, this.#watching);
  }

  /** Ends all connections: what is under way rejects. */
  close(): void {
    this.#agent.destroy();
    this.#watching.destroy();
  }

  async #send(request: ObjectRequest, agent: Agent): Promise<IncomingMessage> {
    const response = await this.#exchange(request, agent);
    const code = response.statusCode ?? 500;
    if (code >= 200 && code < 300) return response;
    throw errorOf(await textOf(response), code);
  }

  #exchange(request: ObjectRequest, agent: Agent): Promise<IncomingMessage> {
    const { method, path, body, contentType = "application/json", signal, silenceMs } = request;
    const { url, token } = this.#options;
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers: Record<string, string | number> = {
      Accept: "application/json",
      "User-Agent": `cloud-edge-hub-sdk/${version}`,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(bytes === undefined ? {} : { "Content-Type": contentType, "Content-Length": bytes.length }),
    };
    return new Promise((resolve, reject) => {
      const options = { method, headers, agent, timeout: silenceMs, ...(signal ? { signal } : {}) };
      const sent = send(new URL(path, url), options, resolve);
      sent.on("timeout", () => sent.destroy(new Error(`nothing was heard for ${silenceMs} ms`)));
      sent.on("error", (error) => reject(unreachable(error)));
      sent.end(bytes);
    });
  }
}

/** What a lost connection is to who waits for an answer. */
export function unreachable(error: unknown): ApiError {
  const text = error instanceof Error ? error.message : String(error);
  return new ApiError("ServiceUnavailable", `the hub cannot be reached: ${text}`);
}

/** A Status as the error that it tells of. */
export function errorOfStatus(status: Partial<Status>, code = status.code ?? 500): ApiError {
  const { reason, message = `the hub answered ${code}`, details } = status;
  const known = reason !== undefined && Object.hasOwn(statusReasons, reason) ? reason : reasonOf(code);
  return new ApiError(known, message, details, code);
}

function errorOf(text: string, code: number): ApiError {
  try {
    const status = JSON.parse(text) as Partial<Status>;
    if (status.kind === "Status") return errorOfStatus(status, code);
  } catch {
    // Not from the API: its text is all there is.
  }
  return errorOfStatus({ message: text.slice(0, 500).trim() || `the hub answered ${code}` }, code);
}

function reasonOf(code: number): StatusReason {
  const found = Object.entries(statusReasons).find(([, its]) => its === code);
  return (found?.[0] ?? "InternalError") as StatusReason;
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new ApiError("InternalError", "the hub's answer is no JSON");
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxAnswerBytes) throw new Error(`the answer has more than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreachable(error);
  }
  return Buffer.concat(chunks).toString("utf8");
}
