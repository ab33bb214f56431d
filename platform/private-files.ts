import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { HubError } from "../protocol/index.ts";

/** Small files that must be whole or absent, and read by nobody else: keys and certificates. */

/** Creates a directory, mode 0700, with those above it. Throws `E_STORAGE` or `E_STORAGE_FULL`. */
export function makePrivateDirectory(directory: string): void {
  attempt(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
  });
}

/**
 * Writes a file so that it has its old or its new content whenever the machine stops: a temporary file is written,
 * made durable and renamed, and the directory made durable too.
 *
 * @param mode Permissions, such as 0o600.
 * Throws `E_STORAGE` or `E_STORAGE_FULL`; the old file is then unchanged.
 */
export function writeDurably(file: string, content: string, mode: number): void {
  const temporary = `${file}.new`;
  attempt(file, () => {
    // One that a crash left behind may have other permissions.
    rmSync(temporary, { force: true });
    withOpen(temporary, "wx", mode, (descriptor) => {
      writeFileSync(descriptor, content);
      fsyncSync(descriptor);
    });
    renameSync(temporary, file);
    withOpen(dirname(file), "r", 0, fsyncSync);
  });
}

/** The text of a file; `undefined` if there is none. Throws `E_STORAGE` if it cannot be read. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fileError(error, file);
  }
}

function withOpen(path: string, flags: string, mode: number, work: (descriptor: number) => void): void {
  const descriptor = openSync(path, flags, mode);
  try {
    work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function attempt(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw fileError(error, path);
  }
}

function fileError(cause: unknown, path: string): HubError {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HubError("E_STORAGE_FULL", `no room to write ${path}: free space on its disk`, { cause });
  }
  if (code === "EACCES" || code === "EPERM") {
    return new HubError("E_STORAGE", `${path}: ${message}; give this process's user the right to it`, {
      cause,
    });
  }
  return new HubError("E_STORAGE", `${path}: ${message}`, { cause });
}
