import { createHash } from "node:crypto";
import { ApiError, type Status } from "../../kubernetes/api-error.ts";
import { isObject } from "../../kubernetes/json.ts";
import type { ObjectPath } from "../../kubernetes/path.ts";
import { type ApplicationVerb, keyOf } from "./api-path.ts";
import { statusFrom } from "./status.ts";

/** Requests to the Kubernetes API that the cloud executes for a node. Source: KubeEdge's MetaServer applications. */

/** What the cloud is to do. */
export interface ApplicationDraft {
  readonly path: ObjectPath;
  readonly verb: ApplicationVerb;
  /** The options of the verb, JSON text. */
  readonly option: string;
  /** An object, JSON text; empty: none. */
  readonly body: string;
}

/** As KubeEdge writes it; texts in base64 where it has byte slices. */
export interface Application {
  readonly ID: string;
  readonly Key: string;
  readonly Verb: ApplicationVerb;
  readonly Nodename: string;
  readonly Option: string;
  readonly ReqBody: string | null;
  readonly Subresource: string;
  readonly RespBody: string | null;
  readonly Status: string;
  readonly Reason: string;
  readonly Error: unknown;
  readonly Timestamp: string;
}

/** Where an application is sent to, as a message. */
export const applicationRoute = {
  source: "metaserver",
  group: "dynamiccontroller",
  operation: "null",
} as const;

export function applicationOf({ path, verb, option, body }: ApplicationDraft, node: string): Application {
  const key = keyOf(path);
  const words = [node, key, verb, option, body, path.subresource];
  return {
    ID: createHash("sha256").update(words.join("")).digest("hex"),
    Key: key,
    Verb: verb,
    Nodename: node,
    Option: toBase64(option),
    ReqBody: body === "" ? null : toBase64(body),
    Subresource: path.subresource,
    RespBody: null,
    Status: "InApplying",
    Reason: "",
    Error: { ErrStatus: { metadata: {} } },
    Timestamp: "0001-01-01T00:00:00Z",
  };
}

/** What the cloud made of an application. `body` is JSON text; `undefined`: none. */
export type Outcome =
  | { readonly approved: true; readonly body: string | undefined }
  | { readonly approved: false; readonly status: Status };

/** Reads the content of an `applicationResponse`. */
export function outcomeOf(content: unknown): Outcome {
  if (!isObject(content))
    return {
      approved: false,
      status: new ApiError("InternalError", "the cloud's answer is no application").status,
    };
  if (content.Status === "Approved") {
    const body = typeof content.RespBody === "string" ? fromBase64(content.RespBody) : "";
    return { approved: true, body: body === "" ? undefined : body };
  }
  const error = isObject(content.Error) ? statusFrom(content.Error.ErrStatus) : undefined;
  const reason =
    typeof content.Reason === "string" && content.Reason !== "" ? content.Reason : "no reason given";
  return {
    approved: false,
    status: error ?? new ApiError("InternalError", `the cloud rejected this: ${reason}`).status,
  };
}

function toBase64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function fromBase64(text: string): string {
  return Buffer.from(text, "base64").toString();
}
