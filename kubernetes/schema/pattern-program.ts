/**
 * Runs a compiled pattern over a text in one pass: all ways to match are followed at once, so the time is at most the
 * product of both lengths, whatever the pattern. Pure. Source: R. Cox, "Regular Expression Matching Can Be Simple And Fast".
 */

export type Assertion = "textStart" | "textEnd" | "lineStart" | "lineEnd" | "word" | "noWord";

/** One step of a program. `char` and `assert` go on with the next one. */
export type Instruction =
  | { readonly op: "char"; readonly test: (codePoint: number) => boolean }
  | { readonly op: "assert"; readonly kind: Assertion }
  | { readonly op: "split"; readonly to: readonly number[] }
  | { readonly op: "match" };

/** What may still be done; shared by all texts of an object. */
export interface Budget {
  steps: number;
}

/** Does the text contain a match? @returns `undefined`: that takes more steps than are left. */
export function run(program: readonly Instruction[], text: string, budget: Budget): boolean | undefined {
  const points = Array.from(text, (char) => char.codePointAt(0) as number);
  /** In which round an instruction was reached last: none is followed twice at one place. */
  const reached = new Int32Array(program.length).fill(-1);
  let current: number[] = [];
  for (let at = 0; at <= points.length; at++) {
    // A match may begin at every place.
    const waiting = [0, ...current];
    current = [];
    while (waiting.length > 0) {
      const index = waiting.pop() as number;
      if (reached[index] === at) continue;
      reached[index] = at;
      if (--budget.steps < 0) return undefined;
      const step = program[index] as Instruction;
      if (step.op === "match") return true;
      const leadsTo = step.op === "char" ? current : waiting;
      leadsTo.push(...nextOf(step, index, points, at));
    }
  }
  return false;
}

/** Where a step leads: nowhere if it does not fit. */
function nextOf(
  step: Exclude<Instruction, { op: "match" }>,
  index: number,
  points: readonly number[],
  at: number,
): readonly number[] {
  if (step.op === "split") return step.to;
  const fits =
    step.op === "assert"
      ? holds(step.kind, points, at)
      : at < points.length && step.test(points[at] as number);
  return fits ? [index + 1] : [];
}

function holds(kind: Assertion, points: readonly number[], at: number): boolean {
  switch (kind) {
    case "textStart":
      return at === 0;
    case "textEnd":
      return at === points.length;
    case "lineStart":
      return at === 0 || points[at - 1] === newline;
    case "lineEnd":
      return at === points.length || points[at] === newline;
    case "word":
      return isWord(points[at - 1]) !== isWord(points[at]);
    case "noWord":
      return isWord(points[at - 1]) === isWord(points[at]);
    default:
      return kind satisfies never;
  }
}

const newline = 0x0a;

function isWord(point: number | undefined): boolean {
  return point !== undefined && point < 128 && /\w/.test(String.fromCharCode(point));
}
