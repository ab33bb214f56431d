import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";

export interface TargetCall {
  readonly url: string;
  readonly anyCertificate: boolean;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  /** For the whole call, ms. */
  readonly timeoutMs: number;
}

/** What became of a call. `status` 0: there was no answer, for the reason in `text`. */
export interface TargetAnswer {
  readonly status: number;
  /** The first MiB of the body, or what went wrong. */
  readonly text: string;
}

const maxAnswerBytes = 1 << 20;

/** Posts a message to a REST target. Redirects are answers like others. Never rejects. */
export function post(
  { url, anyCertificate, body, headers, timeoutMs }: TargetCall,
  signal: AbortSignal,
): Promise<TargetAnswer> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ status: 0, text: error.message || error.name });
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const options = {
      method: "POST",
      headers: { ...headers, "content-length": body.length },
      rejectUnauthorized: !anyCertificate,
      signal: limit,
    };
    const take = (response: IncomingMessage): void => {
      readStart(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), failed);
    };
    try {
      const request = url.startsWith("https:")
        ? httpsRequest(url, options, take)
        : httpRequest(url, options, take);
      request.on("error", (error) =>
        failed(limit.aborted && !signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error),
      );
      request.end(body);
    } catch (error) {
      failed(error as Error);
    }
  });
}

/** True: the target took it. */
export function isTaken({ status }: TargetAnswer): boolean {
  return status >= 200 && status < 300;
}

/** True: the same call may succeed later. */
export function isWorthAnotherTry({ status }: TargetAnswer): boolean {
  return status === 0 || status === 408 || status === 425 || status === 429 || status >= 500;
}

async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length >= maxAnswerBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxAnswerBytes).toString();
}
