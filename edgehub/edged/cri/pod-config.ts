import { HubError } from "../../../protocol/index.ts";
import type { ContainerSpec, PodIdentity, SandboxSpec } from "../runtime.ts";
import type { ImageUser } from "./image-user.ts";
import type { containerConfig, podSandboxConfig } from "./messages.ts";
import type { Draft } from "./protobuf.ts";

/** Keys under which the runtime keeps what we must know again; those of pods are Kubernetes', for its tools. */
export const labels = {
  podName: "io.kubernetes.pod.name",
  podNamespace: "io.kubernetes.pod.namespace",
  podUid: "io.kubernetes.pod.uid",
  containerName: "io.kubernetes.container.name",
  /** The node whose agent made it: an agent touches nothing else, be it a kubelet's or another agent's. */
  owner: "cloud-edge-hub/node",
} as const;

export const annotations = {
  restartCount: "io.kubernetes.container.restartCount",
  /** A sandbox's specification as JSON. Creating a container takes it once more, maybe by a restarted agent. */
  sandbox: "cloud-edge-hub/sandbox",
} as const;

/** The period over which a CPU limit counts, and the least quota the kernel takes; microseconds. */
const cpuPeriod = 100_000;
const minCpuQuota = 1_000;
const minCpuShares = 2;
const maxCpuShares = 262_144;

/** What a runtime is told about a sandbox. @param owner The node's name. */
export function sandboxConfig(spec: SandboxSpec, owner: string): Draft<typeof podSandboxConfig> {
  const { labels: podLabels, annotations: podAnnotations, ...kept } = spec;
  return {
    metadata: { name: spec.name, uid: spec.uid, namespace: spec.namespace, attempt: spec.attempt },
    // A pod in the network of its node has the node's name.
    hostname: spec.hostNetwork ? undefined : spec.hostname,
    logDirectory: spec.logDirectory,
    dnsConfig: spec.dns,
    portMappings: spec.ports,
    labels: { ...podLabels, ...podNames(spec, owner) },
    annotations: { ...podAnnotations, [annotations.sandbox]: JSON.stringify(kept) },
    linux: {
      cgroupParent: spec.cgroupParent,
      sysctls: spec.sysctls,
      securityContext: { namespaceOptions: namespaces(spec), privileged: spec.privileged },
    },
  };
}

/** The specification a sandbox was made of. Throws `E_REFUSED` for a sandbox without it. */
export function sandboxSpec(status: {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}): SandboxSpec {
  const { [annotations.sandbox]: kept = "", ...others } = status.annotations;
  try {
    return { ...(JSON.parse(kept) as SandboxSpec), labels: status.labels, annotations: others };
  } catch (cause) {
    throw new HubError("E_REFUSED", `sandbox ${status.id} is none of ours`, { cause });
  }
}

/** What a container is told beside its specification. */
export interface ContainerPlace {
  readonly sandbox: SandboxSpec;
  /** The node's name. */
  readonly owner: string;
  /** `undefined`: of no interest. */
  readonly imageUser: ImageUser | undefined;
}

/** What a runtime is told about a container. */
export function configOf(
  spec: ContainerSpec,
  { sandbox, owner, imageUser }: ContainerPlace,
): Draft<typeof containerConfig> {
  return {
    metadata: { name: spec.name, attempt: spec.attempt },
    image: { image: spec.image },
    command: spec.command,
    args: spec.args,
    workingDir: spec.workingDir,
    envs: Object.entries(spec.env).map(([key, value]) => ({ key, value })),
    mounts: spec.mounts.map((mount) => ({
      containerPath: mount.containerPath,
      hostPath: mount.hostPath,
      readonly: mount.readOnly,
      propagation: mount.propagation,
    })),
    labels: { ...podNames(sandbox, owner), [labels.containerName]: spec.name },
    annotations: { [annotations.restartCount]: String(spec.attempt) },
    logPath: spec.logPath,
    stdin: spec.stdin,
    tty: spec.tty,
    linux: {
      resources: resourcesOf(spec.resources),
      securityContext: securityOf(spec.security, sandbox, imageUser),
    },
  };
}

function podNames(pod: PodIdentity, owner: string): Record<string, string> {
  return {
    [labels.podName]: pod.name,
    [labels.podNamespace]: pod.namespace,
    [labels.podUid]: pod.uid,
    [labels.owner]: owner,
  };
}

type Linux = NonNullable<Draft<typeof containerConfig>["linux"]>;

function resourcesOf(resources: ContainerSpec["resources"]): NonNullable<Linux["resources"]> {
  const { cpuMillis, cpuRequestMillis, memoryBytes, oomScoreAdj } = resources;
  const shares = Math.floor(((cpuRequestMillis ?? cpuMillis ?? 0) * 1_024) / 1_000);
  const limit = cpuMillis && {
    cpuPeriod,
    cpuQuota: Math.max(Math.round((cpuMillis * cpuPeriod) / 1_000), minCpuQuota),
  };
  return {
    cpuShares: Math.min(Math.max(shares, minCpuShares), maxCpuShares),
    memoryLimitInBytes: memoryBytes,
    oomScoreAdj,
    ...(limit || {}),
  };
}

function securityOf(
  security: ContainerSpec["security"],
  sandbox: SandboxSpec,
  imageUser: ImageUser | undefined,
): NonNullable<Linux["securityContext"]> {
  const someInt = (value: number | undefined): { value: number } | undefined =>
    value === undefined ? undefined : { value };
  return {
    capabilities: {
      addCapabilities: security.addCapabilities,
      dropCapabilities: security.dropCapabilities,
    },
    privileged: security.privileged,
    namespaceOptions: namespaces(sandbox),
    runAsUser: someInt(security.runAsUser ?? imageUser?.uid),
    runAsUsername: imageUser?.name,
    runAsGroup: someInt(security.runAsGroup),
    supplementalGroups: security.supplementalGroups,
    readonlyRootfs: security.readOnlyRootFilesystem,
    noNewPrivs: security.noNewPrivileges,
    seccomp: { profileType: security.seccompDefault ? "runtimeDefault" : "unconfined" },
  };
}

/** Containers of a pod share its network and its shared memory; their processes only if it asks for that. */
function namespaces(
  sandbox: SandboxSpec,
): NonNullable<NonNullable<Linux["securityContext"]>["namespaceOptions"]> {
  return {
    network: sandbox.hostNetwork ? "node" : "pod",
    pid: sandbox.hostPid ? "node" : sandbox.sharesProcesses ? "pod" : "container",
    ipc: sandbox.hostIpc ? "node" : "pod",
  };
}
