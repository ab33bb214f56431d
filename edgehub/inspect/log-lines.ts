/** Lines of a container's log, as the Container Runtime Interface has them: time, stream, F or P, text. Pure. */

export interface LogLine {
  /** As it stands in the log; empty for a line that is none of CRI's. */
  readonly time: string;
  /** True: the next line goes on where this one stops. */
  readonly isPart: boolean;
  readonly text: Uint8Array;
}

const newline = 0x0a;
const space = 0x20;
const heads = /^(\S+) (?:stdout|stderr) ([FP])(?::\S+)?$/;
/** A head is not longer: a time with nanoseconds, a stream, a tag. */
const maxHead = 128;

/** A line without its end. One that is damaged is a text as a whole: nothing is hidden. */
export function parseLogLine(line: Uint8Array): LogLine {
  let at = -1;
  for (let words = 0; words < 3; words++) {
    at = line.indexOf(space, at + 1);
    if (at < 0 || at > maxHead) return { time: "", isPart: false, text: line };
  }
  const found = heads.exec(Buffer.from(line.subarray(0, at)).toString("latin1"));
  if (found === null) return { time: "", isPart: false, text: line };
  return { time: found[1] as string, isPart: found[2] === "P", text: line.subarray(at + 1) };
}

/** Cuts what comes into lines. */
export class LineCutter {
  #rest: Uint8Array = new Uint8Array(0);

  /** @returns Whole lines, without their ends. */
  add(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, from)) {
      lines.push(bytes.subarray(from, end));
      from = end + 1;
    }
    this.#rest = bytes.slice(from);
    return lines;
  }

  /** The file has ended. @returns What stands behind its last line end. */
  end(): Uint8Array[] {
    const rest = this.#rest;
    this.#rest = new Uint8Array(0);
    return rest.length === 0 ? [] : [rest];
  }
}

/** Keeps the last lines; the parts of one count once. */
export class Tail {
  readonly #most: number;
  readonly #records: LogLine[][] = [];
  #open = false;

  constructor(most: number) {
    this.#most = most;
  }

  add(line: LogLine): void {
    const last = this.#records.at(-1);
    if (this.#open && last) last.push(line);
    else this.#records.push([line]);
    this.#open = line.isPart;
    if (this.#records.length > 2 * this.#most + 1_000)
      this.#records.splice(0, this.#records.length - this.#most);
  }

  lines(): LogLine[] {
    return (this.#most === 0 ? [] : this.#records.slice(-this.#most)).flat();
  }
}

/** Turns lines into what is shown. */
export class LogPrinter {
  readonly #timestamps: boolean;
  #inLine = false;

  constructor(timestamps: boolean) {
    this.#timestamps = timestamps;
  }

  print({ time, isPart, text }: LogLine): Uint8Array {
    const head = this.#timestamps && !this.#inLine && time !== "" ? `${time} ` : "";
    this.#inLine = isPart;
    return Buffer.concat([Buffer.from(head), text, Buffer.from(isPart ? "" : "\n")]);
  }
}
