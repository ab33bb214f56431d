import type { KubeObject } from "../../kubernetes/index.ts";
import { objectOf, objectsOf, specOf, statusOf, textOf } from "../runtime/fields.ts";
import { tolerates } from "../runtime/taints.ts";
import { fits, hasEnded, ownerOf } from "./pod-state.ts";

/** Which node a pod goes to. Pure. Source: Kubernetes' scheduler, of whose rules these are a part. */

export interface Candidate {
  readonly node: KubeObject;
  /** Those on it, the ending ones too. */
  readonly pods: readonly KubeObject[];
}

/** The name of a node, or why there is none. */
export type Choice = { readonly node: string } | { readonly message: string };

/** Of the nodes that may take the pod, the one with the fewest of the same owner, then the fewest pods, then by name. */
export function chooseNode(pod: KubeObject, candidates: readonly Candidate[]): Choice {
  const reasons = new Map<string, number>();
  const fitting: Candidate[] = [];
  for (const candidate of candidates) {
    const reason = objection(pod, candidate);
    if (reason === undefined) fitting.push(candidate);
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const owner = ownerOf(pod);
  const [best] = fitting
    .map(({ node, pods }) => ({
      name: node.metadata.name ?? "",
      siblings: pods.filter((one) => owner !== undefined && ownerOf(one) === owner).length,
      pods: pods.length,
    }))
    .sort((a, b) => a.siblings - b.siblings || a.pods - b.pods || (a.name < b.name ? -1 : 1));
  if (best !== undefined) return { node: best.name };
  const why = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return { message: `0/${candidates.length} nodes are available: ${why.join(", ") || "there are none"}.` };
}

/** Why this node cannot take the pod. */
function objection(pod: KubeObject, { node, pods }: Candidate): string | undefined {
  const spec = specOf(pod);
  const nodeSpec = specOf(node);
  const labels: Readonly<Record<string, string>> = {
    ...node.metadata.labels,
    "metadata.name": node.metadata.name ?? "",
  };
  if (nodeSpec.unschedulable === true) return "node(s) were unschedulable";
  const wanted = Object.entries(objectOf(spec.nodeSelector));
  if (!wanted.every(([key, value]) => labels[key] === value) || !matchesAffinity(spec.affinity, labels))
    return "node(s) didn't match Pod's node affinity/selector";
  const tolerations = objectsOf(spec.tolerations);
  const taint = objectsOf(nodeSpec.taints)
    .filter(({ effect }) => effect === "NoSchedule" || effect === "NoExecute")
    .find((one) => !tolerations.some((toleration) => tolerates(toleration, one)));
  if (taint !== undefined)
    return `node(s) had untolerated taint {${textOf(taint.key)}: ${textOf(taint.value)}}`;
  const running = pods.filter((one) => !hasEnded(one));
  const most = Number(objectOf(statusOf(node).allocatable).pods ?? Number.POSITIVE_INFINITY);
  if (running.length >= most) return "Too many pods";
  const taken = new Set(running.flatMap(hostPorts));
  if (hostPorts(pod).some((port) => taken.has(port)))
    return "node(s) didn't have free ports for the requested pod ports";
  return undefined;
}

function matchesAffinity(affinity: unknown, labels: Readonly<Record<string, string>>): boolean {
  const required = objectOf(objectOf(affinity).nodeAffinity).requiredDuringSchedulingIgnoredDuringExecution;
  if (required === undefined) return true;
  return objectsOf(objectOf(required).nodeSelectorTerms).some(({ matchExpressions, matchFields }) =>
    [...objectsOf(matchExpressions), ...objectsOf(matchFields)].every((one) => fits(one, labels)),
  );
}

function hostPorts(pod: KubeObject): string[] {
  return objectsOf(specOf(pod).containers)
    .flatMap(({ ports }) => objectsOf(ports))
    .filter(({ hostPort }) => typeof hostPort === "number" && hostPort > 0)
    .map(({ hostPort, protocol }) => `${textOf(protocol, "TCP")} ${String(hostPort)}`);
}
