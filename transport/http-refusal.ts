import type { ErrorCode, HubError } from "../protocol/index.ts";
import { formatReason } from "./connection.ts";

/** How HTTP tells a client that it is not let in. Pure. */

/** What `parseReason` reads, as a line of plain text. */
export function bodyOf({ code, message }: HubError): string {
  return `${formatReason({ code, text: message })}\n`;
}

/** The header that says when to come again, as a header line's value in seconds; `undefined`: no such header. */
export function retryAfterOf({ retryAfterMs }: HubError): string | undefined {
  return retryAfterMs === undefined ? undefined : String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
}

/** Reads {@link retryAfterOf}; `undefined` for anything but seconds, at most an hour. */
export function parseRetryAfter(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,9}$/.test(header)) return undefined;
  return Math.min(Number(header), 3_600) * 1_000;
}

/** Status code and its words, as in a status line. */
export function statusOf(code: ErrorCode): string {
  switch (code) {
    case "E_BAD_TOKEN":
    case "E_TOKEN_EXPIRED":
      return "401 Unauthorized";
    case "E_IDENTITY":
    case "E_REVOKED":
    case "E_FORBIDDEN":
    case "E_UNKNOWN_NODE":
      return "403 Forbidden";
    case "E_NODE_LIMIT":
    case "E_BUSY":
    case "E_FLAPPING":
    case "E_CLOSED":
    case "E_STORAGE":
    case "E_STORAGE_FULL":
      return "503 Service Unavailable";
    case "E_INTERNAL":
      return "500 Internal Server Error";
    default:
      return "400 Bad Request";
  }
}
