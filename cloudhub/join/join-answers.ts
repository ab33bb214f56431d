import { type ErrorCode, HubError } from "../../protocol/index.ts";

/** What the join API says when it says no. Texts are `E_CODE: what to do`. */

/** The largest head of a request, bytes. */
export const maxHeaderBytes = 16 * 1024;

/** What a client hears of a failure; of a fault in the hub it hears nothing more. */
export function refusalOf(error: unknown): HubError {
  if (error instanceof HubError) return error;
  return new HubError("E_INTERNAL", "a fault in the hub; its log says more", { cause: error });
}

/** The status for a refusal. A code that cannot come from a join is a fault of ours. */
export function statusOf(code: ErrorCode): number {
  switch (code) {
    case "E_BAD_TOKEN":
    case "E_TOKEN_EXPIRED":
    case "E_TOKEN_USED_UP":
    case "E_REVOKED":
    case "E_IDENTITY":
      return 401;
    case "E_FORBIDDEN":
      return 403;
    case "E_BAD_MESSAGE":
    case "E_NO_NODE":
    case "E_LINK_LOST":
      return 400;
    case "E_NOT_FOUND":
      return 404;
    case "E_UNSUPPORTED":
      return 405;
    case "E_TOO_LARGE":
      return 413;
    default:
      return 500;
  }
}

/** What to say to a client whose bytes were no HTTP request, too long a head, or too slow. */
export function clientRefusal(error: NodeJS.ErrnoException): { status: string; refusal: HubError } {
  if (error.code === "ERR_HTTP_REQUEST_TIMEOUT") {
    const refusal = new HubError("E_TIMEOUT", "no complete request within the time limit; try again");
    return { status: "408 Request Timeout", refusal };
  }
  if (error.code === "HPE_HEADER_OVERFLOW") {
    const refusal = new HubError("E_TOO_LARGE", `the headers have more than ${maxHeaderBytes} bytes`);
    return { status: "431 Request Header Fields Too Large", refusal };
  }
  return { status: "400 Bad Request", refusal: badRequest(error.message) };
}

/** A request that is no HTTP, or whose path cannot be read. */
export function badRequest(text: string): HubError {
  return new HubError("E_BAD_MESSAGE", `not a request this port understands: ${text}`);
}

/** Why a port cannot be listened on. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): HubError {
  if (error.code === "EADDRINUSE") {
    return new HubError(
      "E_PORT_TAKEN",
      `${host}:${port} is taken by another process; stop it or configure another port`,
      { cause: error },
    );
  }
  return new HubError("E_BAD_OPTION", `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}
