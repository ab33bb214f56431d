import type { KubeObject } from "../../kubernetes/index.ts";
import type { Informer } from "../runtime/informer.ts";
import { ownerOf, podNode } from "./pod-state.ts";

/** Keys of work queues, and the indexes of pods that all parts of this controller use. */

export function keyOf(object: KubeObject): string {
  return `${object.metadata.namespace}/${object.metadata.name}`;
}

export function nameOfKey(key: string): { namespace: string; name: string } {
  const [namespace = "", name = ""] = key.split("/");
  return { namespace, name };
}

/** `owner`: the uid of what has made it. */
export function indexPods(pods: Informer): void {
  pods.addIndex("owner", (pod) => [ownerOf(pod) ?? ""]);
  pods.addIndex("node", (pod) => (podNode(pod) === "" ? [] : [podNode(pod)]));
  pods.addIndex("namespace", (pod) => [pod.metadata.namespace ?? ""]);
}
