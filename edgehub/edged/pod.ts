import { containerOf } from "./container-reading.ts";
import {
  flagOf,
  type Json,
  objectOf,
  objectsOf,
  optionalWhole,
  textOf,
  textsOf,
  wholeOf,
  wordsOf,
} from "./fields.ts";
import type { Probe, ProbeCheck } from "./probe.ts";
import type { Mount, PodIdentity, PortMapping } from "./runtime.ts";
import { type Volume, volumesOf } from "./volume.ts";

/** A Pod object as Edged reads it. Pure. */
export interface Pod extends PodIdentity {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** It is to end, and how long it may take; `undefined`: it is to run. */
  readonly deletion: { readonly graceSeconds: number } | undefined;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly restartPolicy: "Always" | "OnFailure" | "Never";
  /** Sidecars among them. */
  readonly initContainers: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly Volume[];
  readonly hostNetwork: boolean;
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  readonly sharesProcesses: boolean;
  readonly hostAliases: readonly { readonly ip: string; readonly hostnames: readonly string[] }[];
  readonly hostname: string;
  readonly dns: {
    readonly policy: string;
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly graceSeconds: number;
  /** Who goes first when the node is short of something; 0 if it has none. */
  readonly priority: number;
  readonly activeDeadlineSeconds: number | undefined;
  readonly serviceAccountName: string;
  readonly imagePullSecrets: readonly string[];
  readonly security: Json;
  readonly readinessGates: readonly string[];
  /** Conditions that others have set, for readiness gates. */
  readonly foreignConditions: readonly Json[];
}

export interface Container {
  readonly name: string;
  readonly image: string;
  /** An init container that runs beside the others, `restartPolicy: Always`. */
  readonly sidecar: true | undefined;
  readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  /** As in the object; read by `environment.ts`. */
  readonly env: readonly Json[];
  readonly envFrom: readonly Json[];
  readonly ports: readonly (PortMapping & { readonly name: string })[];
  readonly requests: Json;
  readonly limits: Json;
  readonly mounts: readonly VolumeMount[];
  readonly startup: Probe | undefined;
  readonly liveness: Probe | undefined;
  readonly readiness: Probe | undefined;
  /** Run once it runs; if it fails, the container is ended. */
  readonly postStart: ProbeCheck | undefined;
  /** Run before it is asked to end, within its grace. */
  readonly preStop: ProbeCheck | undefined;
  readonly security: Json;
  readonly stdin: boolean;
  readonly tty: boolean;
  readonly terminationMessagePath: string;
  readonly terminationMessageFromLog: boolean;
  /** Of all of the above: another hash is another container. */
  readonly hash: string;
}

export interface VolumeMount {
  readonly volume: string;
  readonly path: string;
  readonly readOnly: boolean;
  readonly subPath: string;
  /** `subPath` with references to the environment. */
  readonly subPathExpr: string;
  readonly propagation: Mount["propagation"];
}

/** A pod that cannot run here, and why. */
export interface BadPod {
  /** `undefined`: it cannot even be reported. */
  readonly identity: PodIdentity | undefined;
  readonly problem: string;
  /** It is to end. */
  readonly isEnding: boolean;
}

const dnsName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const uidText = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$/;
const maxContainers = 100;

/** Reads a Pod object. Fields that a kubelet defaults have their defaults. */
export function parsePod(value: unknown): Pod | BadPod {
  const object = objectOf(value);
  const identity = identityOf(object);
  const isEnding = textOf(objectOf(object.metadata).deletionTimestamp) !== "";
  if (identity === undefined)
    return {
      identity,
      isEnding,
      problem: "metadata needs a namespace, a name and a uid as Kubernetes gives them",
    };
  const spec = objectOf(object.spec);
  const problem = problemOf(spec);
  if (problem !== undefined) return { identity, isEnding, problem };
  try {
    return podOf(object, spec, identity);
  } catch (error) {
    // Nested too deep: such a pod must not keep others from being read.
    return { identity, isEnding, problem: `it cannot be read: ${String((error as Error).message)}` };
  }
}

/** Those that run side by side: sidecars, then containers. */
export function lastingContainers(pod: Pod): Container[] {
  return [...pod.initContainers.filter(({ sidecar }) => sidecar), ...pod.containers];
}

export function isBad(pod: Pod | BadPod): pod is BadPod {
  return "problem" in pod;
}

/** Names become file names: only what Kubernetes allows is taken. */
function identityOf(object: Json): PodIdentity | undefined {
  const { uid, namespace, name } = objectOf(object.metadata);
  const identity = { uid: textOf(uid), namespace: textOf(namespace, "default"), name: textOf(name) };
  const ok = uidText.test(identity.uid) && label.test(identity.namespace) && dnsName.test(identity.name);
  return ok ? identity : undefined;
}

function problemOf(spec: Json): string | undefined {
  const init = objectsOf(spec.initContainers);
  const main = objectsOf(spec.containers);
  const all = [...init, ...main];
  if (main.length === 0) return "spec.containers is empty";
  if (all.length > maxContainers) return `at most ${maxContainers} containers, got ${all.length}`;
  const names = new Set<string>();
  for (const container of all) {
    const name = textOf(container.name);
    if (!label.test(name)) return `container name ${JSON.stringify(name).slice(0, 80)} is no DNS label`;
    if (names.has(name)) return `two containers are called ${name}`;
    names.add(name);
    const problem = containerProblem(container);
    if (problem !== undefined) return `container ${name}: ${problem}`;
  }
  const volumes = objectsOf(spec.volumes).map((volume) => textOf(volume.name));
  const bad = volumes.find((name) => !label.test(name));
  if (bad !== undefined) return `volume name ${JSON.stringify(bad).slice(0, 80)} is no DNS label`;
  const wanted = all.flatMap((container) =>
    objectsOf(container.volumeMounts).map((mount) => textOf(mount.name)),
  );
  const missing = wanted.find((name) => !volumes.includes(name));
  return missing === undefined
    ? undefined
    : `volumeMount names the volume ${JSON.stringify(missing)}, which is not there`;
}

function containerProblem(container: Json): string | undefined {
  if (textOf(container.image) === "") return "image is missing";
  if (objectsOf(container.env, 10_001).length > 10_000) return "more than 10000 env entries";
  for (const port of objectsOf(container.ports)) {
    for (const field of ["containerPort", "hostPort"]) {
      const number = port[field] ?? 0;
      if (typeof number !== "number" || !Number.isInteger(number) || number < 0 || number > 65_535)
        return `${field} must be 0..65535, got ${JSON.stringify(number).slice(0, 40)}`;
    }
  }
  for (const mount of objectsOf(container.volumeMounts)) {
    if (textOf(mount.mountPath) === "") return "a volumeMount has no mountPath";
    const subPath = textOf(mount.subPath);
    if (subPath.startsWith("/") || subPath.split("/").includes(".."))
      return `subPath ${subPath} leaves the volume`;
  }
  return undefined;
}

function podOf(object: Json, spec: Json, identity: PodIdentity): Pod {
  const metadata = objectOf(object.metadata);
  const graceSeconds = wholeOf(spec.terminationGracePeriodSeconds, 30);
  const isEnding = textOf(metadata.deletionTimestamp) !== "";
  const restartPolicy = textOf(spec.restartPolicy);
  const dnsConfig = objectOf(spec.dnsConfig);
  const createdAt = Date.parse(textOf(metadata.creationTimestamp));
  return {
    ...identity,
    labels: wordsOf(metadata.labels),
    annotations: wordsOf(metadata.annotations),
    deletion: isEnding
      ? { graceSeconds: wholeOf(metadata.deletionGracePeriodSeconds, graceSeconds) }
      : undefined,
    createdAt: Number.isNaN(createdAt) ? 0 : createdAt,
    restartPolicy: restartPolicy === "OnFailure" || restartPolicy === "Never" ? restartPolicy : "Always",
    initContainers: objectsOf(spec.initContainers).map((one) => containerOf(one, true)),
    containers: objectsOf(spec.containers).map((one) => containerOf(one, false)),
    volumes: volumesOf(spec.volumes),
    hostNetwork: flagOf(spec.hostNetwork),
    hostPid: flagOf(spec.hostPID),
    hostIpc: flagOf(spec.hostIPC),
    sharesProcesses: flagOf(spec.shareProcessNamespace),
    hostAliases: objectsOf(spec.hostAliases).map((alias) => ({
      ip: textOf(alias.ip),
      hostnames: textsOf(alias.hostnames),
    })),
    hostname: (textOf(spec.hostname) || identity.name).slice(0, 63).replace(/[-.]+$/, ""),
    dns: {
      policy: textOf(spec.dnsPolicy, "ClusterFirst"),
      servers: textsOf(dnsConfig.nameservers, 32),
      searches: textsOf(dnsConfig.searches, 32),
      options: objectsOf(dnsConfig.options, 32).map(({ name, value }) =>
        typeof value === "string" && value !== "" ? `${textOf(name)}:${value}` : textOf(name),
      ),
    },
    graceSeconds,
    priority: wholeOf(spec.priority, 0, Number.MIN_SAFE_INTEGER),
    activeDeadlineSeconds: optionalWhole(spec.activeDeadlineSeconds),
    serviceAccountName: textOf(spec.serviceAccountName) || textOf(spec.serviceAccount) || "default",
    imagePullSecrets: objectsOf(spec.imagePullSecrets).map((one) => textOf(one.name)),
    security: objectOf(spec.securityContext),
    readinessGates: objectsOf(spec.readinessGates).map((one) => textOf(one.conditionType)),
    foreignConditions: objectsOf(objectOf(object.status).conditions),
  };
}
