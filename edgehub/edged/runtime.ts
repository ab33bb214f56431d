/**
 * What Edged needs of whatever runs containers, in CRI's words. Two stand behind it: `cri-runtime.ts`, containers, and
 * `process-runtime.ts`, plain processes without isolation. All times are wall clock, ms since 1970.
 *
 * Every call rejects with a HubError: a retryable `E_NO_MODULE` if the runtime cannot be reached, `E_TIMEOUT`,
 * `E_NOT_FOUND` for a sandbox, container or image that is not there, else `E_REFUSED` with the runtime's words;
 * retryable, unless it can never be done.
 */
export interface Runtime {
  readonly name: "cri" | "process";
  /** Looks whether it is there. @returns What it calls itself, e.g. `containerd 1.6.20`. */
  version(): Promise<string>;
  /** All sandboxes that carry our labels, with their containers, also those that have ended. */
  pods(): Promise<readonly RuntimePod[]>;
  runSandbox(spec: SandboxSpec): Promise<string>;
  /** Ends all that runs in it. Harmless if it has ended or is gone; so are the other stops and removals. */
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;
  /** @returns Its id. It does not run yet. */
  createContainer(sandboxId: string, spec: ContainerSpec): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** SIGTERM, and after so long SIGKILL. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  /** Runs a command inside a container to its end. */
  exec(id: string, command: readonly string[], timeoutMs: number): Promise<ExecResult>;
  /** The log file of a container was renamed: write to a new one. */
  reopenLog(id: string): Promise<void>;
  images(): Promise<readonly RuntimeImage[]>;
  /** @returns The image's id; `undefined`: it is not there. */
  imageId(reference: string): Promise<string | undefined>;
  pullImage(reference: string, auth?: { username: string; password: string }): Promise<string>;
  removeImage(id: string): Promise<void>;
  /** Use of the disk that images lie on; `undefined`: it does not know. */
  imageDisk(): Promise<{ path: string; usedBytes: number } | undefined>;
  close(): Promise<void>;
}

/** Whose pod it is; kept by the runtime as labels, so that a restarted agent knows its pods again. */
export interface PodIdentity {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface SandboxSpec extends PodIdentity {
  /** Counts the sandboxes of a pod, from 0. */
  readonly attempt: number;
  readonly hostname: string;
  readonly hostNetwork: boolean;
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  /** Its containers see each other's processes. */
  readonly sharesProcesses: boolean;
  /** Some container of it will be privileged: the runtime must know beforehand. */
  readonly privileged: boolean;
  /** Absolute directory of the pod's logs. */
  readonly logDirectory: string;
  readonly dns:
    | {
        readonly servers: readonly string[];
        readonly searches: readonly string[];
        readonly options: readonly string[];
      }
    | undefined;
  /** Settings of the kernel, for the sandbox alone. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ports: readonly PortMapping[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Parent cgroup; undefined: the runtime's own. */
  readonly cgroupParent: string | undefined;
}

export interface PortMapping {
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
}

export interface ContainerSpec {
  readonly name: string;
  /** Counts the starts of a container, from 0. */
  readonly attempt: number;
  /** Image id or reference that {@link Runtime.imageId} knows. */
  readonly image: string;
  /** Replaces the image's entry point, unless empty. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
  /** Path below the sandbox's log directory. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly security: {
    readonly privileged: boolean;
    /** `allowPrivilegeEscalation: false` of the pod. */
    readonly noNewPrivileges: boolean;
    /** Not as root: refused if its user, or its image's, is 0, or a name of which nobody can tell. */
    readonly nonRoot: boolean;
    /** The runtime's usual filter for system calls; else it may make any. */
    readonly seccompDefault: boolean;
    readonly runAsUser: number | undefined;
    readonly runAsGroup: number | undefined;
    readonly supplementalGroups: readonly number[];
    readonly readOnlyRootFilesystem: boolean;
    readonly addCapabilities: readonly string[];
    readonly dropCapabilities: readonly string[];
  };
  readonly resources: {
    /** Of 1,000 per core; undefined: no limit. */
    readonly cpuMillis: number | undefined;
    readonly cpuRequestMillis: number | undefined;
    readonly memoryBytes: number | undefined;
    readonly oomScoreAdj: number;
  };
}

export interface Mount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly readOnly: boolean;
  /** Whether what is mounted below it later is seen on the other side; `undefined`: it is not. */
  readonly propagation?: "hostToContainer" | "bidirectional" | undefined;
}

export interface RuntimePod extends PodIdentity {
  readonly sandboxId: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly ip: string | undefined;
  readonly createdAt: number;
  readonly containers: readonly RuntimeContainer[];
}

export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: "created" | "running" | "exited" | "unknown";
  readonly image: string;
  readonly imageId: string;
  /** The image by its registry and digest, as it is reported; `undefined`: by its id. */
  readonly imageRef?: string;
  readonly createdAt: number;
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  readonly exitCode: number | undefined;
  /** Why it ended, in the runtime's words: Completed, Error, OOMKilled … */
  readonly reason: string;
  readonly message: string;
  readonly logPath: string;
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export interface RuntimeImage {
  readonly id: string;
  readonly tags: readonly string[];
  /** The runtime itself or another agent needs it: never to be removed. */
  readonly pinned: boolean;
  readonly sizeBytes: number;
}
