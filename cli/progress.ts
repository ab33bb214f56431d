import { LiveBlock } from "../platform/live-block.ts";
import type { Stream } from "./io.ts";

/** How often a line is drawn on a terminal, and printed elsewhere. */
const drawEveryMs = 100;
const printEveryMs = 2_000;

/** Shows on standard error how far a long work is: one line drawn in place, or a plain line now and then. */
export class Progress {
  readonly #stream: Stream;
  readonly #lines: () => readonly string[];
  readonly #block: LiveBlock | undefined;
  readonly #timer: NodeJS.Timeout;

  /** @param lines What to show now; only the first line is printed where there is no terminal. */
  constructor(stream: Stream, lines: () => readonly string[]) {
    this.#stream = stream;
    this.#lines = lines;
    this.#block = stream.isTerminal ? new LiveBlock(stream) : undefined;
    this.#timer = setInterval(() => this.#show(), this.#block ? drawEveryMs : printEveryMs);
    this.#timer.unref();
  }

  /** Wipes the line away; what follows is the result. */
  end(): void {
    clearInterval(this.#timer);
    this.#block?.end("wipe");
  }

  #show(): void {
    const lines = this.#lines();
    if (this.#block) this.#block.draw(lines);
    else if (lines[0] !== undefined) this.#stream.write(`${lines[0]}\n`);
  }
}
