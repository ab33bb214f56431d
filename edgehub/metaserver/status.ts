import { asHubError, type ErrorCode } from "../../protocol/index.ts";
import { isRecord } from "./objects.ts";

/** Kubernetes' answer where something went wrong. Pure. Source: Kubernetes meta.v1 Status. */
export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: object;
  readonly status: "Failure" | "Success";
  readonly message?: string;
  readonly reason?: string;
  readonly details?: object;
  readonly code: number;
}

/** Reason → HTTP status. */
const reasons = {
  BadRequest: 400,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type Reason = keyof typeof reasons;

/** An answer that is no success, thrown where it is found. */
export class StatusError extends Error {
  readonly status: Status;

  constructor(status: Status) {
    super(status.message ?? status.reason ?? "failure");
    this.status = status;
  }
}

export function failure(reason: Reason, message: string, details?: object): Status {
  const code = reasons[reason];
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details ? { details } : {}),
    code,
  };
}

export function refuse(reason: Reason, message: string, details?: object): StatusError {
  return new StatusError(failure(reason, message, details));
}

/** There is no such object. */
export function notFound(at: { group: string; plural: string; name: string }): Status {
  const resource = at.group === "" ? at.plural : `${at.plural}.${at.group}`;
  const details = { name: at.name, ...(at.group === "" ? {} : { group: at.group }), kind: at.plural };
  return failure("NotFound", `${resource} "${at.name}" not found`, details);
}

/** What a deletion is answered with. */
export function deleted(at: { group: string; plural: string; name: string }): Status {
  const details = { name: at.name, ...(at.group === "" ? {} : { group: at.group }), kind: at.plural };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details, code: 200 };
}

/** A status that came from the cloud, made whole. @returns `undefined` for what is none. */
export function statusFrom(value: unknown): Status | undefined {
  if (!isRecord(value) || typeof value.code !== "number" || value.code < 400 || value.code > 599)
    return undefined;
  return { metadata: {}, ...value, kind: "Status", apiVersion: "v1", status: "Failure", code: value.code };
}

/** What an error is to a client. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  const { code, message } = asHubError(error);
  if (code === "E_NO_CONSUMER")
    return failure(reasonOf(code), "no controller at the cloud answers for its Kubernetes API at the moment");
  return failure(reasonOf(code), message);
}

function reasonOf(code: ErrorCode): Reason {
  switch (code) {
    case "E_TOO_LARGE":
      return "RequestEntityTooLarge";
    case "E_BAD_MESSAGE":
    case "E_BAD_RESOURCE":
      return "BadRequest";
    case "E_TIMEOUT":
      return "Timeout";
    case "E_LINK_LOST":
    case "E_NO_CONSUMER":
    case "E_CLOSED":
    case "E_OUTBOX_FULL":
    case "E_STORAGE_FULL":
      return "ServiceUnavailable";
    default:
      return "InternalError";
  }
}
