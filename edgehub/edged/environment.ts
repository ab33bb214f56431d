import { type Json, objectOf, textOf, wordsOf } from "./fields.ts";
import type { Container, Pod } from "./pod.ts";
import { bytesOf, cpuMillisOf, parseQuantity } from "./quantity.ts";

/** What a pod may ask about the node and about other objects. */
export interface PodContext {
  /** A ConfigMap or Secret of the pod's namespace; `undefined`: not on this node (yet). */
  find(kind: "configmap" | "secret", name: string): Json | undefined;
  /** Is it not known yet whether the cloud has it? Then what is optional is waited for too. */
  isAwaited(kind: "configmap" | "secret", name: string): boolean;
  readonly nodeName: string;
  readonly hostIp: string;
  /** Empty: it has none yet. */
  readonly podIp: string;
  readonly allocatable: { readonly cpuMillis: number; readonly memoryBytes: number };
}

/** Collects why a container cannot be configured; the first reason is shown. */
export type Problems = string[];

const maxEnvBytes = 1 << 20;
const envName = /^[-._a-zA-Z][-._a-zA-Z0-9]*$/;

/** The environment of a container. Pure. Source: kubelet's makeEnvironmentVariables. */
export function environmentOf(
  pod: Pod,
  container: Container,
  context: PodContext,
  problems: Problems,
): Record<string, string> {
  const env = new Map<string, string>();
  for (const source of container.envFrom) {
    for (const [key, value] of fromWhole(source, pod, context, problems)) {
      const name = textOf(source.prefix) + key;
      if (envName.test(name)) env.set(name, value);
    }
  }
  for (const entry of container.env) {
    const name = textOf(entry.name);
    const value = entry.valueFrom
      ? fromPart(objectOf(entry.valueFrom), { pod, container, context, problems })
      : expand(textOf(entry.value), (word) => env.get(word));
    if (value !== undefined && name !== "") env.set(name, value);
  }
  let bytes = 0;
  for (const [name, value] of env) {
    bytes += name.length + value.length;
    if (name.includes("=") || name.includes("\0") || value.includes("\0"))
      problems.push(`environment variable ${name} has a character that none can have`);
  }
  if (bytes > maxEnvBytes) problems.push(`the environment has more than ${maxEnvBytes} bytes`);
  return Object.fromEntries(env);
}

/** Replaces `$(NAME)`; unknown names stay as they are, and `$$` is a dollar sign. */
export function expand(text: string, find: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (whole, name: string | undefined) =>
    name === undefined ? "$" : (find(name) ?? whole),
  );
}

/** What a `fieldRef` names; `undefined`: there is no such field. */
export function fieldOf(path: string, pod: Pod, context: PodContext): string | undefined {
  const member = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (member) return (member[1] === "labels" ? pod.labels : pod.annotations)[member[2] ?? ""] ?? "";
  switch (path) {
    case "metadata.name":
      return pod.name;
    case "metadata.namespace":
      return pod.namespace;
    case "metadata.uid":
      return pod.uid;
    case "metadata.labels":
      return quoted(pod.labels);
    case "metadata.annotations":
      return quoted(pod.annotations);
    case "spec.nodeName":
      return context.nodeName;
    case "spec.serviceAccountName":
      return pod.serviceAccountName;
    case "status.hostIP":
    case "status.hostIPs":
      return context.hostIp;
    case "status.podIP":
    case "status.podIPs":
      return context.podIp;
    default:
      return undefined;
  }
}

/** What a `resourceFieldRef` names, in whole divisors; what has no limit may use all the node has. */
export function resourceOf(reference: Json, container: Container, context: PodContext): string | undefined {
  const divisor = parseQuantity(reference.divisor ?? "1") || 1;
  const [list, resource] = textOf(reference.resource).split(".");
  const wanted = list === "limits" ? container.limits : list === "requests" ? container.requests : undefined;
  if (wanted === undefined) return undefined;
  const { cpuMillis, memoryBytes } = context.allocatable;
  const all = list === "limits" ? { cpuMillis, memoryBytes } : { cpuMillis: 0, memoryBytes: 0 };
  if (resource === "cpu") return whole((cpuMillisOf(wanted.cpu) ?? all.cpuMillis) / 1_000 / divisor);
  if (resource === "memory") return whole((bytesOf(wanted.memory) ?? all.memoryBytes) / divisor);
  return whole((bytesOf(wanted[resource ?? ""]) ?? 0) / divisor);
}

/** The texts of a ConfigMap or Secret by key. */
export function dataOf(kind: "configmap" | "secret", object: Json): Map<string, Uint8Array> {
  const data = new Map<string, Uint8Array>();
  const base64 = kind === "secret" ? object.data : object.binaryData;
  const plain = kind === "secret" ? object.stringData : object.data;
  for (const [key, value] of Object.entries(wordsOf(base64))) data.set(key, Buffer.from(value, "base64"));
  for (const [key, value] of Object.entries(wordsOf(plain))) data.set(key, Buffer.from(value));
  return data;
}

function fromWhole(source: Json, pod: Pod, context: PodContext, problems: Problems): [string, string][] {
  const kind = source.secretRef ? "secret" : "configmap";
  const { name, optional } = objectOf(source.secretRef ?? source.configMapRef);
  const object = context.find(kind, textOf(name));
  if (object === undefined && (optional !== true || context.isAwaited(kind, textOf(name))))
    problems.push(notFound(kind, pod, textOf(name)));
  return [...dataOf(kind, object ?? {})].map(([key, value]) => [key, Buffer.from(value).toString("utf8")]);
}

function fromPart(
  from: Json,
  {
    pod,
    container,
    context,
    problems,
  }: { pod: Pod; container: Container; context: PodContext; problems: Problems },
): string | undefined {
  if (from.fieldRef) {
    const path = textOf(objectOf(from.fieldRef).fieldPath);
    const value = fieldOf(path, pod, context);
    if (value === undefined) problems.push(`fieldRef ${path} is not supported`);
    return value;
  }
  if (from.resourceFieldRef) {
    const reference = objectOf(from.resourceFieldRef);
    const value = resourceOf(
      reference,
      containerNamed(pod, textOf(reference.containerName), container),
      context,
    );
    if (value === undefined) problems.push(`resourceFieldRef ${textOf(reference.resource)} is not supported`);
    return value;
  }
  const kind = from.secretKeyRef ? "secret" : "configmap";
  const { name, key, optional } = objectOf(from.secretKeyRef ?? from.configMapKeyRef);
  const object = context.find(kind, textOf(name));
  const value = object === undefined ? undefined : dataOf(kind, object).get(textOf(key));
  if (value !== undefined) return Buffer.from(value).toString("utf8");
  const isAwaited = object === undefined && context.isAwaited(kind, textOf(name));
  if (optional === true && !isAwaited) return undefined;
  const place = `${kindWord(kind)} ${pod.namespace}/${textOf(name)}`;
  problems.push(object ? `couldn't find key ${textOf(key)} in ${place}` : notFound(kind, pod, textOf(name)));
  return undefined;
}

/** The container that a reference names; the given one if it names none. */
export function containerNamed(pod: Pod, name: string, otherwise: Container): Container {
  return [...pod.containers, ...pod.initContainers].find((one) => one.name === name) ?? otherwise;
}

export function notFound(kind: "configmap" | "secret", pod: Pod, name: string): string {
  return `${kind} "${name}" not found in namespace ${pod.namespace}: neither on this node nor sent by the cloud yet`;
}

function kindWord(kind: "configmap" | "secret"): string {
  return kind === "secret" ? "Secret" : "ConfigMap";
}

/** `key="value"` lines, sorted by key, as the downward API writes maps. */
function quoted(words: Readonly<Record<string, string>>): string {
  const lines = Object.entries(words).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return lines.sort().join("\n");
}

function whole(value: number): string {
  return String(Math.ceil(Math.round(value * 1e6) / 1e6));
}
