import type { Delivery } from "./delivery.ts";
import { HubError, shown } from "./errors.ts";
import { isOperation, type Operation } from "./operation.ts";
import { parseResource, type Resource, splitFullResource } from "./resource.ts";
import { type ResourceVersion, requireVersion } from "./version.ts";

/** Names a message; a UUID in practice, any text of 1 to 128 characters is taken. */
export type MessageId = string & { readonly brand: "MessageId" };

/** The name of an edge machine: a Kubernetes node name. */
export type NodeId = string & { readonly brand: "NodeId" };

/**
 * The unit that is stored, sent and acknowledged. Field by field KubeEdge's `model.Message`, except that
 * the node stands beside the resource instead of inside it, and that the publisher says how the message
 * is to be delivered. Source: KubeEdge message model.
 */
export interface Message {
  /** `header.msg_id`. */
  readonly id: MessageId;
  /** `header.parent_msg_id`: on a response, the message it answers. */
  readonly parentId: MessageId | undefined;
  /** `header.timestamp`: the sender's wall clock, ms since 1970. A bigint only beyond 2^53. */
  readonly timestamp: number | bigint;
  /** `header.resourceversion`: the version of the object in `content`. */
  readonly resourceVersion: ResourceVersion | undefined;
  /** The node it goes to or comes from. */
  readonly node: NodeId;
  /** `route.source`: the sending module. */
  readonly source: string;
  /** `route.group`: the receiving group. */
  readonly group: string;
  /** `route.operation`. */
  readonly operation: Operation;
  /** `route.resource`, without the node. */
  readonly resource: Resource;
  /** JSON text in UTF-8, as it came; empty means null. Nobody parses it on the way. */
  readonly content: Uint8Array;
  readonly delivery: Delivery;
  /** The message in packed form, if it came that way or was packed before: saves packing it again. */
  readonly packed: Uint8Array | undefined;
}

/** What a caller says of a message; {@link createMessage} checks it and fills in the rest. */
export interface MessageDraft {
  /** Node name. May be left out if `resource` begins with `node/<node>/`. */
  readonly node?: string;
  /** `<namespace>/<type>/<name>`, `null` as namespace of a cluster-wide object. */
  readonly resource: string;
  readonly operation: string;
  /** Any JSON value; a `Uint8Array` is taken as JSON text in UTF-8. Default null. */
  readonly content?: unknown;
  /** Unsigned decimal. Needed for state. */
  readonly resourceVersion?: string;
  /** Default `edgecontroller`, the source every edge acknowledges. */
  readonly source?: string;
  /** Default `resource`. */
  readonly group?: string;
  readonly parentId?: string;
  /** Default: by KubeEdge's rules, see `deliveryOf`. */
  readonly delivery?: Delivery;
  /** Default: a new UUID. Set it to make a repeated publish recognisable. */
  readonly id?: string;
}

const maxWordLength = 128;
const nodeName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const nothing = new Uint8Array(0);

/** @returns The name as a NodeId, or `undefined` if it is no DNS subdomain of at most 253 characters. */
export function parseNodeId(text: string): NodeId | undefined {
  return text.length <= 253 && nodeName.test(text) ? (text as NodeId) : undefined;
}

/** As {@link parseNodeId}, but throws `E_NO_NODE`. */
export function requireNodeId(value: unknown): NodeId {
  const node = typeof value === "string" ? parseNodeId(value) : undefined;
  if (node === undefined) {
    throw new HubError(
      "E_NO_NODE",
      `a node name must be a DNS subdomain of at most 253 characters, got ${shown(value)}`,
    );
  }
  return node;
}

/** Throws `E_BAD_OPERATION` for a word that is not the protocol's. */
export function requireOperation(text: string): Operation {
  if (!isOperation(text)) throw new HubError("E_BAD_OPERATION", `unknown operation ${shown(text)}`);
  return text;
}

/** Throws `E_BAD_MESSAGE` for an id that is empty or longer than 128 characters. */
export function requireMessageId(text: string): MessageId {
  if (text.length === 0 || text.length > maxWordLength) {
    throw new HubError(
      "E_BAD_MESSAGE",
      `a message id must have 1 to ${maxWordLength} characters, got ${shown(text)}`,
    );
  }
  return text as MessageId;
}

/** JSON text of a value, as content. `undefined` and null become empty content. Throws `E_BAD_MESSAGE`. */
export function toContent(value: unknown): Uint8Array {
  if (value === undefined || value === null) return nothing;
  if (value instanceof Uint8Array) return value;
  const text = jsonText(value);
  if (text === undefined)
    throw new HubError("E_BAD_MESSAGE", `content cannot be written as JSON: ${typeof value}`);
  return utf8.encode(text);
}

/** The content as a JSON value; null if it is empty. Throws `E_BAD_MESSAGE` if it is no JSON text. */
export function contentOf(message: Pick<Message, "content">): unknown {
  if (message.content.length === 0) return null;
  try {
    return JSON.parse(fromUtf8.decode(message.content));
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "content is not JSON", { cause });
  }
}

/**
 * Checks a draft and makes the message.
 *
 * @param stamp The id to use if the draft has none, and the wall clock in ms since 1970.
 * Throws `E_NO_NODE`, `E_BAD_OPERATION`, `E_BAD_RESOURCE`, `E_BAD_VERSION` or `E_BAD_MESSAGE`, each with
 * the offending value.
 */
export function createMessage(
  draft: MessageDraft,
  stamp: { id: string; timestamp: number; delivery(message: Omit<Message, "delivery" | "packed">): Delivery },
): Message {
  const { node, resource } = placeOf(draft);
  const bare = {
    id: requireMessageId(draft.id ?? stamp.id),
    parentId: draft.parentId === undefined ? undefined : requireMessageId(draft.parentId),
    timestamp: Math.trunc(stamp.timestamp),
    resourceVersion: draft.resourceVersion === undefined ? undefined : requireVersion(draft.resourceVersion),
    node,
    source: requireWord("source", draft.source ?? "edgecontroller"),
    group: requireWord("group", draft.group ?? "resource"),
    operation: requireOperation(draft.operation),
    resource,
    content: toContent(draft.content),
  };
  const delivery = draft.delivery ?? stamp.delivery(bare);
  // An edge would take it for the answer to a query that it never made.
  if (delivery.kind === "state" && bare.parentId !== undefined)
    throw new HubError("E_BAD_MESSAGE", "an object is no answer: state has no parentId");
  return { ...bare, delivery, packed: undefined };
}

function placeOf(draft: MessageDraft): { node: NodeId; resource: Resource } {
  if (draft.node !== undefined)
    return { node: requireNodeId(draft.node), resource: parseResource(draft.resource) };
  const full = splitFullResource(draft.resource);
  if (full === undefined) {
    throw new HubError(
      "E_NO_NODE",
      `give a node, or a resource that begins with node/<node>/; got ${shown(draft.resource)}`,
    );
  }
  return { node: requireNodeId(full.node), resource: parseResource(full.path) };
}

function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "content cannot be written as JSON", { cause });
  }
}

function requireWord(field: string, text: string): string {
  if (text.length === 0 || text.length > maxWordLength) {
    throw new HubError(
      "E_BAD_MESSAGE",
      `${field} must have 1 to ${maxWordLength} characters, got ${shown(text)}`,
    );
  }
  return text;
}
