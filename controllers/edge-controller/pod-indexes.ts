import type { KubeObject } from "../../kubernetes/index.ts";
import { specOf, textOf } from "../runtime/fields.ts";
import type { Informer } from "../runtime/informer.ts";
import { claimsOf, neededPaths } from "./references.ts";

/** How pods are found: by their node, by what they need, and by both. */
type Pods = Pick<Informer, "by" | "addIndex">;

export function nodeOf(pod: KubeObject | undefined): string {
  return textOf(specOf(pod).nodeName);
}

export function neededIndex(pods: Pods): void {
  pods.addIndex("node", (pod) => (nodeOf(pod) === "" ? [] : [nodeOf(pod)]));
  pods.addIndex("needs", (pod) => (nodeOf(pod) === "" ? [] : neededPaths(pod)));
  pods.addIndex("node-needs", (pod) =>
    nodeOf(pod) === "" ? [] : neededPaths(pod).map((path) => `${nodeOf(pod)} ${path}`),
  );
}

/** Finds pods by their node and the claims they use. */
export function claimIndex(pods: Pods): void {
  pods.addIndex("node-claims", (pod) =>
    nodeOf(pod) === ""
      ? []
      : claimsOf(pod).map((claim) => `${nodeOf(pod)} ${pod.metadata.namespace}/${claim}`),
  );
}

export function podsOnNode(pods: Pods, node: string): KubeObject[] {
  return pods.by("node", node);
}

/** Pods of a node that need a resource. */
export function neededOnNode(pods: Pods, node: string, path: string): KubeObject[] {
  return pods.by("node-needs", `${node} ${path}`);
}

/** Nodes with pods that need a resource. */
export function nodesThatNeed(pods: Pods, path: string): Set<string> {
  return new Set(pods.by("needs", path).map(nodeOf));
}

/** Does a pod of the node use the claim? */
export function claimedOnNode(
  pods: Pods,
  node: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): boolean {
  return pods.by("node-claims", `${node} ${namespace}/${name}`).length > 0;
}
