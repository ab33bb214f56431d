import type { IncomingHttpHeaders } from "node:http2";

/**
 * The bytes and headers of gRPC calls with one request and one answer. Source: grpc/grpc, doc/PROTOCOL-HTTP2.md and
 * doc/statuscodes.md.
 */

/** Status codes that say more than "it failed". */
export const grpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** How a call ended that did not succeed: a status code, and the server's words. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly status: number;

  constructor(status: number, words: string) {
    super(words);
    this.status = status;
  }
}

/** Whether it is compressed (never), and its length. */
const prefixBytes = 5;
/** The protocol allows eight digits. */
const maxTimeoutMs = 99_999_999;

export function requestHeaders(path: string, timeoutMs: number): Record<string, string> {
  return {
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-timeout": `${Math.min(Math.max(Math.ceil(timeoutMs), 1), maxTimeoutMs)}m`,
  };
}

/** A message behind its prefix. */
export function framed(message: Uint8Array): Uint8Array {
  const frame = Buffer.alloc(prefixBytes + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** The one message of a body. Throws a CallFailure unless there is exactly one, whole and not compressed. */
export function unframed(body: Buffer): Uint8Array {
  const whole = body.length >= prefixBytes && body.length === prefixBytes + body.readUInt32BE(1);
  if (whole && body[0] === 0) return body.subarray(prefixBytes);
  throw new CallFailure(grpcStatus.internal, "the answer is not one plain message");
}

/**
 * How a call ended, from the headers or trailers that carry its status; `undefined`: it succeeded.
 *
 * @param headers Trailers, or the only headers of an answer without a body.
 */
export function failureOf(headers: IncomingHttpHeaders): CallFailure | undefined {
  const status = Number(headers["grpc-status"]);
  if (status === grpcStatus.ok) return undefined;
  const words = unescaped(String(headers["grpc-message"] ?? "no reason given"));
  return new CallFailure(Number.isSafeInteger(status) ? status : grpcStatus.unknown, words);
}

/** Words are percent-encoded; broken ones are shown as they are. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
