import { execFile } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  fstatSync,
  openSync,
  readSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { diskError, textIn } from "./disk.ts";

const streams = ["stdout", "stderr"] as const;
type Stream = (typeof streams)[number];

/** A longer line is cut into parts, as containerd does. */
const maxLineBytes = 16 << 10;
const chunkBytes = 256 << 10;
/** Read output is given back to the disk in such portions. */
const releaseBytes = 4 << 20;
const newline = 0x0a;

/**
 * Brings what a process writes into its log, in the format of CRI. The process writes to plain files, so that it
 * never waits for the agent and needs none; here they are read on from where reading stopped, and what was read is
 * given back to the disk by punching a hole into the file, which loses nothing that is written meanwhile.
 */
export class OutputLog {
  readonly logFile: string;
  readonly #directory: string;
  /** Bytes of each stream that are in the log; kept in `offsets`. */
  #offsets: Record<Stream, number> | undefined;
  #released: Record<Stream, number> = { stdout: 0, stderr: 0 };
  #drained = false;

  /** @param directory With the files `stdout` and `stderr`, absolute. */
  constructor(directory: string, logFile: string) {
    this.#directory = directory;
    this.logFile = logFile;
  }

  /** True once all output of an ended process is in the log. */
  get drained(): boolean {
    return this.#drained;
  }

  /**
   * Brings new lines into the log.
   *
   * @param ended The process writes no more: a last line without an end is one too.
   * Throws `E_STORAGE_FULL` or `E_STORAGE`; nothing is lost then, the next call goes on.
   */
  pump(ended: boolean): void {
    const offsets = this.#readOffsets();
    let complete = true;
    for (const stream of streams) {
      const { lines, consumed, more } = this.#read(stream, offsets[stream], ended);
      if (consumed > 0) {
        this.#append(lines);
        offsets[stream] += consumed;
        this.#save(offsets);
        this.#release(stream, offsets[stream]);
      }
      if (more) complete = false;
    }
    this.#drained = ended && complete;
  }

  #read(stream: Stream, from: number, ended: boolean): { lines: string; consumed: number; more: boolean } {
    const nothing = { lines: "", consumed: 0, more: false };
    let descriptor: number;
    try {
      descriptor = openSync(join(this.#directory, stream), "r");
    } catch {
      return nothing;
    }
    try {
      const { size, mtimeMs } = fstatSync(descriptor);
      if (size <= from) return nothing;
      const buffer = Buffer.alloc(Math.min(size - from, chunkBytes));
      const length = readSync(descriptor, buffer, 0, buffer.length, from);
      const last = ended && from + length >= size;
      const { lines, consumed } = criLines(buffer.subarray(0, length), {
        stream,
        time: new Date(mtimeMs).toISOString().replace("Z", "000000Z"),
        last,
      });
      return { lines, consumed, more: from + consumed < size };
    } finally {
      closeSync(descriptor);
    }
  }

  /** Half a write is taken back, so that the next one begins with a whole line. */
  #append(lines: string): void {
    const before = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
    try {
      appendFileSync(this.logFile, lines, { mode: 0o640 });
    } catch (error) {
      try {
        truncateSync(this.logFile, before);
      } catch {
        // It is no plain file, or gone.
      }
      throw diskError(error, this.logFile);
    }
  }

  #readOffsets(): Record<Stream, number> {
    if (this.#offsets) return this.#offsets;
    const [stdout, stderr] = textIn(join(this.#directory, "offsets")).split(" ").map(Number);
    this.#offsets = { stdout: stdout || 0, stderr: stderr || 0 };
    return this.#offsets;
  }

  #save({ stdout, stderr }: Record<Stream, number>): void {
    const file = join(this.#directory, "offsets");
    try {
      writeFileSync(file, `${stdout} ${stderr}`);
    } catch (error) {
      throw diskError(error, file);
    }
  }

  /** Where holes cannot be punched, the file stays as long as its container. */
  #release(stream: Stream, offset: number): void {
    if (offset - this.#released[stream] < releaseBytes) return;
    this.#released[stream] = offset;
    const length = Math.floor(offset / 4_096) * 4_096;
    const file = join(this.#directory, stream);
    execFile(
      "fallocate",
      ["--punch-hole", "--offset", "0", "--length", String(length), file],
      () => undefined,
    );
  }
}

/**
 * Output as lines of a CRI log: time, stream, F for a whole line or P for a part of one, text. Pure.
 *
 * @returns How many bytes are in the lines; the rest waits for its end.
 */
export function criLines(
  bytes: Uint8Array,
  { stream, time, last }: { stream: string; time: string; last: boolean },
): { lines: string; consumed: number } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let lines = "";
  let at = 0;
  while (at < buffer.length) {
    const end = buffer.indexOf(newline, at);
    const length = (end < 0 ? buffer.length : end) - at;
    const isPart = length > maxLineBytes;
    if (end < 0 && !last && !isPart) break;
    const text = buffer.toString("utf8", at, at + Math.min(length, maxLineBytes));
    lines += `${time} ${stream} ${isPart ? "P" : "F"} ${text}\n`;
    at += isPart ? maxLineBytes : length + (end < 0 ? 0 : 1);
  }
  return { lines, consumed: at };
}
