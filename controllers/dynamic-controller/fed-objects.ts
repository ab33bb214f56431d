import type { KubeObject } from "../../kubernetes/index.ts";
import { type PublishDraft, type ResourceView, state } from "../../sdk/index.ts";

/**
 * What a node is fed of an object that its programs watch, what the hub has accepted of it, and the message that turns the
 * one into the other. Pure.
 */

/** What the hub has accepted for a node. */
export interface Fed {
  readonly uid: string;
  /** The object's, when it was published. */
  readonly version: string;
}

const idPrefix = "dynamiccontroller/";

/** Path of an object as nodes know it: `default/configmap/limits`. Source: KubeEdge, objects of watches. */
export function pathOf({ kind, metadata }: KubeObject): string {
  return `${metadata.namespace ?? "null"}/${kind.toLowerCase()}/${metadata.name ?? ""}`;
}

export function partsOf(path: string): { namespace: string | undefined; kind: string; name: string } {
  const [namespace = "", kind = "", name = ""] = path.split("/");
  return { namespace: namespace === "null" ? undefined : namespace, kind, name };
}

/** Its Node object: with its deletion a cloud ends a node's link. */
export function isOwnNode(path: string, node: string): boolean {
  return path === `null/node/${node}`;
}

export function fedFrom({ uid, resourceVersion }: KubeObject["metadata"]): Fed {
  return { uid: uid ?? "", version: resourceVersion ?? "0" };
}

/** Ids tell after a restart what was fed; `undefined`: nothing, or by others. */
export function fedOf({ acceptedId, acceptedDeleted }: ResourceView): Fed | undefined {
  if (acceptedDeleted || !acceptedId?.startsWith(idPrefix)) return undefined;
  const [uid = "", version = ""] = acceptedId.slice(idPrefix.length).split("/");
  return { uid, version };
}

/** The object as it is now. @param content Its JSON text. */
export function putDraft(
  place: { readonly node: string; readonly path: string; readonly content: Uint8Array },
  { metadata }: KubeObject,
  fed: Fed | undefined,
): PublishDraft {
  const { uid, version } = fedFrom(metadata);
  return {
    node: place.node,
    source: "dynamiccontroller",
    resource: place.path,
    id: `${idPrefix}${uid}/${version}`,
    operation: fed === undefined ? "insert" : "update",
    resourceVersion: version,
    delivery: state,
    content: place.content,
  };
}

/** @param last The object as it was last, or what is known of it. */
export function deleteDraft(
  { node, path }: { readonly node: string; readonly path: string },
  last: KubeObject,
): PublishDraft {
  const version = last.metadata.resourceVersion;
  return {
    node,
    source: "dynamiccontroller",
    resource: path,
    operation: "delete",
    delivery: state,
    content: last,
    ...(version === undefined ? {} : { resourceVersion: version }),
  };
}
