import type { RuntimeContainer, RuntimeImage, RuntimePod } from "../runtime.ts";
import { type container, containerStatus, type image, type podSandbox } from "./messages.ts";
import { labels } from "./pod-config.ts";
import type { Decoded } from "./protobuf.ts";

export type ListedSandbox = Decoded<typeof podSandbox>;
export type ListedContainer = Decoded<typeof container>;
export type ContainerStatus = Decoded<typeof containerStatus>;

const nanosecondsPerMs = 1e6;

/** Wall clock, ms; the runtime's 0 and what lies before 1970 mean "not yet". */
function time(nanoseconds: number): number | undefined {
  return nanoseconds > 0 ? Math.trunc(nanoseconds / nanosecondsPerMs) : undefined;
}

/** A sandbox and its containers as Edged sees them, containers in the order in which they were made. */
export function podOf(
  sandbox: ListedSandbox,
  ip: string | undefined,
  containers: readonly RuntimeContainer[],
): RuntimePod {
  return {
    uid: sandbox.labels[labels.podUid] ?? "",
    namespace: sandbox.labels[labels.podNamespace] ?? "",
    name: sandbox.labels[labels.podName] ?? "",
    sandboxId: sandbox.id,
    attempt: sandbox.metadata?.attempt ?? 0,
    ready: sandbox.state === "ready",
    ip,
    createdAt: time(sandbox.createdAt) ?? 0,
    containers: containers.toSorted((a, b) => a.createdAt - b.createdAt),
  };
}

/** A container from its line in the list, which knows the image's id, and its status, which knows the rest. */
export function containerOf(listed: ListedContainer, status: ContainerStatus): RuntimeContainer {
  const ended = status.state === "exited";
  const startedAt = time(status.startedAt);
  const finishedAt = ended ? time(status.finishedAt) : undefined;
  return {
    id: listed.id,
    name: listed.metadata?.name ?? "",
    attempt: listed.metadata?.attempt ?? 0,
    state: status.state,
    image: status.image?.image || listed.image?.image || "",
    imageId: imageIdOf(listed),
    ...(status.imageRef ? { imageRef: status.imageRef } : {}),
    createdAt: time(listed.createdAt) ?? 0,
    startedAt,
    // containerd writes down a start when a short run may be over.
    finishedAt: finishedAt && Math.max(finishedAt, startedAt ?? 0),
    exitCode: ended ? status.exitCode : undefined,
    reason: status.reason,
    message: status.message,
    logPath: status.logPath,
  };
}

/** Stands for the status that a runtime could not tell; whether the container runs is known from the list. */
export function untoldStatus(listed: ListedContainer, why: string): ContainerStatus {
  const nothingKnown = containerStatus.decode(new Uint8Array(0));
  return { ...nothingKnown, state: listed.state === "exited" ? "unknown" : listed.state, message: why };
}

/** @param needed Ids and names of images that others than this agent need. */
export function imageOf(listed: Decoded<typeof image>, needed: ReadonlySet<string>): RuntimeImage {
  return {
    id: listed.id,
    tags: listed.repoTags.length > 0 ? listed.repoTags : listed.repoDigests,
    pinned: listed.pinned || [listed.id, ...listed.repoTags].some((name) => needed.has(name)),
    sizeBytes: listed.size,
  };
}

/** Images that the runtime and the containers of others need. @param info The runtime's, of its status. */
export function neededByOthers(
  containers: readonly ListedContainer[],
  node: string,
  info: Readonly<Record<string, string>>,
): Set<string> {
  const foreign = containers.filter((one) => one.labels[labels.owner] !== node).map(imageIdOf);
  return new Set([...foreign, ...sandboxImageOf(info)]);
}

function imageIdOf(listed: ListedContainer): string {
  return listed.imageId || listed.imageRef;
}

/** containerd before 1.7 pins no image, but says which one its sandboxes are made of; others pin it. */
function sandboxImageOf(info: Readonly<Record<string, string>>): string[] {
  try {
    const { sandboxImage } = JSON.parse(info.config ?? "{}") as { sandboxImage?: unknown };
    return typeof sandboxImage === "string" ? [sandboxImage] : [];
  } catch {
    return [];
  }
}
