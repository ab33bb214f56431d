import { PatternParser } from "./pattern-parser.ts";
import { type Budget, type Instruction, run } from "./pattern-program.ts";

/**
 * Patterns of CustomResourceDefinitions. They are Go's: what Go takes more time for than the text is long, references
 * back and looking around, does not exist there, nor here. Pure. Source: RE2 syntax.
 */

/** What all texts of an object may take: a second. */
export const maxSteps = 10_000_000;
const maxKept = 1_000;

export class Pattern {
  readonly #program: readonly Instruction[];

  /** Throws a `SyntaxError` that says what is wrong with it. */
  constructor(text: string) {
    this.#program = [...new PatternParser(text).parse(), { op: "match" }];
  }

  /** Does the text contain a match? @returns `undefined`: it would take more than is left. */
  test(text: string, budget: Budget = { steps: maxSteps }): boolean | undefined {
    return run(this.#program, text, budget);
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
