import type { Pod } from "./pod.ts";
import { qosClassOf } from "./pod-spec.ts";
import { evicted, type Reason } from "./pod-view.ts";

/** When a node is short of something, and who has to go then. Pure. Source: kubelet's default hard thresholds. */

export interface Free {
  /** `undefined`: nobody knows; so below. */
  readonly memoryBytes: number | undefined;
  readonly diskBytes: number | undefined;
  readonly diskTotalBytes: number | undefined;
}

export interface Shortage {
  readonly resource: "memory" | "ephemeral-storage";
  readonly thresholdBytes: number;
  readonly availableBytes: number;
}

const memoryThresholdBytes = 100 << 20;
const nodeDiskShare = 0.1;
const imageDiskShare = 0.15;
/** From here on the system itself needs a pod. */
const criticalPriority = 2_000_000_000;

export function memoryShortage({ memoryBytes }: Pick<Free, "memoryBytes">): Shortage | undefined {
  return shortage("memory", memoryThresholdBytes, memoryBytes);
}

/** @param share Of the disk that has to be free. */
export function diskShortage(
  { diskBytes, diskTotalBytes }: Pick<Free, "diskBytes" | "diskTotalBytes">,
  share: number = nodeDiskShare,
): Shortage | undefined {
  const threshold = diskTotalBytes === undefined ? undefined : diskTotalBytes * share;
  return threshold === undefined ? undefined : shortage("ephemeral-storage", threshold, diskBytes);
}

/** What is short, memory first. @param images Of the disk that images lie on; `undefined`: nobody knows. */
export function shortageOf(node: Free, images: Free | undefined): Shortage | undefined {
  return memoryShortage(node) ?? diskShortage(node) ?? (images && diskShortage(images, imageDiskShare));
}

/** The one that goes first: lowest priority, then that without requests, then the newest. */
export function victimOf(pods: readonly Pod[]): Pod | undefined {
  const ranks = { BestEffort: 0, Burstable: 1, Guaranteed: 2 } as const;
  return pods
    .filter(({ priority }) => priority < criticalPriority)
    .toSorted(
      (a, b) =>
        a.priority - b.priority ||
        ranks[qosClassOf(a)] - ranks[qosClassOf(b)] ||
        b.createdAt - a.createdAt ||
        (a.uid < b.uid ? -1 : 1),
    )[0];
}

export function evictionReason({ resource, thresholdBytes, availableBytes }: Shortage): Reason {
  const message = `The node was low on resource: ${resource}. Threshold quantity: ${Math.ceil(thresholdBytes)}, available: ${kibibytes(availableBytes)}. `;
  return { reason: evicted, message };
}

/** Why a new pod is not taken in while the node is short of something; `undefined`: it is. */
export function pressureRefusal(pod: Pod, { resource }: Shortage): Reason | undefined {
  if (pod.priority >= criticalPriority) return undefined;
  if (resource === "memory" && qosClassOf(pod) !== "BestEffort") return undefined;
  const condition = resource === "memory" ? "MemoryPressure" : "DiskPressure";
  return { reason: evicted, message: `The node had condition: [${condition}]. ` };
}

function shortage(
  resource: Shortage["resource"],
  thresholdBytes: number,
  availableBytes: number | undefined,
): Shortage | undefined {
  if (availableBytes === undefined || availableBytes >= thresholdBytes) return undefined;
  return { resource, thresholdBytes, availableBytes };
}

function kibibytes(bytes: number): string {
  return `${Math.floor(bytes / 1_024)}Ki`;
}
