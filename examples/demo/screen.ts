import { LiveBlock } from "../../platform/live-block.ts";

const drawEveryMs = 100;
/** Without a terminal, a line about the state now and then. */
const printEveryMs = 1_000;

/** What is drawn again and again. */
export interface Picture {
  /** For a terminal. */
  lines(view: { colours: boolean; width: number }): readonly string[];
  /** The same in one line, for everybody else. */
  line(): string;
}

/** Tells the story: sentences that stay, and below them, on a terminal, the live table. */
export class Screen {
  readonly isTerminal: boolean;
  readonly #stream: NodeJS.WriteStream;
  readonly #block: LiveBlock | undefined;
  #timer: NodeJS.Timeout | undefined;
  #picture: Picture | undefined;
  #printed = "";

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    this.#block = this.isTerminal ? new LiveBlock(stream) : undefined;
    // Nobody reads any more: the story goes on and ends, and says so with its exit code.
    stream.on("error", () => {});
  }

  say(text: string): void {
    if (this.#block) this.#block.say(text);
    else this.#stream.write(`${text}\n`);
  }

  /** Keeps showing this until {@link close}. */
  show(picture: Picture): void {
    this.#picture = picture;
    this.#timer ??= setInterval(() => this.#tick(), this.#block ? drawEveryMs : printEveryMs);
  }

  /** Shows it now. */
  refresh(): void {
    this.#tick();
  }

  /** Ends the drawing; what was drawn last stays. */
  close(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#tick();
    this.#block?.end();
  }

  /** The whole table once, for those who did not see it live. */
  printTable(): void {
    if (!this.#block)
      this.#stream.write(`${this.#picture?.lines({ colours: false, width: 120 }).join("\n")}\n`);
  }

  #tick(): void {
    if (this.#picture === undefined) return;
    const width = (this.#stream.columns ?? 80) - 1;
    if (this.#block) this.#block.draw(this.#picture.lines({ colours: !process.env.NO_COLOR, width }));
    else this.#print(this.#picture.line());
  }

  #print(line: string): void {
    if (line !== this.#printed) this.#stream.write(`             ${line}\n`);
    this.#printed = line;
  }
}
