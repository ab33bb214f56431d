import { join } from "node:path";
import type { Clock } from "../../platform/clock.ts";
import { type LogLine, LogPrinter, Tail } from "./log-lines.ts";
import type { LogReader } from "./log-reader.ts";
import { attemptOf, comingLines, writtenLines } from "./read-log.ts";

/** Which container's log. */
export interface LogPlace {
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly container: string;
}

export interface LogWish {
  /** Of the start before the last one. */
  readonly previous: boolean;
  /** The last lines only; Infinity: all. */
  readonly tail: number;
  /** Not what is older, wall clock ms; 0: all. */
  readonly since: number;
  readonly timestamps: boolean;
  /** Go on with what is written from now on, until the container's end. */
  readonly follow: boolean;
}

export interface LogLife {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The container has ended, or its pod has gone. */
  isOver(): boolean;
}

/** After so many lines of a long log, others get their turn. */
const linesATurn = 500;

/**
 * The log of a container of this node, as pieces of text.
 *
 * @param logs Where Edged keeps logs. Throws `E_NOT_FOUND`.
 */
export function openLog(
  logs: string,
  { namespace, pod, uid, container }: LogPlace,
  wish: LogWish,
  life: LogLife,
): AsyncGenerator<Uint8Array> {
  const folder = join(logs, `${namespace}_${pod}_${uid}`, container);
  return pieces(folder, attemptOf(folder, wish.previous), wish, life);
}

async function* pieces(
  folder: string,
  attempt: number,
  wish: LogWish,
  life: LogLife,
): AsyncGenerator<Uint8Array> {
  const printer = new LogPrinter(wish.timestamps);
  const isWanted = ({ time }: LogLine): boolean => wish.since === 0 || Date.parse(time) >= wish.since;
  const tail = wish.tail === Number.POSITIVE_INFINITY ? undefined : new Tail(wish.tail);
  const lines = writtenLines(folder, attempt, wish.follow);
  let reader: LogReader | undefined;
  try {
    let next = lines.next();
    for (let count = 1; !next.done; next = lines.next(), count++) {
      if (isWanted(next.value)) {
        if (tail) tail.add(next.value);
        else yield printer.print(next.value);
      }
      if (count % linesATurn === 0) await new Promise<void>((resolve) => life.clock.atTurnEnd(resolve));
      if (life.signal.aborted) return;
    }
    reader = next.value;
    for (const line of tail?.lines() ?? []) yield printer.print(line);
    if (!wish.follow) return;
    const from = { attempt, reader };
    reader = undefined;
    for await (const line of comingLines(folder, from, { ...life, startedAgain: () => false }))
      if (isWanted(line)) yield printer.print(line);
  } finally {
    lines.return(undefined);
    reader?.close();
  }
}
