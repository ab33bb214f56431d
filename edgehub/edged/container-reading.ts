import { createHash } from "node:crypto";
import { flagOf, type Json, objectOf, objectsOf, textOf, textsOf, wholeOf } from "./fields.ts";
import type { Container } from "./pod.ts";
import { hookOf, probeOf } from "./probe.ts";
import type { Mount, PortMapping } from "./runtime.ts";

const propagations: Readonly<Record<string, Mount["propagation"]>> = {
  HostToContainer: "hostToContainer",
  Bidirectional: "bidirectional",
};

/** Reads a container of a Pod object. Pure. */
export function containerOf(object: Json, isInit: boolean): Container {
  const read = readContainer(object, isInit);
  const text = JSON.stringify(inOneOrder(read));
  return { ...read, hash: createHash("sha256").update(text).digest("hex").slice(0, 16) };
}

/** The same whichever order members came in, and whether what is empty was left out. */
function inOneOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOneOrder);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  const sorted = members
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => [key, inOneOrder(member)]);
  return Object.fromEntries(sorted);
}

function readContainer(object: Json, isInit: boolean): Omit<Container, "hash"> {
  const image = textOf(object.image);
  const resources = objectOf(object.resources);
  return {
    name: textOf(object.name),
    image,
    sidecar: isInit && object.restartPolicy === "Always" ? true : undefined,
    pullPolicy: pullPolicyOf(textOf(object.imagePullPolicy), image),
    command: textsOf(object.command, 10_000),
    args: textsOf(object.args, 10_000),
    workingDir: textOf(object.workingDir),
    env: objectsOf(object.env, 10_000),
    envFrom: objectsOf(object.envFrom),
    ports: objectsOf(object.ports).map(portOf),
    requests: objectOf(resources.requests),
    limits: objectOf(resources.limits),
    mounts: objectsOf(object.volumeMounts).map((mount) => ({
      volume: textOf(mount.name),
      path: textOf(mount.mountPath),
      readOnly: flagOf(mount.readOnly),
      subPath: textOf(mount.subPath),
      subPathExpr: textOf(mount.subPathExpr),
      propagation: propagations[textOf(mount.mountPropagation)],
    })),
    startup: probeOf(object.startupProbe),
    liveness: probeOf(object.livenessProbe),
    readiness: probeOf(object.readinessProbe),
    postStart: hookOf(objectOf(object.lifecycle).postStart),
    preStop: hookOf(objectOf(object.lifecycle).preStop),
    security: objectOf(object.securityContext),
    stdin: flagOf(object.stdin),
    tty: flagOf(object.tty),
    terminationMessagePath: textOf(object.terminationMessagePath) || "/dev/termination-log",
    terminationMessageFromLog: object.terminationMessagePolicy === "FallbackToLogsOnError",
  };
}

function portOf(port: Json): PortMapping & { readonly name: string } {
  const protocol = textOf(port.protocol);
  return {
    name: textOf(port.name),
    protocol: protocol === "UDP" || protocol === "SCTP" ? protocol : "TCP",
    containerPort: wholeOf(port.containerPort, 0),
    hostPort: wholeOf(port.hostPort, 0),
    hostIp: textOf(port.hostIP),
  };
}

/** An image without a tag, or with `latest`, is looked for each time. */
function pullPolicyOf(policy: string, image: string): Container["pullPolicy"] {
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  if (image.includes("@")) return "IfNotPresent";
  const tag = /:([^:/]+)$/.exec(image)?.[1];
  return tag === undefined || tag === "latest" ? "Always" : "IfNotPresent";
}
