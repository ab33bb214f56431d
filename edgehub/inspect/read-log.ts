import { basename } from "node:path";
import { type Clock, pause } from "../../platform/clock.ts";
import { HubError } from "../../protocol/index.ts";
import { attemptsIn, logFile, rotatedIn } from "./log-files.ts";
import type { LogLine } from "./log-lines.ts";
import { LogReader } from "./log-reader.ts";

const pollMs = 200;

export interface Following {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The container was started again, so often. @returns True: to go on with that; otherwise the log ends there. */
  startedAgain(attempt: number): boolean;
}

/** The start whose log is meant: the last one, or the one before. Throws `E_NOT_FOUND`. */
export function attemptOf(folder: string, previous: boolean): number {
  const attempts = attemptsIn(folder);
  const found = attempts.at(previous ? -2 : -1);
  if (found !== undefined) return found;
  const text = previous ? "has no log of an earlier start" : "has no log";
  throw new HubError("E_NOT_FOUND", `container ${basename(folder)} ${text} on this node`);
}

/** One start's log as it is, rotated files first. @returns At the end, the reader to go on with; `undefined`: none. */
export function* writtenLines(
  folder: string,
  attempt: number,
  follow: boolean,
): Generator<LogLine, LogReader | undefined> {
  // Opened first: what is rotated away meanwhile is read once, from the open file.
  const current = LogReader.open(logFile(folder, attempt));
  let isKept = false;
  try {
    for (const file of rotatedIn(folder, attempt)) {
      const reader = LogReader.open(file);
      if (reader === undefined) continue;
      try {
        if (!current?.isSameAs(reader)) yield* reader.readToEnd();
      } finally {
        reader.close();
      }
    }
    if (current) yield* follow ? current.read() : current.readToEnd();
    isKept = follow;
    return isKept ? current : undefined;
  } finally {
    if (!isKept) current?.close();
  }
}

/** What is written from now on, until the log is over or its files are removed. */
export async function* comingLines(
  folder: string,
  from: { attempt: number; reader: LogReader | undefined },
  { clock, signal, startedAgain }: Following,
): AsyncGenerator<LogLine> {
  let { attempt, reader } = from;
  try {
    while (!signal.aborted) {
      reader ??= LogReader.open(logFile(folder, attempt));
      const newest = attemptsIn(folder).at(-1);
      const isTurned = newest !== attempt || (reader?.isTurnedAway ?? false);
      // What was written before these looks is read now, so nothing is missed by turning to another file.
      yield* (isTurned ? reader?.readToEnd() : reader?.read()) ?? [];
      if (isTurned) {
        reader?.close();
        reader = undefined;
      }
      if (newest === undefined) return;
      if (newest !== attempt && !startedAgain(newest)) return;
      attempt = newest;
      if (!isTurned) await pause(clock, pollMs, signal);
    }
  } finally {
    reader?.close();
  }
}
