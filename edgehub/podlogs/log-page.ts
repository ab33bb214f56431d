import type { PodLogPage, PodLogQuery } from "../../protocol/index.ts";
import { attemptOf, filesOf, folderOf, isOver, type LogFile, readBytes } from "./log-files.ts";
import { formatPlace, type LogPlace, parsePlace } from "./log-place.ts";
import { lastLines, textOf } from "./log-text.ts";

/** The most of a log that one answer brings. */
export const pageBytes = 128 << 10;
const newline = 0x0a;

/** As {@link PodLogPage}, for who is here. */
export interface LogPiece extends Omit<PodLogPage, "bytes"> {
  readonly text: Buffer;
}

/** As {@link readPiece}, for who is far away. */
export function readPage(root: string, query: PodLogQuery): PodLogPage {
  const { text, ...rest } = readPiece(root, query);
  return { bytes: text.toString("base64"), ...rest };
}

/** The next piece of a log: empty if nothing has come. Throws `E_NOT_FOUND`, `E_BAD_MESSAGE`, and what reading throws. */
export function readPiece(root: string, query: PodLogQuery): LogPiece {
  if (query.position !== "" && !hasFolder(root, query))
    return { text: Buffer.alloc(0), position: query.position, ended: true };
  const folder = folderOf(root, query);
  const place = query.position === "" ? beginning(folder, query) : parsePlace(query.position);
  // Looked at first: what was written before is in the files then.
  const over = isOver(folder, place.attempt);
  const files = filesOf(folder, place.attempt);
  let index = files.findIndex((file) => file.inode === place.inode);
  let { offset, inLine } = place;
  // A file that is gone is followed by the oldest one that is there.
  if (index < 0) [index, offset, inLine] = [0, 0, false];
  for (; index < files.length; index++) {
    const file = files[index] as LogFile;
    const written = index === files.length - 1 && !over;
    const { text, consumed, ...rest } = pieceOf(file, offset, { ...query, inLine }, written);
    offset += consumed;
    inLine = rest.inLine;
    const here = { attempt: place.attempt, inode: file.inode, offset, inLine };
    if (text.length > 0 || written) return page(text, here, false);
    // Nothing that is wanted is in this piece, but there is more of the file.
    if (offset < file.size) return page(text, here, false);
    offset = 0;
    if (index === files.length - 1) return page(text, here, true);
  }
  return page(Buffer.alloc(0), { ...place, inode: 0, offset: 0 }, over);
}

function page(text: Buffer, place: LogPlace, ended: boolean): LogPiece {
  return { text, position: formatPlace(place), ended };
}

function pieceOf(
  file: LogFile,
  offset: number,
  { timestamps, sinceMs, inLine }: Pick<PodLogQuery, "timestamps" | "sinceMs"> & { inLine: boolean },
  written: boolean,
) {
  // A runtime that could not write a line whole takes back what it wrote of it.
  const from = Math.min(offset, file.size);
  const piece = readBytes(file, from, pageBytes);
  const atEnd = from + piece.length >= file.size;
  const endless = piece.length === pageBytes && piece.indexOf(newline) < 0;
  const last = (atEnd && !written) || endless;
  const read = textOf(piece, { timestamps, sinceMs, inLine, last });
  return { ...read, consumed: read.consumed - (offset - from) };
}

function hasFolder(root: string, query: PodLogQuery): boolean {
  try {
    folderOf(root, query);
    return true;
  } catch {
    return false;
  }
}

function beginning(folder: string, { previous, tailLines }: PodLogQuery): LogPlace {
  const attempt = attemptOf(folder, previous);
  const start: LogPlace = { attempt, inode: 0, offset: 0, inLine: false };
  return tailLines < 0 ? start : (tailOf(filesOf(folder, attempt), tailLines, attempt) ?? start);
}

/** Looks for the last lines from the end on; `undefined`: there are fewer. */
function tailOf(files: readonly LogFile[], wanted: number, attempt: number): LogPlace | undefined {
  let found = 0;
  for (const file of [...files].reverse()) {
    for (let end = file.size; end > 0; ) {
      const from = Math.max(end - pageBytes, 0);
      let piece = readBytes(file, from, end - from);
      // A line that begins before the piece belongs to the one before it.
      const cut = from === 0 ? 0 : piece.indexOf(newline) + 1;
      if (cut > 0 && cut < piece.length) piece = piece.subarray(cut);
      const start = end - piece.length;
      const looked = lastLines(piece, wanted, found);
      if (looked.offset !== undefined)
        return { attempt, inode: file.inode, offset: start + looked.offset, inLine: false };
      found = looked.found;
      if (piece.length === 0) break;
      end = start;
    }
  }
  return undefined;
}
