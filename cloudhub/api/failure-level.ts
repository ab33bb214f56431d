import type { ApiError } from "../../kubernetes/index.ts";
import { HubError } from "../../protocol/index.ts";

/** Counted and audited for a request whose client went before it was answered, as other servers have it; never sent. */
export const clientGoneCode = 499;

/**
 * How loud a failed request is in the log; `undefined`: not at all. Pure.
 *
 * @param error What was thrown.
 * @param failure What the client is told of it.
 * @param isGone The client has gone.
 */
export function failureLevel(
  error: unknown,
  failure: ApiError,
  isGone: boolean,
): "debug" | "warn" | "error" | undefined {
  if (isGone && isAbort(error)) return "debug";
  if (failure.code < 500) return undefined;
  // What was said on purpose, as that a node is away or has not answered, is no fault of the server.
  return error === failure && failure.reason !== "InternalError" ? "warn" : "error";
}

/** What streams and requests end with when their other end goes. */
function isAbort(error: unknown): boolean {
  if (error instanceof HubError) return error.code === "E_ABORTED";
  if (!(error instanceof Error)) return false;
  const { code } = error as { readonly code?: unknown };
  return (
    error.name === "AbortError" ||
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    code === "ERR_STREAM_PREMATURE_CLOSE" ||
    isAbort(error.cause)
  );
}
