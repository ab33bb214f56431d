import type { Condition, PodStatus } from "./pod-status.ts";
import type { PodIdentity } from "./runtime.ts";

/**
 * Pure. The strategic merge patch that brings a status to the cloud, whatever status it had before: lists that merge by key
 * name what goes, absent texts are null. It begins with the uid, so that a pod made anew is not touched.
 *
 * @param formerIps Addresses the pod has had and has no more.
 */
export function statusPatch(
  { uid }: PodIdentity,
  status: Partial<PodStatus>,
  formerIps: readonly string[] = [],
): string {
  const { conditions, podIPs, ...rest } = status;
  const gone = formerIps.map((ip) => ({ $patch: "delete", ip }));
  const ips = [...(podIPs ?? []), ...gone];
  const order = conditions?.map(({ type }) => ({ type }));
  return JSON.stringify({
    metadata: { uid },
    status: {
      ...(conditions ? { "$setElementOrder/conditions": order, conditions: conditions.map(withNulls) } : {}),
      reason: null,
      message: null,
      podIP: null,
      ...rest,
      ...(ips.length > 0 ? { podIPs: ips } : {}),
    },
  });
}

function withNulls(condition: Condition): object {
  return { reason: null, message: null, ...condition };
}
