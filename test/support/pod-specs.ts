import type { ContainerSpec, SandboxSpec } from "../../edgehub/edged/runtime.ts";

/** A sandbox that asks for nothing. */
export function sandbox(spec: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    uid: "uid-1",
    namespace: "default",
    name: "web",
    attempt: 0,
    hostname: "web",
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    sharesProcesses: false,
    sysctls: {},
    privileged: false,
    logDirectory: "/var/log/pods/web",
    dns: undefined,
    ports: [],
    labels: {},
    annotations: {},
    cgroupParent: undefined,
    ...spec,
  };
}

/** A container without limits that runs what its image says. */
export function containerSpec(spec: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: "main",
    attempt: 0,
    image: "localhost/app:test",
    command: [],
    args: [],
    workingDir: "",
    env: {},
    mounts: [],
    logPath: "main/0.log",
    stdin: false,
    tty: false,
    security: {
      privileged: false,
      noNewPrivileges: false,
      nonRoot: false,
      seccompDefault: false,
      runAsUser: undefined,
      runAsGroup: undefined,
      supplementalGroups: [],
      readOnlyRootFilesystem: false,
      addCapabilities: [],
      dropCapabilities: [],
    },
    resources: { cpuMillis: undefined, cpuRequestMillis: undefined, memoryBytes: undefined, oomScoreAdj: 0 },
    ...spec,
  };
}
