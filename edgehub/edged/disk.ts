import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { rm } from "node:fs/promises";
import { HubError } from "../../protocol/index.ts";

/** What a failure of the file system means. */
export function diskError(cause: unknown, path: string): HubError {
  if (cause instanceof HubError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT")
    return new HubError("E_STORAGE_FULL", `no room to write ${path}: free space on its disk`, { cause });
  return new HubError("E_STORAGE", `${path}: ${message}`, { cause });
}

/** Removes a folder with all in it; harmless if it is gone. Rejects with `E_STORAGE`. */
export async function removeTree(directory: string): Promise<void> {
  try {
    await rm(directory, { recursive: true, force: true });
  } catch (error) {
    throw diskError(error, directory);
  }
}

/** A small file's text without the white space around it; empty if it cannot be read. */
export function textIn(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
}

/** The last bytes of a file, however large it is; empty if it cannot be read. */
export function endOf(file: string, maxBytes: number): string {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    const { size } = fstatSync(descriptor);
    const bytes = Buffer.alloc(Math.min(size, maxBytes));
    const length = readSync(descriptor, bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, length).toString("utf8");
  } catch {
    return "";
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** A file's JSON value; `undefined` if it is not there, or damaged. */
export function jsonIn(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown;
  } catch {
    return undefined;
  }
}
