import { ApiError, type ObjectsApi } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Informers } from "../runtime/informers.ts";
import { failedResp, statusError } from "./answers.ts";
import type { HubLabels } from "./hub-labels.ts";

/** What an edge asks of the API. */
export interface EdgeRequest {
  /** Who asks, as its link proves. */
  readonly node: string;
  readonly operation: string;
  /** `undefined`: the word `null`, as newer edges write it for nodes. */
  readonly namespace: string | undefined;
  readonly type: string;
  readonly name: string;
  readonly content: unknown;
}

export interface Reply {
  readonly content: unknown;
  readonly resourceVersion?: string | undefined;
  /** Default: the request's. */
  readonly type?: string;
  readonly source?: string;
}

/** `undefined`: nothing is answered. */
export type Answering = (request: EdgeRequest) => Promise<Reply | undefined>;

/** How a request that fails is answered: as an ObjectResp, as a bare error, not at all. */
export type FailureShape = "wrapped" | "bare" | "none";

export interface Handler {
  readonly failure: FailureShape;
  readonly answer: Answering;
}

/** By type and operation: `node insert`. */
export type Handlers = Readonly<Record<string, Handler>>;

/** What handlers need to know of what nodes are sent. */
export interface SentToNodes {
  /** The node reads its Node object from its own store, where it must be kept up to date. */
  readsItsNode(node: string): void;
  /** Such a node registers itself: it may have lost what it had. */
  lacksItsNode(node: string): void;
  /** The node has a pod that is no more. */
  hasStalePod(node: string, namespace: string, name: string, uid: string): Promise<void>;
}

export interface RequestParts {
  readonly objects: ObjectsApi;
  readonly clock: Clock;
  readonly informers: Informers;
  readonly sent: SentToNodes;
  readonly labels: Pick<HubLabels, "of">;
  readonly clusterCa: string | undefined;
}

export function failureReply(shape: FailureShape, error: ApiError): Reply | undefined {
  if (shape === "none") return undefined;
  return { content: shape === "wrapped" ? failedResp(error) : statusError(error) };
}

/** A node may touch what is its own, and nothing else. */
export function forbidden(resource: string, name: string, why: string): ApiError {
  return new ApiError("Forbidden", `${resource} "${name}" is forbidden: ${why}`, { name, kind: resource });
}

/** Content that is JSON, or the text of JSON. Throws `BadRequest`. */
export function documentOf(content: unknown): unknown {
  if (typeof content !== "string") return content;
  try {
    return JSON.parse(content) as unknown;
  } catch {
    throw new ApiError("BadRequest", "the content is no JSON");
  }
}
