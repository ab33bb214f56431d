/**
 * Every error code that crosses a folder or the wire, with what it means and whether the same call
 * can succeed later. `docs/errors.md` explains each one to people; a test compares the two lists.
 */
export const errorTable = {
  // What a peer or a caller sent
  E_BAD_FRAME: { retryable: false, meaning: "bytes on a link that are no frame of its dialect" },
  E_BAD_MESSAGE: { retryable: false, meaning: "a message field is missing, too long or of the wrong type" },
  E_BAD_OPERATION: { retryable: false, meaning: "the operation is not one of the protocol's" },
  E_BAD_VERSION: {
    retryable: false,
    meaning: "resourceVersion is missing or not an unsigned decimal number",
  },
  E_BAD_RESOURCE: { retryable: false, meaning: "the resource path cannot be used" },
  E_NO_NODE: { retryable: false, meaning: "the message names no node" },
  E_TOO_LARGE: { retryable: false, meaning: "the message is larger than the receiver accepts" },
  E_WINDOW_EXCEEDED: { retryable: false, meaning: "the peer sent more unacknowledged messages than granted" },
  E_UNSUPPORTED: { retryable: false, meaning: "the peer does not know this call" },
  // Who the peer is and what it may do
  E_IDENTITY: { retryable: false, meaning: "the certificate does not belong to the claimed identity" },
  E_REVOKED: { retryable: false, meaning: "the certificate or token has been revoked" },
  E_BAD_TOKEN: { retryable: false, meaning: "the token is malformed or not signed by this hub" },
  E_TOKEN_EXPIRED: { retryable: false, meaning: "the token's time is over" },
  E_TOKEN_USED_UP: { retryable: false, meaning: "the token has been used as often as it may be" },
  E_CA_MISMATCH: { retryable: false, meaning: "the hub's CA is not the one the token names" },
  E_FORBIDDEN: { retryable: false, meaning: "the caller's rights do not cover this" },
  E_BUSY: { retryable: true, meaning: "the hub lets in only so many at a time" },
  E_FLAPPING: { retryable: true, meaning: "the node connects again and again; the hub slows it down" },
  E_NODE_LIMIT: { retryable: true, meaning: "the hub holds as many nodes as it may" },
  // Where a message ended
  E_UNKNOWN_NODE: { retryable: false, meaning: "no node of that name is known to the hub" },
  E_NOT_FOUND: { retryable: false, meaning: "there is nothing of that name" },
  E_BACKLOG_FULL: { retryable: true, meaning: "the node's queue at the hub is at its limit" },
  E_OUTBOX_FULL: { retryable: true, meaning: "the edge's upstream outbox is at its limit" },
  E_NO_CONSUMER: { retryable: true, meaning: "nobody at the cloud takes such messages now" },
  E_NO_MODULE: { retryable: false, meaning: "no module at the edge takes such messages" },
  E_OUT_OF_ORDER: { retryable: true, meaning: "an earlier event of the same sender is still unsettled" },
  E_DELTA_MISMATCH: {
    retryable: true,
    meaning: "a delta does not fit what the receiver has; the message comes again in full",
  },
  E_REFUSED: { retryable: false, meaning: "the receiver can never accept this message" },
  E_EXPIRED: { retryable: false, meaning: "the message's time to live ended before it was delivered" },
  E_DROPPED: { retryable: false, meaning: "the message was dropped by a configured limit" },
  E_TIMEOUT: { retryable: true, meaning: "no answer within the given time" },
  E_ABORTED: { retryable: false, meaning: "the caller gave up" },
  // Links
  E_LINK_LOST: { retryable: true, meaning: "the connection ended" },
  E_PEER_SILENT: { retryable: true, meaning: "nothing was heard from the peer for too long" },
  E_REPLACED: { retryable: true, meaning: "a newer connection of the same peer took over" },
  E_CLOSED: { retryable: false, meaning: "this side is shutting down or closed" },
  // The machine
  E_BAD_OPTION: { retryable: false, meaning: "a configuration value is not allowed" },
  E_PORT_TAKEN: { retryable: false, meaning: "another process listens on that address" },
  E_STORAGE_FULL: { retryable: true, meaning: "the disk is full; nothing was written" },
  E_STORAGE: { retryable: true, meaning: "reading or writing the database failed" },
  E_STORE_CORRUPT: { retryable: false, meaning: "a database or key file is damaged" },
  E_STORE_IN_USE: { retryable: false, meaning: "another process uses the same data directory" },
  E_INTERNAL: { retryable: true, meaning: "a fault in this program; see its log" },
} as const;

export type ErrorCode = keyof typeof errorTable;

/**
 * The one error class that crosses a folder or the wire. Callers branch on `code`, never on the text.
 *
 * `retryable` says whether the same call may succeed later without anybody changing it; it comes from
 * {@link errorTable} unless the thrower knows better.
 */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** The peer wants to be left alone for so many ms; `undefined`: it has not said. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    text: string,
    more: { cause?: unknown; retryable?: boolean; retryAfterMs?: number | undefined } = {},
  ) {
    super(text, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.retryable = more.retryable ?? errorTable[code].retryable;
    this.retryAfterMs = more.retryAfterMs;
  }

  override toString(): string {
    return `${this.code}: ${this.message}`;
  }
}

/** True for a text that is one of the codes of {@link errorTable}; used on what peers send. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

/** The error as a HubError: itself, or wrapped as `E_INTERNAL` with the original as `cause`. */
export function asHubError(error: unknown): HubError {
  if (error instanceof HubError) return error;
  return new HubError("E_INTERNAL", error instanceof Error ? error.message : String(error), { cause: error });
}

/** A value for an error text: quoted, at most 60 characters, control characters escaped. Throws for no value. */
export function shown(value: unknown): string {
  const text = jsonText(value).replace(/[\u007f-\u009f\u2028\u2029]/g, escaped);
  return text.length <= 60 ? text : `${text.slice(0, 57).toWellFormed()}...`;
}

function jsonText(value: unknown): string {
  const plain = (_: string, part: unknown): unknown => (typeof part === "bigint" ? part.toString() : part);
  try {
    return JSON.stringify(typeof value === "string" ? value.slice(0, 100) : value, plain) ?? String(value);
  } catch {
    return `a value of type ${typeof value}`;
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
