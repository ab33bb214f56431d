import { createHash } from "node:crypto";
import type { KubeObject } from "../../kubernetes/index.ts";
import { type PublishDraft, type ResourceView, state } from "../../sdk/index.ts";

/**
 * What a node is to have of an object, what the hub has accepted for it, and the messages that turn the one into the
 * other. Pure.
 */

export type SentKind = "pod" | "configmap" | "secret" | "node";

export interface Wanted {
  readonly kind: SentKind;
  readonly object: KubeObject;
}

/** What the hub has accepted of a resource. */
export interface Sent {
  readonly uid: string;
  /** What of the object was sent; see {@link stampOf}. */
  readonly stamp: string;
}

const idPrefix = "edgecontroller/";

/**
 * Ids of messages tell which object they carry, and which state of it: so a controller knows after a restart what it has
 * sent, and leaves alone what others have.
 */
export function messageId({ uid, stamp }: Sent): string {
  return `${idPrefix}${uid}/${stamp}`;
}

/** What the hub will have brought to the node; `undefined`: nothing, or nothing of this controller. */
export function sentOf({ acceptedId, acceptedDeleted }: ResourceView): Sent | undefined {
  if (acceptedDeleted || !acceptedId?.startsWith(idPrefix)) return undefined;
  const [uid = "", stamp = ""] = acceptedId.slice(idPrefix.length).split("/");
  return { uid, stamp };
}

/** Equal for two states of an object between which a node need not distinguish. */
export function stampOf({ kind, object }: Wanted): string {
  if (kind !== "pod" && kind !== "node") return object.metadata.resourceVersion ?? "0";
  const {
    resourceVersion: _rv,
    generation: _generation,
    managedFields: _fields,
    ...metadata
  } = object.metadata;
  const { status, ...rest } = object;
  const shown = kind === "pod" ? undefined : withoutHeartbeats(status);
  return createHash("sha256")
    .update(JSON.stringify([metadata, rest.spec, shown]))
    .digest("hex")
    .slice(0, 20);
}

/** The messages that bring a node what it is to have of a resource, in their order. */
export function draftsFor(
  place: { readonly node: string; readonly path: string },
  wanted: Wanted | undefined,
  sent: Sent | undefined,
  last?: KubeObject,
): PublishDraft[] {
  const { node, path } = place;
  const target = { node, resource: path, delivery: state };
  // The deletion of its Node object would end a node's link.
  if (wanted === undefined)
    return sent === undefined || isOwnNode(path) ? [] : [deletion(target, sent, last)];
  const { kind, object } = wanted;
  const uid = object.metadata.uid ?? "";
  const stamp = stampOf(wanted);
  if (sent?.uid === uid && sent.stamp === stamp) return [];
  const isOther = sent !== undefined && sent.uid !== uid;
  const isNew = sent === undefined || isOther;
  const put: PublishDraft = {
    ...target,
    id: messageId({ uid, stamp }),
    operation: isNew ? insertWord(wanted) : "update",
    resourceVersion: object.metadata.resourceVersion ?? "next",
    content: object,
  };
  // A kubelet would run both.
  return isOther && kind === "pod" ? [deletion(target, sent, last), put] : [put];
}

/** As KubeEdge says it: secrets and nodes come as updates always, and so does a pod that is ending already. */
function insertWord({ kind, object }: Wanted): string {
  const isUpdate = kind === "secret" || kind === "node" || object.metadata.deletionTimestamp !== undefined;
  return isUpdate ? "update" : "insert";
}

function deletion(
  target: Pick<PublishDraft, "node" | "resource" | "delivery">,
  sent: Sent,
  last: KubeObject | undefined,
): PublishDraft {
  const content = last?.metadata.uid === sent.uid ? last : remains(target.resource, sent.uid);
  const { resourceVersion } = content.metadata;
  return {
    ...target,
    operation: "delete",
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    content,
  };
}

/** What is left of an object that nobody has any more: enough for a node to know it. */
export function remains(path: string, uid: string): KubeObject {
  const [namespace = "", kind = "", name = ""] = path.split("/");
  const kinds: Readonly<Record<string, string>> = { pod: "Pod", configmap: "ConfigMap", secret: "Secret" };
  return { apiVersion: "v1", kind: kinds[kind] ?? kind, metadata: { name, namespace, uid } };
}

/** True for the path of a Node object, which newer edges read from their own store. */
export function isOwnNode(path: string): boolean {
  return path.startsWith("null/node/");
}

function withoutHeartbeats(status: unknown): unknown {
  const { conditions, ...rest } = (status ?? {}) as { conditions?: readonly object[] };
  return [rest, conditions?.map((one) => ({ ...one, lastHeartbeatTime: undefined }))];
}
