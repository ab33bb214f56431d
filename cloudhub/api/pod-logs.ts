import { once } from "node:events";
import { ApiError, isSet, type KubeObject } from "../../kubernetes/index.ts";
import type { ObjectCall } from "./api-call.ts";
import { withoutUndefined } from "./object-lifecycle.ts";

/** What of a container's output is wanted. Source: Kubernetes PodLogOptions. */
export interface PodLogOptions {
  readonly container: string;
  readonly follow: boolean;
  /** Of the container that ran before this one. */
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339. */
  readonly sinceTime?: string;
  readonly limitBytes?: number;
}

/** Reads what containers have written. Rejects with an ApiError. */
export interface PodLogs {
  read(pod: KubeObject, options: PodLogOptions, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}

/** Sends a container's output as it comes. */
export async function answerLog(call: ObjectCall, pod: KubeObject, logs: PodLogs): Promise<void> {
  const { response, gone, info } = call;
  const output = await logs.read(pod, optionsOf(pod, info.query), gone);
  response.writeHead(200, { "Content-Type": "text/plain" });
  response.flushHeaders();
  for await (const chunk of output) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

function optionsOf(pod: KubeObject, query: URLSearchParams): PodLogOptions {
  const whole = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null) return undefined;
    if (/^\d{1,15}$/.test(text)) return Number(text);
    throw new ApiError("BadRequest", `${name} must be a whole number`);
  };
  return withoutUndefined({
    container: containerOf(pod, query.get("container") ?? ""),
    follow: isSet(query, "follow"),
    previous: isSet(query, "previous"),
    timestamps: isSet(query, "timestamps"),
    tailLines: whole("tailLines"),
    sinceSeconds: whole("sinceSeconds"),
    sinceTime: query.get("sinceTime") ?? undefined,
    limitBytes: whole("limitBytes"),
  });
}

function containerOf(pod: KubeObject, wanted: string): string {
  const spec = (pod.spec ?? {}) as Partial<
    Record<"containers" | "initContainers", readonly { name: string }[]>
  >;
  const containers = (spec.containers ?? []).map(({ name }) => name);
  const all = [...(spec.initContainers ?? []).map(({ name }) => name), ...containers];
  const { name = "" } = pod.metadata;
  if (wanted !== "") {
    if (all.includes(wanted)) return wanted;
    throw new ApiError("BadRequest", `container ${wanted} is not valid for pod ${name}`);
  }
  const [only, ...more] = containers;
  if (only !== undefined && more.length === 0) return only;
  const text = `a container name must be specified for pod ${name}, choose one of: [${all.join(" ")}]`;
  throw new ApiError("BadRequest", text);
}
