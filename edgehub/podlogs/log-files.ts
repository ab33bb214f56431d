import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { HubError, type PodLogQuery } from "../../protocol/index.ts";
import { attemptsIn, logFile, rotatedIn } from "../inspect/log-files.ts";

/** A file of a container's log, by what does not change when it is renamed. */
export interface LogFile {
  readonly path: string;
  readonly inode: number;
  readonly size: number;
}

/**
 * The folder with the logs of a container. Names come from a listing, never from the query.
 *
 * Throws `E_NOT_FOUND`.
 */
export function folderOf(root: string, { namespace, pod, uid, container }: PodLogQuery): string {
  const wanted = `${namespace}_${pod}_`;
  const pods = namesIn(root).filter(
    (name) => name.startsWith(wanted) && (uid === "" || name === wanted + uid),
  );
  const newest = pods
    .map((name) => ({
      path: join(root, name),
      at: statSync(join(root, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }))
    .sort((a, b) => b.at - a.at)[0];
  const found = newest === undefined ? undefined : namesIn(newest.path).find((name) => name === container);
  if (newest !== undefined && found !== undefined) return join(newest.path, found);
  throw new HubError(
    "E_NOT_FOUND",
    `container ${container} of pod ${namespace}/${pod} has no log on this node`,
  );
}

/** The start of a container that is meant. Throws `E_NOT_FOUND`. */
export function attemptOf(folder: string, previous: boolean): number {
  const found = attemptsIn(folder).at(previous ? -2 : -1);
  if (found !== undefined) return found;
  throw new HubError("E_NOT_FOUND", previous ? "there is no log of an earlier start" : "there is no log yet");
}

/** Has the container been started again, or are its logs gone? */
export function isOver(folder: string, attempt: number): boolean {
  return !existsSync(folder) || attemptsIn(folder).at(-1) !== attempt;
}

/** The files of one start, the oldest first; the last one is written to. */
export function filesOf(folder: string, attempt: number): LogFile[] {
  const paths = [...rotatedIn(folder, attempt), logFile(folder, attempt)];
  const files = paths.flatMap((path) => {
    const found = statSync(path, { throwIfNoEntry: false });
    return found === undefined ? [] : [{ path, inode: found.ino, size: found.size }];
  });
  // Renamed between two looks, a file is found twice.
  return files.filter((file, i) => files.findIndex((one) => one.inode === file.inode) === i);
}

/** Reads a piece of a file; empty if it is gone, or another file has its name now. */
export function readBytes({ path, inode }: LogFile, from: number, length: number): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
  try {
    if (fstatSync(descriptor).ino !== inode) return Buffer.alloc(0);
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, from));
  } finally {
    closeSync(descriptor);
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
