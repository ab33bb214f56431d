import { readdirSync } from "node:fs";
import { join } from "node:path";
import { HubError } from "../../protocol/index.ts";
import { findNamed, type Named, notFound } from "./find.ts";
import { requireReadable } from "./place.ts";

/** Where Edged and the runtimes keep logs: `<namespace>_<name>_<uid>/<container>/<attempt>.log`, rotated ones beside it. */

/** A pod that has logs; it may be gone otherwise. */
export interface LoggedPod extends Named {
  readonly directory: string;
}

/** Throws `E_FORBIDDEN`, and `E_NOT_FOUND` if no pod has ever run here. */
export function loggedPods(logs: string): LoggedPod[] {
  requireReadable(
    logs,
    () => new HubError("E_NOT_FOUND", `there is no directory ${logs}: no pod has run on this node`),
  );
  return readdirSync(logs).flatMap((entry) => {
    const [namespace, name, uid] = entry.split("_");
    if (!namespace || !name || !uid) return [];
    return [{ namespace, name, directory: join(logs, entry) }];
  });
}

/**
 * The folder with a container's logs.
 *
 * @param container May be left out if the pod has one only. Throws `E_NOT_FOUND`, `E_BAD_OPTION`, `E_FORBIDDEN`.
 */
export function logFolder(
  logs: string,
  {
    wanted,
    namespace,
    container,
  }: Readonly<Record<"wanted" | "namespace" | "container", string | undefined>>,
): string {
  const pod = findNamed(loggedPods(logs), { what: "pod with logs", wanted: wanted ?? "", namespace });
  requireReadable(pod.directory, () => notFound("pod with logs", pod.name, []));
  const containers = readdirSync(pod.directory).sort();
  return join(pod.directory, oneContainer(containers, pod.name, container));
}

/** The one that is named, or the only one. Throws `E_NOT_FOUND`, `E_BAD_OPTION`. */
export function oneContainer(containers: readonly string[], pod: string, wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (containers.includes(wanted)) return wanted;
    throw notFound(`container of pod ${pod} called`, wanted, containers);
  }
  const [first, second] = containers;
  if (first !== undefined && second === undefined) return first;
  if (first === undefined)
    throw new HubError(
      "E_NOT_FOUND",
      `no container of pod ${pod} has run yet; see edgehub describe pod ${pod}`,
    );
  throw new HubError(
    "E_BAD_OPTION",
    `pod ${pod} has several containers: ${containers.join(", ")}; name one with -c`,
  );
}

/** Numbers of the container's starts that have logs, ascending. */
export function attemptsIn(folder: string): number[] {
  const found = namesIn(folder).flatMap((name) => /^(\d+)\.log(?:\.|$)/.exec(name)?.[1] ?? []);
  return [...new Set(found.map(Number))].sort((a, b) => a - b);
}

/** Logs of one start that were turned away from, the oldest first. */
export function rotatedIn(folder: string, attempt: number): string[] {
  const log = `${attempt}.log`;
  return namesIn(folder)
    .filter((name) => name.startsWith(`${log}.`) && !name.endsWith(".gz"))
    .sort()
    .map((name) => join(folder, name));
}

export function logFile(folder: string, attempt: number): string {
  return join(folder, `${attempt}.log`);
}

/** Empty if it is gone. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
