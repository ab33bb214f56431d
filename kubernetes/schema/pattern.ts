import { RE2JS, RE2JSSyntaxException } from "re2js";

/**
 * Patterns of CustomResourceDefinitions. They are Go's: what takes more time than the text is long, references back and
 * looking around, does not exist there, nor here. Source: RE2 syntax.
 */

/** What all texts of an object may take: some seconds with the worst pattern there is, milliseconds with others. */
export const maxSteps = 5_000_000;
const maxKept = 1_000;

/** What may still be done; shared by all texts of an object. */
export interface Budget {
  steps: number;
}

export class Pattern {
  readonly #compiled: RE2JS;

  /** Throws a `SyntaxError` that says what is wrong with it. */
  constructor(text: string) {
    try {
      this.#compiled = RE2JS.compile(text);
    } catch (cause) {
      if (cause instanceof RE2JSSyntaxException) throw new SyntaxError(cause.message, { cause });
      throw cause;
    }
  }

  /** Does the text contain a match? @returns `undefined`: it might take more than is left. */
  test(text: string, budget: Budget = { steps: maxSteps }): boolean | undefined {
    // All ways to match are followed at once: no more steps than the product of both lengths.
    budget.steps -= this.#compiled.programSize() * text.length;
    return budget.steps < 0 ? undefined : this.#compiled.test(text);
  }
}

const kept = new Map<string, Pattern | undefined>();

/** @returns `undefined` for what is no pattern. */
export function patternOf(text: string): Pattern | undefined {
  if (kept.has(text)) return kept.get(text);
  let pattern: Pattern | undefined;
  try {
    pattern = new Pattern(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  if (kept.size >= maxKept) kept.clear();
  kept.set(text, pattern);
  return pattern;
}
