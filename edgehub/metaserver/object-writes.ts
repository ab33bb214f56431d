import { ApiError } from "../../kubernetes/api-error.ts";
import { isObject, type JsonObject } from "../../kubernetes/json.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";
import type { ApplicationDraft } from "./application.ts";
import type { CloudApi } from "./cloud-api.ts";
import { deleteCollection } from "./collection.ts";
import type { LocalObjects } from "./local-objects.ts";
import { CloudRefusal, deleted } from "./status.ts";
import { deleteOption, patchOption, writeOption } from "./verb-options.ts";

export interface WriteRequest {
  readonly path: ObjectPath;
  readonly verb: "create" | "update" | "patch" | "delete" | "deletecollection";
  readonly query: URLSearchParams;
  /** Media type, without parameters; empty: the client did not say. */
  readonly contentType: string;
  readonly body: string;
  readonly gone: AbortSignal;
}

/** An answer of the cloud: HTTP status and JSON text. */
export interface WriteAnswer {
  readonly code: number;
  readonly text: string;
}

const patchTypes: ReadonlySet<string> = new Set([
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
]);

/** What a write needs to know: the cloud's name for a version of this node's; `undefined`: it is the cloud's own. */
type VersionsOfCloud = Pick<LocalObjects, "cloudVersionOf">;

/** Passes a write to the cloud: only there objects change. Rejects with an ApiError, `E_LINK_LOST`, `E_TIMEOUT`. */
export async function write(
  parts: { cloud: CloudApi; objects: LocalObjects },
  request: WriteRequest,
): Promise<WriteAnswer> {
  const { verb, path, gone } = request;
  if (verb === "deletecollection") {
    const status = await deleteCollection(parts, { ...request, options: deleteOptionsIn(request) });
    return { code: 200, text: JSON.stringify(status) };
  }
  const outcome = await parts.cloud.ask(draftOf({ ...request, verb }, parts.objects), gone);
  if (!outcome.approved) throw new CloudRefusal(outcome.status);
  return { code: verb === "create" ? 201 : 200, text: outcome.body ?? JSON.stringify(deleted(path)) };
}

function deleteOptionsIn({ contentType, body }: WriteRequest): unknown {
  return body === "" ? undefined : jsonOf(contentType, body);
}

function draftOf(
  request: WriteRequest & { readonly verb: Exclude<WriteRequest["verb"], "deletecollection"> },
  objects: VersionsOfCloud,
): ApplicationDraft {
  const { path, verb, query, contentType, body } = request;
  const forCloud = (given: unknown): unknown => withCloudVersion(given, path, objects);
  switch (verb) {
    case "create":
      requireObject(contentType, body);
      return { path, verb, option: writeOption("CreateOptions", query), body };
    case "update": {
      const object = forCloud(requireObject(contentType, body));
      const option = writeOption("UpdateOptions", query);
      const updated = object === undefined ? body : JSON.stringify(object);
      return { path, verb: path.subresource === "status" ? "updatestatus" : verb, option, body: updated };
    }
    case "patch": {
      const patch = forCloud(requirePatch(contentType, body));
      const given = { type: contentType, body: patch === undefined ? body : JSON.stringify(patch) };
      return { path, verb, option: patchOption(path, given, query), body: "" };
    }
    case "delete": {
      const options = deleteOptionsIn(request);
      const preconditions = isObject(options) ? forCloud({ metadata: options.preconditions }) : undefined;
      const given = isObject(preconditions)
        ? { ...(options as object), preconditions: preconditions.metadata }
        : options;
      return { path, verb, option: deleteOption(query, given), body: "" };
    }
    default:
      return verb satisfies never;
  }
}

/** @returns What names a version of this node's, with the cloud's; `undefined`: it names none, or an older one. */
function withCloudVersion(given: unknown, path: ObjectPath, objects: VersionsOfCloud): unknown {
  const { metadata } = isObject(given) ? given : {};
  const version = isObject(metadata) ? metadata.resourceVersion : undefined;
  const meant = typeof version === "string" ? objects.cloudVersionOf(path, version) : undefined;
  if (meant === undefined) return undefined;
  return { ...(given as object), metadata: { ...(metadata as object), resourceVersion: meant } };
}

/** Throws `BadRequest`, `UnsupportedMediaType`. */
export function requireObject(contentType: string, body: string): JsonObject {
  const object = jsonOf(contentType, body);
  if (!isObject(object)) throw new ApiError("BadRequest", "the body must be an object");
  return object;
}

/** @returns The patch, if it is JSON. */
function requirePatch(contentType: string, body: string): unknown {
  if (!patchTypes.has(contentType)) {
    const text = `the body of the request was in an unknown format - accepted media types include: ${[...patchTypes].join(", ")}`;
    throw new ApiError("UnsupportedMediaType", text);
  }
  return contentType.endsWith("+json") ? jsonOf("", body) : undefined;
}

function jsonOf(contentType: string, body: string): unknown {
  if (contentType !== "" && contentType !== "application/json")
    throw new ApiError(
      "UnsupportedMediaType",
      "objects are taken as application/json only; with kubectl, write them to a file first: --dry-run=client -o json",
    );
  try {
    return JSON.parse(body);
  } catch (error) {
    throw new ApiError(
      "BadRequest",
      `the body is not JSON: ${error instanceof Error ? error.message : error}`,
    );
  }
}
