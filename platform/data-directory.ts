import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { HubError } from "../protocol/index.ts";
import { lockDirectory } from "./instance-lock.ts";
import { makePrivateDirectory, writeDurably } from "./private-files.ts";

/** A data directory that belongs to this process now. */
export interface DataDirectory {
  /** What {@link record} wrote when it was set up; `undefined`: it is new. */
  readonly recorded: Readonly<Record<string, string>> | undefined;
  /** Says that it is set up completely. From then on what is missing in it is damage. */
  record(words: Readonly<Record<string, string>>): void;
  /** Gives it back. */
  release(): void;
}

/** What tells more of a directory that is found half set up. */
export interface DirectoryHistory {
  /** Names that directories set up by older versions lack, each with the word that `record` has written if it is there. */
  readonly addedLater?: Readonly<Record<string, string>>;
  /** Names of what its use creates: while there is none of them, an interrupted set-up goes on. Default: that cannot be told. */
  readonly madeByUse?: readonly string[];
}

/**
 * Claims a data directory, creating it with mode 0700 if need be.
 *
 * A directory is new until it has been recorded as set up; then its files must be there. One that was left
 * half set up is refused rather than completed, as it is not known what is missing; unless it can be told that nothing
 * has used it yet.
 *
 * @param parts Names inside it that setting up creates.
 * Throws `E_STORE_IN_USE`, `E_STORE_CORRUPT` or `E_STORAGE`.
 */
export function claimDirectory(
  directory: string,
  parts: readonly string[],
  { addedLater = {}, madeByUse }: DirectoryHistory = {},
): DataDirectory {
  makePrivateDirectory(directory);
  const release = lockDirectory(directory);
  try {
    const file = join(directory, "set-up.json");
    const recorded = readRecord(file);
    const isThere = (name: string): boolean => existsSync(join(directory, name));
    const leftovers = [...parts, ...Object.keys(addedLater)].filter(isThere);
    const isUsed = madeByUse === undefined || madeByUse.some(isThere);
    if (recorded === undefined && leftovers.length > 0 && isUsed) {
      throw new HubError(
        "E_STORE_CORRUPT",
        `${directory} holds ${leftovers.join(", ")} but was never set up completely. If its first start was interrupted, nothing has used it yet: ` +
          `remove these and start again. If ${file} was lost, restore it from a backup`,
      );
    }
    const missing = expectedIn(recorded, parts, addedLater).filter((name) => !isThere(name));
    if (missing.length > 0) {
      throw new HubError(
        "E_STORE_CORRUPT",
        `${missing.map((name) => join(directory, name)).join(", ")} is missing. Restore it from a backup; or, to begin anew and lose what it held, empty ${directory}`,
      );
    }
    return { recorded, record: (words) => writeRecord(file, words), release };
  } catch (error) {
    release();
    throw error;
  }
}

function expectedIn(
  recorded: Readonly<Record<string, string>> | undefined,
  parts: readonly string[],
  addedLater: Readonly<Record<string, string>>,
): string[] {
  if (recorded === undefined) return [];
  const later = Object.entries(addedLater).filter(([, word]) => recorded[word] !== undefined);
  return [...parts, ...later.map(([name]) => name)];
}

function readRecord(file: string): Record<string, string> | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, string>;
  } catch {
    // Reported below, like any other content that is not ours.
  }
  throw new HubError("E_STORE_CORRUPT", `${file} cannot be read. Restore it from a backup`);
}

function writeRecord(file: string, words: Readonly<Record<string, string>>): void {
  writeDurably(file, `${JSON.stringify(words, null, 2)}\n`, 0o600);
}
