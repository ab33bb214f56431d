import { get as httpsGet } from "node:https";
import { connect } from "node:net";
import { type Clock, pause } from "../../platform/clock.ts";
import { http } from "../../platform/http.ts";
import type { Container } from "./pod.ts";
import type { ProbeCheck } from "./probe.ts";
import type { Runtime } from "./runtime.ts";

/** A running container, and how long a check of it may take. */
export interface CheckTarget {
  readonly id: string;
  readonly container: Container;
  /** Of the pod. */
  readonly address: string;
  readonly timeoutMs: number;
}

/**
 * Runs what a probe, or a hook, asks for.
 *
 * @returns True for exit code 0, a connection, a status of 200 to 399, or SERVING; false for all else, a check that cannot
 *   be run too. Never rejects.
 */
export async function passes(
  { clock, runtime }: { clock: Clock; runtime: Pick<Runtime, "exec"> },
  check: ProbeCheck,
  { id, container, address, timeoutMs }: CheckTarget,
): Promise<boolean> {
  const placeOf = ({ host, port }: { host: string; port: number | string }): Place => ({
    host: host || address,
    port: numberOf(port, container),
    timeoutMs,
  });
  try {
    switch (check.kind) {
      case "exec":
        return (await runtime.exec(id, check.command, timeoutMs)).exitCode === 0;
      case "tcp":
        return await opens(clock, placeOf(check));
      case "http": {
        const { scheme, path, headers } = check;
        const status = await statusOf(clock, { scheme, path, headers, ...placeOf(check) });
        return status >= 200 && status < 400;
      }
      case "grpc": {
        const { isServing } = await import("./grpc-health.ts");
        return await isServing(clock, { host: address, port: check.port, service: check.service, timeoutMs });
      }
      case "sleep":
        return await pause(clock, Math.min(check.seconds * 1_000, timeoutMs));
      case "unsupported":
        return false;
      default:
        return check satisfies never;
    }
  } catch {
    return false;
  }
}

/** A port's number; 0 for a name that no port of the container has. */
function numberOf(port: number | string, { ports }: Container): number {
  return typeof port === "number" ? port : (ports.find(({ name }) => name === port)?.containerPort ?? 0);
}

interface Place {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

function opens(clock: Clock, { host, port, timeoutMs }: Place): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (ok: boolean): void => {
      cancel();
      socket.destroy();
      resolve(ok);
    };
    const cancel = clock.after(timeoutMs, () => done(false));
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

function statusOf(
  clock: Clock,
  request: Place & { scheme: "http" | "https"; path: string; headers: Readonly<Record<string, string>> },
): Promise<number> {
  const { scheme, host, port, path, headers, timeoutMs } = request;
  const options = {
    host,
    port,
    path,
    headers: { "User-Agent": "kube-probe/1.26", ...headers },
    agent: false,
  };
  return new Promise((resolve, reject) => {
    const take = (response: { statusCode?: number | undefined; destroy(): unknown }): void => {
      cancel();
      resolve(response.statusCode ?? 0);
      response.destroy();
    };
    const call =
      scheme === "https"
        ? httpsGet({ ...options, rejectUnauthorized: false }, take)
        : http.get(options, take);
    const cancel = clock.after(timeoutMs, () => call.destroy(new Error("no answer in time")));
    call.once("error", (error) => {
      cancel();
      reject(error);
    });
  });
}
