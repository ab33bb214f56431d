import { environmentOf, expand, type PodContext, type Problems } from "./environment.ts";
import { flagOf, type Json, listOf, objectOf, optionalWhole, textOf, textsOf } from "./fields.ts";
import { type Container, lastingContainers, type Pod } from "./pod.ts";
import { bytesOf, cpuMillisOf } from "./quantity.ts";
import { dnsOf } from "./resolver.ts";
import type { ContainerSpec, Mount, SandboxSpec } from "./runtime.ts";
import { sysctlsOf } from "./sysctls.ts";

/** From a Pod to what a runtime is told. Pure. */

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

/** @param logDirectory Absolute. @param resolvConf The node's own, as text. */
export function sandboxSpecOf(
  pod: Pod,
  attempt: number,
  { logDirectory, resolvConf }: { logDirectory: string; resolvConf: string },
): SandboxSpec {
  const { uid, namespace, name } = pod;
  return {
    uid,
    namespace,
    name,
    attempt,
    hostname: pod.hostname,
    hostNetwork: pod.hostNetwork,
    hostPid: pod.hostPid,
    hostIpc: pod.hostIpc,
    sharesProcesses: pod.sharesProcesses,
    privileged: [...pod.initContainers, ...pod.containers].some((one) => flagOf(one.security.privileged)),
    logDirectory,
    dns: dnsOf(pod, resolvConf),
    sysctls: sysctlsOf(pod),
    ports: pod.hostNetwork ? [] : hostPortsOf(pod),
    labels: pod.labels,
    annotations: pod.annotations,
    cgroupParent: undefined,
  };
}

/** What a container needs beside its object. */
export interface ContainerParts {
  readonly attempt: number;
  /** Id or reference of the image. */
  readonly image: string;
  readonly mounts: readonly Mount[];
}

/** @param problems Gets what keeps the container from being created; the result is of no use then. */
export function containerSpecOf(
  pod: Pod,
  container: Container,
  { attempt, image, mounts }: ContainerParts,
  context: PodContext,
  problems: Problems,
): ContainerSpec {
  const env = environmentOf(pod, container, context, problems);
  const expanded = (text: string): string =>
    expand(text, (word) => (Object.hasOwn(env, word) ? env[word] : undefined));
  return {
    name: container.name,
    attempt,
    image,
    command: container.command.map(expanded),
    args: container.args.map(expanded),
    workingDir: container.workingDir,
    env,
    mounts,
    logPath: logPathOf(container.name, attempt),
    stdin: container.stdin,
    tty: container.tty,
    security: securityOf(pod, container, problems),
    resources: {
      cpuMillis: positive(cpuMillisOf(container.limits.cpu)),
      cpuRequestMillis: positive(cpuMillisOf(container.requests.cpu ?? container.limits.cpu)),
      memoryBytes: positive(bytesOf(container.limits.memory)),
      oomScoreAdj: oomScoreOf(pod, container, context.allocatable.memoryBytes),
    },
  };
}

/** Path of a container's log below its pod's log directory. */
export function logPathOf(container: string, attempt: number): string {
  return `${container}/${attempt}.log`;
}

/** Ports of the node that a pod takes. */
export function hostPortsOf(pod: Pod): readonly Container["ports"][number][] {
  return lastingContainers(pod)
    .flatMap((container) => container.ports)
    .map((port) =>
      pod.hostNetwork && port.hostPort === 0 ? { ...port, hostPort: port.containerPort } : port,
    )
    .filter((port) => port.hostPort > 0);
}

/** Guaranteed: limits for all, and requests equal to them. BestEffort: neither anywhere. */
export function qosClassOf(pod: Pod): QosClass {
  const all = [...pod.initContainers, ...pod.containers];
  const none = (container: Container): boolean =>
    ["cpu", "memory"].every((name) => !amount(container.limits, name) && !amount(container.requests, name));
  if (all.every(none)) return "BestEffort";
  const fixed = (container: Container): boolean =>
    ["cpu", "memory"].every((name) => {
      const limit = amount(container.limits, name);
      return limit > 0 && (amount(container.requests, name) || limit) === limit;
    });
  return all.every(fixed) ? "Guaranteed" : "Burstable";
}

function amount(list: Json, name: string): number {
  return (name === "cpu" ? cpuMillisOf(list.cpu) : bytesOf(list[name])) ?? 0;
}

/** What is killed first when memory runs out. Source: kubelet's qos policy. */
function oomScoreOf(pod: Pod, container: Container, memoryBytes: number): number {
  const qos = qosClassOf(pod);
  if (qos === "Guaranteed") return -997;
  if (qos === "BestEffort") return 1_000;
  const score = 1_000 - Math.floor((1_000 * amount(container.requests, "memory")) / Math.max(memoryBytes, 1));
  return Math.min(Math.max(score, 3), 999);
}

function securityOf(pod: Pod, container: Container, problems: Problems): ContainerSpec["security"] {
  const own = container.security;
  const capabilities = objectOf(own.capabilities);
  const runAsUser = optionalWhole(own.runAsUser) ?? optionalWhole(pod.security.runAsUser);
  const nonRoot = (own.runAsNonRoot ?? pod.security.runAsNonRoot) === true;
  if (nonRoot && runAsUser === 0) problems.push("container's runAsUser breaks non-root policy");
  const seccomp = textOf(objectOf(own.seccompProfile ?? pod.security.seccompProfile).type);
  if (seccomp === "Localhost") problems.push("seccomp profiles of the node are not supported");
  return {
    privileged: flagOf(own.privileged),
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    nonRoot,
    seccompDefault: seccomp === "RuntimeDefault",
    runAsUser,
    runAsGroup: optionalWhole(own.runAsGroup) ?? optionalWhole(pod.security.runAsGroup),
    supplementalGroups: groupsOf(pod),
    readOnlyRootFilesystem: flagOf(own.readOnlyRootFilesystem),
    addCapabilities: textsOf(capabilities.add),
    dropCapabilities: textsOf(capabilities.drop),
  };
}

/** The files of its volumes belong to `fsGroup`, so its processes are in it. */
function groupsOf({ security }: Pod): number[] {
  const groups = [security.fsGroup, ...listOf(security.supplementalGroups)];
  return groups.flatMap((group) => optionalWhole(group) ?? []);
}

function positive(value: number | undefined): number | undefined {
  return value === 0 ? undefined : value;
}
