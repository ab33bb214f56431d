import { bool, bytes, choice, int, ints, many, message, one, string, strings, texts } from "./protobuf.ts";

/**
 * The part of the Container Runtime Interface, API runtime.v1, that Edged uses: messages with the field numbers of
 * the interface, and the interface's names in camel case.
 */

/** Times of the interface are nanoseconds since 1970. */
const nanoseconds = int;

export const nothing = message({});

// ── sandboxes ────────────────────────────────────────────────────────────────────────────────────────────

const podSandboxMetadata = message({
  name: string(1),
  uid: string(2),
  namespace: string(3),
  attempt: int(4),
});

const namespaceMode = (number: number) => choice(number, ["pod", "container", "node"]);
const namespaceOption = message({ network: namespaceMode(1), pid: namespaceMode(2), ipc: namespaceMode(3) });

export const podSandboxConfig = message({
  metadata: one(1, podSandboxMetadata),
  hostname: string(2),
  logDirectory: string(3),
  dnsConfig: one(4, message({ servers: strings(1), searches: strings(2), options: strings(3) })),
  portMappings: many(
    5,
    message({
      protocol: choice(1, ["TCP", "UDP", "SCTP"]),
      containerPort: int(2),
      hostPort: int(3),
      hostIp: string(4),
    }),
  ),
  labels: texts(6),
  annotations: texts(7),
  linux: one(
    8,
    message({
      cgroupParent: string(1),
      securityContext: one(
        2,
        message({
          namespaceOptions: one(1, namespaceOption),
          supplementalGroups: ints(5),
          privileged: bool(6),
        }),
      ),
      sysctls: texts(3),
    }),
  ),
});

export const runPodSandboxRequest = message({ config: one(1, podSandboxConfig) });
export const podSandboxId = message({ podSandboxId: string(1) });

const sandboxState = (number: number) => choice(number, ["ready", "notReady"]);

export const podSandboxStatusResponse = message({
  status: one(
    1,
    message({
      id: string(1),
      state: sandboxState(3),
      network: one(5, message({ ip: string(1) })),
      labels: texts(7),
      annotations: texts(8),
    }),
  ),
});

export const listPodSandboxRequest = message({ filter: one(1, message({ labelSelector: texts(3) })) });

export const podSandbox = message({
  id: string(1),
  metadata: one(2, podSandboxMetadata),
  state: sandboxState(3),
  createdAt: nanoseconds(4),
  labels: texts(5),
  annotations: texts(6),
});

export const listPodSandboxResponse = message({ items: many(1, podSandbox) });

// ── containers ───────────────────────────────────────────────────────────────────────────────────────────

const containerMetadata = message({ name: string(1), attempt: int(2) });
const imageSpec = message({ image: string(1) });
/** A number that may be absent. */
const someInt = message({ value: int(1) });

export const containerConfig = message({
  metadata: one(1, containerMetadata),
  image: one(2, imageSpec),
  command: strings(3),
  args: strings(4),
  workingDir: string(5),
  envs: many(6, message({ key: string(1), value: string(2) })),
  mounts: many(
    7,
    message({
      containerPath: string(1),
      hostPath: string(2),
      readonly: bool(3),
      propagation: choice(5, ["private", "hostToContainer", "bidirectional"]),
    }),
  ),
  labels: texts(9),
  annotations: texts(10),
  logPath: string(11),
  stdin: bool(12),
  tty: bool(14),
  linux: one(
    15,
    message({
      resources: one(
        1,
        message({
          cpuPeriod: int(1),
          cpuQuota: int(2),
          cpuShares: int(3),
          memoryLimitInBytes: int(4),
          oomScoreAdj: int(5),
        }),
      ),
      securityContext: one(
        2,
        message({
          capabilities: one(1, message({ addCapabilities: strings(1), dropCapabilities: strings(2) })),
          privileged: bool(2),
          namespaceOptions: one(3, namespaceOption),
          runAsUser: one(5, someInt),
          runAsUsername: string(6),
          readonlyRootfs: bool(7),
          supplementalGroups: ints(8),
          noNewPrivs: bool(11),
          runAsGroup: one(12, someInt),
          seccomp: one(15, message({ profileType: choice(1, ["runtimeDefault", "unconfined"]) })),
        }),
      ),
    }),
  ),
});

export const createContainerRequest = message({
  podSandboxId: string(1),
  config: one(2, containerConfig),
  sandboxConfig: one(3, podSandboxConfig),
});
export const containerId = message({ containerId: string(1) });
export const stopContainerRequest = message({ containerId: string(1), timeout: int(2) });

const containerState = (number: number) => choice(number, ["created", "running", "exited", "unknown"]);

export const listContainersRequest = message({ filter: one(1, message({ labelSelector: texts(4) })) });

export const container = message({
  id: string(1),
  podSandboxId: string(2),
  metadata: one(3, containerMetadata),
  image: one(4, imageSpec),
  imageRef: string(5),
  state: containerState(6),
  createdAt: nanoseconds(7),
  labels: texts(8),
  imageId: string(10),
});

export const listContainersResponse = message({ containers: many(1, container) });

export const containerStatus = message({
  id: string(1),
  state: containerState(3),
  startedAt: nanoseconds(5),
  finishedAt: nanoseconds(6),
  exitCode: int(7),
  image: one(8, imageSpec),
  imageRef: string(9),
  reason: string(10),
  message: string(11),
  logPath: string(15),
});

export const containerStatusResponse = message({ status: one(1, containerStatus) });

export const execSyncRequest = message({ containerId: string(1), cmd: strings(2), timeout: int(3) });
export const execSyncResponse = message({ stdout: bytes(1), stderr: bytes(2), exitCode: int(3) });

// ── images and the runtime itself ────────────────────────────────────────────────────────────────────────

export const image = message({
  id: string(1),
  repoTags: strings(2),
  repoDigests: strings(3),
  size: int(4),
  uid: one(5, someInt),
  username: string(6),
  pinned: bool(8),
});

export const imageRequest = message({ image: one(1, imageSpec) });
export const listImagesResponse = message({ images: many(1, image) });
export const imageStatusResponse = message({ image: one(1, image) });

export const pullImageRequest = message({
  image: one(1, imageSpec),
  auth: one(2, message({ username: string(1), password: string(2) })),
});
export const pullImageResponse = message({ imageRef: string(1) });

export const imageFsInfoResponse = message({
  imageFilesystems: many(
    1,
    message({
      timestamp: nanoseconds(1),
      fsId: one(2, message({ mountpoint: string(1) })),
      usedBytes: one(3, someInt),
    }),
  ),
});

export const versionRequest = message({ version: string(1) });
export const versionResponse = message({ runtimeName: string(2), runtimeVersion: string(3) });

export const statusRequest = message({ verbose: bool(1) });
/** The rest says by name what only one kind of runtime knows, as JSON. */
export const statusResponse = message({ info: texts(2) });
