import { parseLogLine } from "../inspect/log-lines.ts";

/** Pieces of CRI logs as people read them. Pure. */

const newline = 0x0a;

export interface LogText {
  readonly text: Buffer;
  /** How many bytes of the log are in it. */
  readonly consumed: number;
  readonly inLine: boolean;
}

export interface LogTextOptions {
  readonly timestamps: boolean;
  /** Only lines from this time on, ms since 1970; 0: all. */
  readonly sinceMs: number;
  /** The piece begins within a line. */
  readonly inLine: boolean;
  /** Nothing comes behind the piece: a last line without an end is one too. */
  readonly last: boolean;
}

/** Turns whole lines into text; what is no whole line waits. */
export function textOf(piece: Buffer, { timestamps, sinceMs, inLine: began, last }: LogTextOptions): LogText {
  const parts: Uint8Array[] = [];
  let inLine = began;
  let at = 0;
  while (at < piece.length) {
    const end = piece.indexOf(newline, at);
    if (end < 0 && !last) break;
    const line = parseLogLine(piece.subarray(at, end < 0 ? piece.length : end));
    at = end < 0 ? piece.length : end + 1;
    const wanted = sinceMs === 0 || line.time === "" || !(Date.parse(line.time) < sinceMs);
    if (wanted) {
      if (timestamps && !inLine && line.time !== "") parts.push(Buffer.from(`${line.time} `));
      parts.push(line.text);
      if (!line.isPart) parts.push(Buffer.from("\n"));
    }
    inLine = line.isPart;
  }
  return { text: Buffer.concat(parts), consumed: at, inLine };
}

/**
 * Where the last lines of a piece of log begin; parts of one line count once.
 *
 * @param found How many lines were found behind the piece.
 * @returns `offset` of the first of them, if all are in the piece, and how many are found now.
 */
export function lastLines(
  piece: Buffer,
  wanted: number,
  found: number,
): { offset: number | undefined; found: number } {
  let count = found;
  let end = piece.length;
  while (end > 0) {
    const from = (end < 2 ? -1 : piece.lastIndexOf(newline, end - 2)) + 1;
    const { isPart } = parseLogLine(piece.subarray(from, end));
    // Read backwards, a line begins with its last part.
    const isOpen = end === piece.length && found === 0;
    if (!isPart || isOpen) {
      if (count === wanted) return { offset: end, found: count };
      count++;
    }
    end = from;
  }
  return { offset: undefined, found: count };
}
