import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { LineCutter, type LogLine, parseLogLine } from "./log-lines.ts";

const chunkBytes = 256 << 10;

/** Reads one log file on as it grows; after a rename it still reads the file that was opened. */
export class LogReader {
  readonly #descriptor: number;
  readonly #file: string;
  readonly #cutter = new LineCutter();
  #offset = 0;

  private constructor(file: string, descriptor: number) {
    this.#file = file;
    this.#descriptor = descriptor;
  }

  /** `undefined`: there is no such file now. */
  static open(file: string): LogReader | undefined {
    try {
      return new LogReader(file, openSync(file, "r"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Whole lines that have come. */
  *read(): Generator<LogLine> {
    const buffer = Buffer.alloc(chunkBytes);
    for (;;) {
      // A runtime that could not write a line whole takes back what it wrote of it.
      this.#offset = Math.min(this.#offset, fstatSync(this.#descriptor).size);
      const length = readSync(this.#descriptor, buffer, 0, buffer.length, this.#offset);
      if (length === 0) return;
      this.#offset += length;
      for (const line of this.#cutter.add(buffer.subarray(0, length))) yield parseLogLine(line);
    }
  }

  /** The rest of a file to which nobody writes any more, and a last line without an end. */
  *readToEnd(): Generator<LogLine> {
    yield* this.read();
    for (const line of this.#cutter.end()) yield parseLogLine(line);
  }

  /** Are both the same file, by whatever names? */
  isSameAs(other: LogReader): boolean {
    const [a, b] = [fstatSync(this.#descriptor), fstatSync(other.#descriptor)];
    return a.ino === b.ino && a.dev === b.dev;
  }

  /** True once another file has its name, or none. */
  get isTurnedAway(): boolean {
    const now = statSync(this.#file, { throwIfNoEntry: false });
    const own = fstatSync(this.#descriptor);
    return now === undefined || now.ino !== own.ino || now.dev !== own.dev;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
