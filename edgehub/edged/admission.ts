import type { Pod } from "./pod.ts";
import { hostPortsOf } from "./pod-spec.ts";
import type { Reason } from "./pod-view.ts";
import { sysctlProblem } from "./sysctls.ts";

/** Whether a pod fits beside those that this node has taken in. Pure. Source: kubelet's admission of pods. */

/**
 * @param others Pods that were taken in before.
 * @returns Why not; `wait`: what it needs is about to be given up; `undefined`: it fits.
 */
export function refusalOf(pod: Pod, others: readonly Pod[], maxPods: number): Reason | "wait" | undefined {
  const forbidden = sysctlProblem(pod);
  if (forbidden) return forbidden;
  const clash = portClash(pod, others);
  if (clash?.other.deletion) return "wait";
  if (clash) {
    const { other, hostPort, protocol } = clash;
    const message = `Pod was rejected: Predicate NodePorts failed: host port ${hostPort}/${protocol} is taken by pod ${other.namespace}/${other.name}`;
    return { reason: "NodePorts", message };
  }
  if (others.length < maxPods) return undefined;
  if (others.some((other) => other.deletion)) return "wait";
  const message = `Pod was rejected: Node didn't have enough resource: pods, requested: 1, used: ${others.length}, capacity: ${maxPods}`;
  return { reason: "OutOfpods", message };
}

function portClash(
  pod: Pod,
  others: readonly Pod[],
): { other: Pod; hostPort: number; protocol: string } | undefined {
  const wanted = hostPortsOf(pod);
  for (const other of others) {
    for (const taken of hostPortsOf(other)) {
      const hit = wanted.find(
        (port) =>
          port.hostPort === taken.hostPort &&
          port.protocol === taken.protocol &&
          sameAddress(port.hostIp, taken.hostIp),
      );
      if (hit) return { other, hostPort: hit.hostPort, protocol: hit.protocol };
    }
  }
  return undefined;
}

/** No address, or 0.0.0.0, is all of them. */
function sameAddress(one: string, other: string): boolean {
  const all = (ip: string): boolean => ip === "" || ip === "0.0.0.0" || ip === "::";
  return all(one) || all(other) || one === other;
}
