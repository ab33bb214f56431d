import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { ApiError } from "../../kubernetes/index.ts";
import { HubError } from "../../protocol/index.ts";

const compress = promisify(gzip);
/** Smaller answers are sent as they are, as Kubernetes does. */
const compressFromBytes = 128 * 1024;
/** What is told of one request beside its answer. */
const maxWarnings = 50;
const maxWarningLength = 512;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** Sends a document. Large ones are compressed for clients that can read that. */
export async function sendJson(exchange: Exchange, code: number, document: object | string): Promise<void> {
  const text = typeof document === "string" ? document : `${JSON.stringify(document)}\n`;
  await sendBytes(exchange, code, Buffer.from(text));
}

/** Sends bytes; JSON, unless the response says something else already. */
export async function sendBytes(
  { request, response }: Exchange,
  code: number,
  bytes: Uint8Array,
): Promise<void> {
  let body = bytes;
  const headers: Record<string, string | number> = {
    ...(response.hasHeader("Content-Type") ? {} : { "Content-Type": "application/json" }),
    "Cache-Control": "no-cache, private",
    Vary: "Accept-Encoding",
  };
  if (body.length >= compressFromBytes && takesGzip(request)) {
    body = await compress(body, { level: 1 });
    headers["Content-Encoding"] = "gzip";
  }
  if (response.headersSent || response.destroyed) return;
  response.writeHead(code, { ...headers, "Content-Length": body.length });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** Every failure as the error that clients are told. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!(error instanceof HubError)) return new ApiError("InternalError", "Internal error occurred");
  switch (error.code) {
    case "E_STORAGE_FULL":
    case "E_CLOSED":
      return new ApiError("ServiceUnavailable", error.message);
    case "E_TOO_LARGE":
      return new ApiError("RequestEntityTooLarge", error.message);
    default:
      return new ApiError("InternalError", `Internal error occurred: ${error.message}`);
  }
}

/** Headers with which clients are told of what they should know. Source: RFC 7234 §5.5, code 299. */
export function warningHeaders(warnings: readonly string[]): string[] {
  return [...new Set(warnings)].slice(0, maxWarnings).map((text) => {
    const plain = text.slice(0, maxWarningLength).replace(/[^\x20-\x7e]/g, "?");
    return `299 - "${plain.replace(/["\\]/g, "\\$&")}"`;
  });
}

function takesGzip({ headers }: IncomingMessage): boolean {
  const accepted = headers["accept-encoding"];
  return typeof accepted === "string" && /\bgzip\b/.test(accepted);
}
