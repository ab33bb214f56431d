import type { ObjectPath } from "./api-path.ts";
import type { ApplicationDraft } from "./application.ts";
import type { CloudApi } from "./cloud-api.ts";
import { isRecord } from "./objects.ts";
import { deleted, refuse, StatusError } from "./status.ts";
import { deleteOption, patchOption, writeOption } from "./verb-options.ts";

export interface WriteRequest {
  readonly path: ObjectPath;
  readonly verb: "create" | "update" | "patch" | "delete";
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

/** Passes a write to the cloud: only there objects change. Rejects with a StatusError, `E_LINK_LOST`, `E_TIMEOUT`. */
export async function write(cloud: CloudApi, request: WriteRequest): Promise<WriteAnswer> {
  const outcome = await cloud.ask(draftOf(request), request.gone);
  if (!outcome.approved) throw new StatusError(outcome.status);
  const code = request.verb === "create" ? 201 : 200;
  return { code, text: outcome.body ?? JSON.stringify(deleted(request.path)) };
}

function draftOf({ path, verb, query, contentType, body }: WriteRequest): ApplicationDraft {
  switch (verb) {
    case "create":
      requireObject(contentType, body);
      return { path, verb, option: writeOption("CreateOptions", query), body };
    case "update": {
      requireObject(contentType, body);
      const option = writeOption("UpdateOptions", query);
      return { path, verb: path.subresource === "status" ? "updatestatus" : verb, option, body };
    }
    case "patch":
      requirePatch(contentType, body);
      return { path, verb, option: patchOption(path, { type: contentType, body }, query), body: "" };
    case "delete":
      return {
        path,
        verb,
        option: deleteOption(query, body === "" ? undefined : jsonOf(contentType, body)),
        body: "",
      };
    default:
      return verb satisfies never;
  }
}

function requireObject(contentType: string, body: string): void {
  if (!isRecord(jsonOf(contentType, body))) throw refuse("BadRequest", "the body must be an object");
}

function requirePatch(contentType: string, body: string): void {
  if (!patchTypes.has(contentType)) {
    const text = `the body of the request was in an unknown format - accepted media types include: ${[...patchTypes].join(", ")}`;
    throw refuse("UnsupportedMediaType", text);
  }
  if (contentType.endsWith("+json")) jsonOf("", body);
}

function jsonOf(contentType: string, body: string): unknown {
  if (contentType !== "" && contentType !== "application/json")
    throw refuse("UnsupportedMediaType", "objects are taken as application/json only");
  try {
    return JSON.parse(body);
  } catch (error) {
    throw refuse("BadRequest", `the body is not JSON: ${error instanceof Error ? error.message : error}`);
  }
}
