/** What Kubernetes answers when it does not do what it was asked. Source: metav1.Status, metav1.StatusReason. */

export interface Status {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly status: "Success" | "Failure";
  readonly message?: string;
  readonly reason?: StatusReason;
  readonly details?: StatusDetails;
  readonly code: number;
}

export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  /** The plural, as Kubernetes has it here. */
  readonly kind?: string;
  readonly uid?: string;
  readonly causes?: readonly StatusCause[];
  readonly retryAfterSeconds?: number;
}

export interface StatusCause {
  readonly reason?: string;
  readonly message?: string;
  /** Path: `spec.containers[0].image`. */
  readonly field?: string;
}

/** Reasons and the HTTP status of each. */
export const statusReasons = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
} as const;

export type StatusReason = keyof typeof statusReasons;

/** A request that was not done; what the API answers with, and what clients of it throw. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly reason: StatusReason;
  readonly code: number;
  readonly details: StatusDetails | undefined;

  constructor(reason: StatusReason, message: string, details?: StatusDetails, code?: number) {
    super(message);
    this.reason = reason;
    this.code = code ?? statusReasons[reason];
    this.details = details;
  }

  get status(): Status {
    const { reason, message, code, details } = this;
    const given = details === undefined ? {} : { details };
    return {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...given,
      code,
    };
  }
}

/** @param resource Plural with its group, as Kubernetes writes it: `pods`, `deployments.apps`. */
export function notFound(resource: string, name: string): ApiError {
  return new ApiError("NotFound", `${resource} "${name}" not found`, detailsOf(resource, name));
}

/** For a path at which nothing is. kubectl reads the details of it unseen, and tells it by them from a missing object. */
export function notServed(): ApiError {
  return new ApiError("NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(resource: string, name: string): ApiError {
  return new ApiError("AlreadyExists", `${resource} "${name}" already exists`, detailsOf(resource, name));
}

export function conflict(resource: string, name: string, why: string): ApiError {
  const text = `Operation cannot be fulfilled on ${resource} "${name}": ${why}`;
  return new ApiError("Conflict", text, detailsOf(resource, name));
}

/** True for an {@link ApiError} of this reason. */
export function isReason(error: unknown, reason: StatusReason): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

function detailsOf(resource: string, name: string): StatusDetails {
  const [kind = "", ...group] = resource.split(".");
  return group.length === 0 ? { name, kind } : { name, group: group.join("."), kind };
}
