import { ApiError, type KubeObject, type Status } from "../../kubernetes/index.ts";

/** What the cloud answers an edge, in the shapes its MetaManager knows. Pure. Source: KubeEdge's common types. */

/** Go's form of a Kubernetes error. */
export interface StatusError {
  readonly ErrStatus: Omit<Status, "kind" | "apiVersion">;
}

/** Answer to create, update and patch. Both keys are always there: an edge stores anything else as the object itself. */
export interface ObjectResp {
  readonly Object: KubeObject | null;
  readonly Err: StatusError | null;
}

export function objectResp(object: KubeObject): ObjectResp {
  return { Object: object, Err: null };
}

export function failedResp(error: ApiError): ObjectResp {
  return { Object: null, Err: statusError(error) };
}

export function statusError(error: ApiError): StatusError {
  const { kind: _kind, apiVersion: _apiVersion, ...status } = error.status;
  return { ErrStatus: status };
}

/** Answer to what changes something without giving it back. */
export const done = "OK";

/** True if the same request can succeed later without anybody changing it: then it is not answered, but comes again. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true;
  return error.code >= 500 || error.reason === "TooManyRequests";
}
