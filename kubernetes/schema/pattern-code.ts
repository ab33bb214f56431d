import type { Instruction } from "./pattern-program.ts";

/** Pieces of programs: places within one count from its beginning, and it ends behind its last step. Pure. */
export type Code = readonly Instruction[];

export function shifted(code: Code, by: number): Code {
  if (by === 0) return code;
  return code.map((step) => (step.op === "split" ? { op: "split", to: step.to.map((to) => to + by) } : step));
}

export function joined(first: Code, second: Code): Code {
  return [...first, ...shifted(second, first.length)];
}

export function either(first: Code, second: Code): Code {
  const end = first.length + 2 + second.length;
  return [
    { op: "split", to: [1, first.length + 2] },
    ...shifted(first, 1),
    { op: "split", to: [end] },
    ...shifted(second, first.length + 2),
  ];
}

export function optional(code: Code): Code {
  return [{ op: "split", to: [1, code.length + 1] }, ...shifted(code, 1)];
}

export function star(code: Code): Code {
  return [{ op: "split", to: [1, code.length + 2] }, ...shifted(code, 1), { op: "split", to: [0] }];
}
