import { cut } from "./table.ts";

/** What a block is drawn on: a terminal. */
export interface BlockStream {
  write(text: string): unknown;
  /** Size in characters; `undefined`: unknown. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";
const clearDown = "\u001b[J";
/** Colours take no room on the screen. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for
const escapes = /\u001b\[[\d;?]*[A-Za-z]/g;

/**
 * Lines at the bottom of a terminal that are drawn again and again in place. What is said with `say` scrolls by
 * above them. For terminals only: whoever writes to a file prints plain lines instead.
 */
export class LiveBlock {
  readonly #stream: BlockStream;
  #lines: readonly string[] = [];

  constructor(stream: BlockStream) {
    this.#stream = stream;
  }

  /** Draws the lines in place of the last ones; what does not fit the screen is left out at the top. */
  draw(lines: readonly string[]): void {
    const { columns = 80, rows = 24 } = this.#stream;
    const fitting = lines.slice(-Math.max(rows - 1, 1)).map((line) => clipped(line, columns - 1));
    this.#stream.write(
      `${hideCursor}${this.#back()}${clearDown}${fitting.map((line) => `${line}\n`).join("")}`,
    );
    this.#lines = fitting;
  }

  /** Prints text that stays, above the block. */
  say(text: string): void {
    this.#stream.write(`${this.#back()}${clearDown}${text}\n`);
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    this.draw(lines);
  }

  /** Ends the block; its last lines stay, or are wiped away. */
  end(how: "keep" | "wipe" = "keep"): void {
    this.#stream.write(`${how === "wipe" ? `${this.#back()}${clearDown}` : ""}${showCursor}`);
    this.#lines = [];
  }

  #back(): string {
    return this.#lines.length === 0 ? "" : `\u001b[${this.#lines.length}A\r`;
  }
}

/** A line that would wrap would break the count of lines to go back; a cut line loses its colours. */
function clipped(line: string, width: number): string {
  const plain = line.replace(escapes, "");
  return plain.length <= width ? line : cut(plain, width);
}
