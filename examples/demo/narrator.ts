import type { Screen } from "./screen.ts";
import { pause } from "./waiting.ts";

/** Time to read what was said, on a terminal. */
const readingMs = 1_300;

/** Tells what happens, step by step. */
export class Narrator {
  readonly #screen: Screen;
  readonly #signal: AbortSignal;
  readonly #startedAt = performance.now();

  constructor(screen: Screen, signal: AbortSignal) {
    this.#screen = screen;
    this.#signal = signal;
  }

  /** Since the beginning. */
  get elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** @param step `1/7`. */
  tell(step: string, text: string): void {
    const at = (this.elapsedMs / 1_000).toFixed(1).padStart(5);
    this.#screen.say(`${at}s  ${step.padStart(5)}  ${text}`);
  }

  more(text: string): void {
    this.#screen.say(`               ${text}`);
  }

  /** People need time; files do not. */
  async read(): Promise<void> {
    await pause(this.#screen.isTerminal ? readingMs : 200, this.#signal);
  }
}
