import { type Json, objectOf, objectsOf, optionalWhole, textOf, textsOf, wholeOf } from "./fields.ts";

/** A probe of a container, and what its results mean. Pure. */
export interface Probe {
  readonly check: ProbeCheck;
  readonly initialDelaySeconds: number;
  readonly timeoutSeconds: number;
  readonly periodSeconds: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
  /** Instead of the pod's own, when the probe ends the container. */
  readonly graceSeconds: number | undefined;
}

export type ProbeCheck =
  | { readonly kind: "exec"; readonly command: readonly string[] }
  | {
      readonly kind: "http";
      readonly scheme: "http" | "https";
      /** Empty: the pod's address. */
      readonly host: string;
      /** Number, or name of a container's port. */
      readonly port: number | string;
      readonly path: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number | string }
  | { readonly kind: "grpc"; readonly port: number; readonly service: string }
  /** Hooks only. */
  | { readonly kind: "sleep"; readonly seconds: number }
  | { readonly kind: "unsupported"; readonly type: string };

/** @returns `undefined` for no probe. */
export function probeOf(value: unknown): Probe | undefined {
  if (value === undefined || value === null) return undefined;
  const object = objectOf(value);
  return {
    check: checkOf(object),
    initialDelaySeconds: wholeOf(object.initialDelaySeconds, 0),
    timeoutSeconds: wholeOf(object.timeoutSeconds, 1, 1),
    periodSeconds: wholeOf(object.periodSeconds, 10, 1),
    successThreshold: wholeOf(object.successThreshold, 1, 1),
    failureThreshold: wholeOf(object.failureThreshold, 3, 1),
    graceSeconds: optionalWhole(object.terminationGracePeriodSeconds),
  };
}

/** A hook of a container's life: the same checks, run once. @returns `undefined` for no hook. */
export function hookOf(value: unknown): ProbeCheck | undefined {
  if (value === undefined || value === null) return undefined;
  const object = objectOf(value);
  if (!object.sleep) return checkOf(object);
  return { kind: "sleep", seconds: wholeOf(objectOf(object.sleep).seconds, 0) };
}

function checkOf(object: Json): ProbeCheck {
  if (object.exec) return { kind: "exec", command: textsOf(objectOf(object.exec).command) };
  if (object.httpGet) {
    const { scheme, host, port, path, httpHeaders } = objectOf(object.httpGet);
    const headers = objectsOf(httpHeaders, 100).map((one) => [textOf(one.name), textOf(one.value)]);
    return {
      kind: "http",
      scheme: textOf(scheme).toUpperCase() === "HTTPS" ? "https" : "http",
      host: textOf(host),
      port: portOf(port),
      path: textOf(path) || "/",
      headers: Object.fromEntries(headers),
    };
  }
  if (object.tcpSocket) {
    const { host, port } = objectOf(object.tcpSocket);
    return { kind: "tcp", host: textOf(host), port: portOf(port) };
  }
  if (object.grpc) {
    const { port, service } = objectOf(object.grpc);
    return { kind: "grpc", port: wholeOf(port, 0), service: textOf(service) };
  }
  const type = Object.keys(object).find((key) => typeof object[key] === "object") ?? "nothing";
  return { kind: "unsupported", type };
}

function portOf(value: unknown): number | string {
  if (typeof value === "number") return value;
  const text = textOf(value);
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** A run of equal results and what it has led to. */
export interface ProbeCount {
  readonly passing: boolean;
  readonly last: boolean | undefined;
  readonly run: number;
}

/** Before the first result a container lives, and is neither started nor ready. */
export function initialCount(kind: "startup" | "liveness" | "readiness"): ProbeCount {
  return { passing: kind === "liveness", last: undefined, run: 0 };
}

/** Counts a result: only a run as long as its threshold changes what holds. */
export function countResult(count: ProbeCount, ok: boolean, probe: Probe): ProbeCount {
  const run = count.last === ok ? count.run + 1 : 1;
  const enough = run >= (ok ? probe.successThreshold : probe.failureThreshold);
  return { passing: enough ? ok : count.passing, last: ok, run };
}

/** What probes say of a running container. */
export interface ProbeVerdict {
  /** Its startup probe has succeeded, or it has none. */
  readonly started: boolean;
  readonly ready: boolean;
  /** Why it has to be ended; `undefined`: it lives. */
  readonly dead:
    | { readonly probe: "startup" | "liveness"; readonly graceSeconds: number | undefined }
    | undefined;
}

export const noProbes: ProbeVerdict = { started: true, ready: true, dead: undefined };
