import type { KubeObject } from "../../kubernetes/index.ts";
import { objectsOf, statusOf } from "../runtime/fields.ts";
import type { Informer } from "../runtime/informer.ts";
import { podNode } from "./pod-state.ts";

/** A node that is away keeps its pods, but nobody can use them. */
export function isReachable(nodes: Pick<Informer, "get">, pod: KubeObject): boolean {
  return readiness(nodes.get({ name: podNode(pod) })) !== "Unknown";
}

export function readiness(node: KubeObject | undefined): unknown {
  return objectsOf(statusOf(node).conditions).find((one) => one.type === "Ready")?.status;
}

/** Tells of nodes that have gone away or come back. @returns Ends it. */
export function onReadiness(nodes: Pick<Informer, "observe">, tell: (node: string) => void): () => void {
  return nodes.observe(({ object, previous }) => {
    if (readiness(object) !== readiness(previous)) tell((object ?? previous)?.metadata.name ?? "");
  });
}
