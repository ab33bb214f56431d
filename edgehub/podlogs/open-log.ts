import { type Clock, pause } from "../../platform/clock.ts";
import { type LogPiece, readPiece } from "./log-page.ts";

/** Which container's log. */
export type LogOwner = Readonly<Record<"namespace" | "pod" | "uid" | "container", string>>;

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

/** How often a log that is followed is looked at. */
export const lookEveryMs = 200;

/**
 * The log of a container of this node, as pieces of text; who takes none is not read for.
 *
 * @param root Where Edged keeps logs. Throws `E_NOT_FOUND`.
 */
export function openLog(
  root: string,
  owner: LogOwner,
  wish: LogWish,
  life: LogLife,
): AsyncGenerator<Uint8Array> {
  const { tail, since: sinceMs, previous, timestamps, follow } = wish;
  const tailLines = Number.isFinite(tail) ? tail : -1;
  const query = { ...owner, previous, timestamps, sinceMs, tailLines, waitMs: 0 };
  const read = (position: string): LogPiece => readPiece(root, { ...query, position });
  return pieces(read, read(""), follow, life);
}

async function* pieces(
  read: (position: string) => LogPiece,
  first: LogPiece,
  follow: boolean,
  { clock, signal, isOver }: LogLife,
): AsyncGenerator<Uint8Array> {
  let position = "";
  let wasOver = !follow;
  for (let piece = first; ; piece = read(position)) {
    if (piece.text.length > 0) yield piece.text;
    const goesOn = piece.position !== position;
    position = piece.position;
    if (piece.ended || signal.aborted || (wasOver && !goesOn)) return;
    // Looked at before the log is: what was written by then is in it.
    wasOver = !follow || isOver();
    // Others have their turn between two pieces.
    if (goesOn || wasOver) await new Promise<void>((resolve) => clock.atTurnEnd(resolve));
    else if (!(await pause(clock, lookEveryMs, signal))) return;
  }
}
