import { isDeepStrictEqual } from "node:util";
import { ApiError, type KubeObject } from "../../kubernetes/index.ts";
import type { ResourceStore } from "../store/resource-store.ts";
import { nodeOf } from "./node-rights.ts";
import type { User } from "./user.ts";

/** What nodes may not do with what they may change otherwise. Source: Kubernetes NodeRestriction. */

/** Where a node is and what may run on it is not its to say. Throws `Forbidden`. */
export function requireNodeRestriction(user: User, next: KubeObject, old: KubeObject | undefined): void {
  const node = nodeOf(user);
  if (node === undefined || next.apiVersion !== "v1" || old === undefined) return;
  if (next.kind === "Pod") requireSamePod(node, next, old);
  if (next.kind !== "Node") return;
  const { labels = {} } = next.metadata;
  if (!isDeepStrictEqual(labels, old.metadata.labels ?? {})) throw restricted("nodes", node, "labels");
  if (!isDeepStrictEqual(next.spec ?? {}, old.spec ?? {})) throw restricted("nodes", node, "spec");
}

/** A node says how its pods are, with the status only. */
function requireSamePod(node: string, { metadata }: KubeObject, old: KubeObject): void {
  const { name = "" } = metadata;
  for (const what of ["labels", "annotations"] as const) {
    if (isDeepStrictEqual(metadata[what] ?? {}, old.metadata[what] ?? {})) continue;
    const text = `pods "${name}" is forbidden: node "${node}" is not allowed to modify the ${what} of pods`;
    throw new ApiError("Forbidden", text, { name, kind: "pods" });
  }
}

/** A node gets tokens for its pods, which end with them. Throws `Forbidden`. */
export function requireBoundToken(
  user: User,
  { namespace = "", name }: { readonly namespace: string | undefined; readonly name: string },
  request: KubeObject,
  store: Pick<ResourceStore, "get">,
): void {
  const node = nodeOf(user);
  if (node === undefined) return;
  const { boundObjectRef } = (request.spec ?? {}) as { boundObjectRef?: BoundTo };
  const { kind, name: podName = "", uid } = boundObjectRef ?? {};
  const pod = kind === "Pod" ? store.get({ type: "pods", namespace, name: podName })?.object : undefined;
  const { nodeName, serviceAccountName = "default" } = (pod?.spec ?? {}) as PodSpec;
  const isMirror = pod?.metadata.annotations?.["kubernetes.io/config.mirror"] !== undefined;
  if (nodeName === node && serviceAccountName === name && pod?.metadata.uid === uid && !isMirror) return;
  const text = `serviceaccounts "${name}" is forbidden: node "${node}" must ask for a token that is bound to a pod of its that uses this account, with its uid`;
  throw new ApiError("Forbidden", text, { name, kind: "serviceaccounts" });
}

interface BoundTo {
  readonly kind?: string;
  readonly name?: string;
  readonly uid?: string;
}

interface PodSpec {
  readonly nodeName?: string;
  readonly serviceAccountName?: string;
}

function restricted(kind: string, name: string, what: string): ApiError {
  const text = `${kind} "${name}" is forbidden: node "${name}" is not allowed to modify its ${what}`;
  return new ApiError("Forbidden", text, { name, kind });
}
