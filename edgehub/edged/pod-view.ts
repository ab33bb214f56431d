import type { CrashBackoff } from "./crash-backoff.ts";
import type { Container, Pod } from "./pod.ts";
import type { ProbeVerdict } from "./probe.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime.ts";

/** A pod as it should be and as it is, and what can be done about it. Pure. */

export type Action =
  | {
      readonly do: "stopContainer";
      readonly id: string;
      readonly name: string;
      readonly graceSeconds: number;
      readonly why: string;
      /** Containers of a lower turn end before it, within its grace. */
      readonly turn: number;
      readonly replaced?: true;
    }
  | { readonly do: "removeContainer"; readonly id: string }
  | { readonly do: "stopSandbox"; readonly id: string }
  | { readonly do: "removeSandbox"; readonly id: string }
  | { readonly do: "runSandbox"; readonly attempt: number }
  | {
      readonly do: "startContainer";
      readonly container: Container;
      readonly sandbox: RuntimePod;
      readonly attempt: number;
      /** The end before this start; `undefined`: it is the first. */
      readonly endedAt: number | undefined;
    }
  /** All has ended: the cloud may delete the pod. */
  | { readonly do: "reportEnd" }
  /** Nothing is left but files and rows. */
  | { readonly do: "forget" };

export interface Reason {
  readonly reason: string;
  readonly message: string;
}

/** Reason of a pod that had to go because its node was short of something: it ends at once. */
export const evicted = "Evicted";

/** Name under which failures of a pod's sandbox stand among those of its containers. */
export const wholePod = "";

/** A container, or a sandbox, that could not be created or started. */
export interface StartFailure extends Reason {
  /** Of the container's definition; empty for a sandbox. */
  readonly hash: string;
  readonly at: number;
  /** Pause before the next try. */
  readonly delayMs: number;
  readonly retryAt: number;
}

/** Of a container, what must be known again after the agent's restart. */
export interface ContainerMemory {
  /** Of its newest start. */
  readonly attempt: number;
  readonly hash: string;
  readonly backoff?: CrashBackoff;
  /** It was stopped to be replaced: it starts again whatever the restart policy says. */
  readonly replaced?: true;
}

export interface PodView {
  /** `undefined`: there shall be no such pod. */
  readonly pod: Pod | undefined;
  /** Its sandboxes, in any order. */
  readonly running: readonly RuntimePod[];
  readonly containers: Readonly<Record<string, ContainerMemory>>;
  readonly failures: ReadonlyMap<string, StartFailure>;
  /** Of running containers, by id. */
  readonly probes: ReadonlyMap<string, ProbeVerdict>;
  /** It has ended for good. */
  readonly failed: Reason | undefined;
  /** For a pod that is to go without having been told how. */
  readonly graceSeconds: number;
  /** Another pod of the same name has not ended yet. */
  readonly mustWait: boolean;
  /** Wall clock, ms. */
  readonly now: number;
}

/** The sandbox that counts: the newest. */
export function currentSandbox(running: readonly RuntimePod[]): RuntimePod | undefined {
  return [...running].sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt)[0];
}

/** All containers of that name, the newest first. */
export function historyOf(running: readonly RuntimePod[], name: string): RuntimeContainer[] {
  const all = running.flatMap((sandbox) => sandbox.containers).filter((container) => container.name === name);
  return all.sort((a, b) => b.attempt - a.attempt || b.createdAt - a.createdAt);
}

/** Number of a container's next start. */
export function nextAttempt(name: string, view: Pick<PodView, "running" | "containers">): number {
  const known = [
    view.containers[name]?.attempt ?? -1,
    ...historyOf(view.running, name).map((one) => one.attempt),
  ];
  return Math.max(...known) + 1;
}
