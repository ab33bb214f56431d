import type { ClientRequest, IncomingMessage } from "node:http";
import type { Clock } from "../../platform/clock.ts";
import { http } from "../../platform/http.ts";
import { HubError } from "../../protocol/index.ts";
import { answerHeaders, errorAnswer, type ServiceAnswer, type ServiceCall } from "./http-message.ts";

export interface CallLimits {
  /** For the whole call, ms. */
  readonly timeoutMs: number;
  /** The body of the answer is cut at so many bytes. */
  readonly maxBodyBytes: number;
}

const methodsWithBody: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/**
 * Calls a service on this machine, over a connection of its own. Redirects are answers like others. What goes wrong
 * becomes the answer KubeEdge's edge gives: 404 if the service did not answer, 500 if it broke off.
 *
 * Rejects with `E_ABORTED` at the signal, and with nothing else.
 */
export function callService(
  call: ServiceCall,
  limits: CallLimits,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<ServiceAnswer> {
  return new Promise((resolve, reject) => {
    let request: ClientRequest | undefined;
    let answering = false;
    const finish = (settle: () => void): void => {
      cancel();
      signal.removeEventListener("abort", abort);
      request?.destroy();
      settle();
    };
    const fail = (text: string): void => {
      const answer = answering
        ? errorAnswer(500, `error to receive response: ${text}`)
        : errorAnswer(404, `error to call service: ${text}`);
      finish(() => resolve(answer));
    };
    const abort = (): void =>
      finish(() => reject(new HubError("E_ABORTED", "the call was given up: the agent stops")));
    const cancel = clock.after(limits.timeoutMs, () => fail(`no complete answer in ${limits.timeoutMs} ms`));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) return abort();
    try {
      request = send(call);
    } catch (error) {
      return finish(() => resolve(errorAnswer(400, `the request cannot be sent: ${textOf(error)}`)));
    }
    // Its socket may report more than one error.
    request.on("error", (error) => fail(textOf(error)));
    request.on("response", (response) => {
      answering = true;
      collect(response, limits.maxBodyBytes).then(
        (answer) => finish(() => resolve(answer)),
        (error: unknown) => fail(textOf(error)),
      );
    });
  });
}

function send({ port, path, method, headers, body }: ServiceCall): ClientRequest {
  const length =
    body.length > 0 || methodsWithBody.has(method) ? { "Content-Length": String(body.length) } : {};
  const lines = Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, [...values]]));
  const request = http.request({
    host: "127.0.0.1",
    port,
    path,
    method,
    headers: { ...lines, ...length },
    agent: false,
  });
  request.end(body);
  return request;
}

/** Reads the answer up to the limit; what lies behind is never read. */
function collect(response: IncomingMessage, maxBytes: number): Promise<ServiceAnswer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const done = (cutAt?: number): void =>
      resolve({
        status: response.statusCode ?? 500,
        headers: answerHeaders(response.rawHeaders, cutAt),
        body: Buffer.concat(chunks),
      });
    response.on("data", (chunk: Buffer) => {
      const room = maxBytes - size;
      chunks.push(chunk.length <= room ? chunk : chunk.subarray(0, room));
      size += Math.min(chunk.length, room);
      if (chunk.length <= room) return;
      response.removeAllListeners("data").pause();
      done(maxBytes);
    });
    response.on("end", () => done());
    response.on("error", reject);
    response.on("close", () => reject(new Error("the service closed the connection")));
  });
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
