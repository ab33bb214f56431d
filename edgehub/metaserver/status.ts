import { ApiError, type Status, type StatusReason } from "../../kubernetes/api-error.ts";
import { isObject } from "../../kubernetes/json.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";
import { asHubError, type ErrorCode } from "../../protocol/index.ts";

/** Kubernetes' Status of what this node and the cloud do, and do not. Pure. Source: Kubernetes meta.v1 Status. */

/** What the cloud has refused: clients get its Status as it came. */
export class CloudRefusal extends ApiError {
  readonly #status: Status;

  constructor(status: Status) {
    const { reason = "InternalError", message = reason, details, code } = status;
    super(reason, message, details, code);
    this.#status = status;
  }

  override get status(): Status {
    return this.#status;
  }
}

/** What a deletion is answered with. */
export function deleted({ group, resource, name }: ObjectPath): Status {
  const details = { name, ...(group === "" ? {} : { group }), kind: resource };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details, code: 200 };
}

/** A status that came from the cloud, made whole. @returns `undefined` for what is none. */
export function statusFrom(value: unknown): Status | undefined {
  if (!isObject(value) || typeof value.code !== "number" || value.code < 400 || value.code > 599)
    return undefined;
  return { metadata: {}, ...value, kind: "Status", apiVersion: "v1", status: "Failure", code: value.code };
}

/** What an error is to a client. */
export function statusOf(error: unknown): Status {
  if (error instanceof ApiError) return error.status;
  const { code, message } = asHubError(error);
  const text =
    code === "E_NO_CONSUMER"
      ? "no controller at the cloud answers for its Kubernetes API at the moment"
      : message;
  return new ApiError(reasonOf(code), text).status;
}

function reasonOf(code: ErrorCode): StatusReason {
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
