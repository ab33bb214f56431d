import { type Code, either, joined, optional, shifted, star } from "./pattern-code.ts";
import type { Assertion, Instruction } from "./pattern-program.ts";

/** Reads patterns as Go has them. Pure. Source: RE2 syntax. */

/** The parts that a pattern makes, with its repetitions written out. */
const maxProgram = 5_000;
/** As at Go. */
const maxRepeat = 1_000;
const maxDepth = 100;
const tooLarge = "it is too large with its repetitions written out";

interface Flags {
  readonly ignoreCase: boolean;
  readonly multiline: boolean;
  readonly dotAll: boolean;
}

/** What is written `\A` there is not `^`, which depends on flags. */
const assertions: Readonly<Record<string, Assertion>> = {
  A: "textStart",
  z: "textEnd",
  b: "word",
  B: "noWord",
};
const posixClasses: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  blank: "\\t ",
  digit: "0-9",
  lower: "a-z",
  upper: "A-Z",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t\\n\\v\\f\\r ",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

/** Reads a pattern into the steps that match it. */
export class PatternParser {
  readonly #text: string;
  #at = 0;
  #size = 0;
  #flags: Flags = { ignoreCase: false, multiline: false, dotAll: false };

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Code {
    const code = this.#alternatives(0);
    if (this.#at < this.#text.length) throw this.#wrong("a ) too many");
    return code;
  }

  #alternatives(depth: number): Code {
    if (depth > maxDepth) throw this.#wrong("too many groups within each other");
    const flags = this.#flags;
    const branches = [this.#sequence(depth)];
    while (this.#takes("|")) {
      this.#grow(2);
      branches.push(this.#sequence(depth));
    }
    this.#flags = flags;
    return branches.reduceRight((rest, branch) => either(branch, rest));
  }

  #sequence(depth: number): Code {
    const code: Instruction[] = [];
    while (this.#at < this.#text.length && !"|)".includes(this.#peek)) {
      const before = this.#size;
      const atom = this.#atom(depth);
      const repeated = this.#repetition(atom);
      this.#size = before;
      this.#grow(repeated.length);
      for (const step of shifted(repeated, code.length)) code.push(step);
    }
    return code;
  }

  #repetition(atom: Code): Code {
    const count = this.#count();
    if (count === undefined) return atom;
    this.#takes("?");
    if (this.#count() !== undefined) throw this.#wrong("a repetition of a repetition");
    const [least, most] = count;
    if (most !== undefined && (most < least || most > maxRepeat)) throw this.#wrong("a wrong repetition");
    if (least > maxRepeat || atom.length * Math.max(least, most ?? 0) > maxProgram)
      throw this.#wrong(tooLarge);
    let code: Code = [];
    for (let i = 0; i < least; i++) code = joined(code, atom);
    if (most === undefined) return joined(code, star(atom));
    for (let i = least; i < most; i++) code = joined(code, optional(atom));
    return code;
  }

  /** How often the last part may come; `undefined`: it says nothing of that. */
  #count(): readonly [number, number | undefined] | undefined {
    if (this.#takes("*")) return [0, undefined];
    if (this.#takes("+")) return [1, undefined];
    if (this.#takes("?")) return [0, 1];
    const found = /^\{(\d{1,5})(,(\d{1,5})?)?\}/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (found === null) return undefined;
    this.#at += found[0].length;
    const least = Number(found[1]);
    if (found[2] === undefined) return [least, least];
    return [least, found[3] === undefined ? undefined : Number(found[3])];
  }

  #atom(depth: number): Code {
    const char = this.#next();
    switch (char) {
      case "(":
        return this.#group(depth);
      case "[":
        return [this.#oneOf(this.#classText())];
      case ".":
        return [this.#flags.dotAll ? any : notNewline];
      case "^":
        return [{ op: "assert", kind: this.#flags.multiline ? "lineStart" : "textStart" }];
      case "$":
        return [{ op: "assert", kind: this.#flags.multiline ? "lineEnd" : "textEnd" }];
      case "\\":
        return this.#escaped();
      case "*":
      case "+":
      case "?":
        throw this.#wrong("nothing that could be repeated");
      default:
        return [this.#flags.ignoreCase ? this.#oneOf(`[${literal(char)}]`) : exactly(char)];
    }
  }

  #group(depth: number): Code {
    const flags = this.#flags;
    if (this.#takes("?")) {
      const found = /^(?:P?<[A-Za-z_]\w*>|([ims]*)(?:-([ims]+))?([:)]))/.exec(this.#text.slice(this.#at));
      if (found === null) throw this.#wrong("a kind of group that Go does not have");
      this.#at += found[0].length;
      const [, on = "", off = "", end] = found;
      this.#flags = withFlags(withFlags(flags, on, true), off, false);
      // They count up to the end of the group around them.
      if (end === ")") return [];
    }
    const code = this.#alternatives(depth + 1);
    if (!this.#takes(")")) throw this.#wrong("a ) too few");
    this.#flags = flags;
    return code;
  }

  #escaped(): Code {
    const kind = assertions[this.#peek];
    if (kind !== undefined) {
      this.#at++;
      return [{ op: "assert", kind }];
    }
    return [this.#oneOf(`[${this.#escape()}]`)];
  }

  /** What is behind a backslash, as JavaScript writes it in a class. */
  #escape(): string {
    const rest = this.#text.slice(this.#at, this.#at + 40);
    const found =
      /^(?:[dDsSwWtnrfv]|[pP](?:[A-Z]|\{\^?\w{1,30}\})|x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|[^\w\s])/u.exec(
        rest,
      );
    if (found === null) throw this.#wrong("an escape that Go does not have");
    const [escaped] = found;
    this.#at += escaped.length;
    if (/^[pP]/.test(escaped)) return property(escaped);
    if (escaped.startsWith("x{")) return `\\u${escaped.slice(1)}`;
    // Go's space has no vertical tab and none of Unicode's.
    if (escaped === "s") return "\\t\\n\\f\\r ";
    if (escaped === "S") return "\\0-\\x08\\x0b\\x0e-\\x1f\\x21-\\u{10ffff}";
    return /^\w/.test(escaped) ? `\\${escaped}` : literal(escaped);
  }

  /** A class as JavaScript writes it. */
  #classText(): string {
    let text = this.#takes("^") ? "[^" : "[";
    for (let isFirst = true; ; isFirst = false) {
      const posix = /^\[:(\^?)([a-z]+):\]/.exec(this.#text.slice(this.#at, this.#at + 20));
      if (posix !== null) {
        const chars = posixClasses[posix[2] ?? ""];
        if (chars === undefined || posix[1] !== "") throw this.#wrong("a class of an unknown name");
        text += chars;
        this.#at += posix[0].length;
        continue;
      }
      const char = this.#next();
      if (char === "]" && !isFirst) return `${text}]`;
      if (char === "\\") text += this.#escape();
      // Between two characters it means all from the one to the other.
      else text += char === "-" && !isFirst && this.#peek !== "]" ? "-" : literal(char);
    }
  }

  #oneOf(classText: string): Instruction {
    let one: RegExp;
    try {
      one = new RegExp(`^${classText}$`, this.#flags.ignoreCase ? "iu" : "u");
    } catch {
      throw this.#wrong("a class that is none");
    }
    const ascii = Array.from({ length: 128 }, (_, point) => one.test(String.fromCharCode(point)));
    const test = (point: number): boolean => ascii[point] ?? one.test(String.fromCodePoint(point));
    return { op: "char", test };
  }

  #grow(by: number): void {
    this.#size += by;
    if (this.#size > maxProgram) throw this.#wrong(tooLarge);
  }

  get #peek(): string {
    return this.#text[this.#at] ?? "";
  }

  #next(): string {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) throw this.#wrong("it ends too early");
    const char = String.fromCodePoint(point);
    this.#at += char.length;
    return char;
  }

  #takes(char: string): boolean {
    if (this.#peek !== char) return false;
    this.#at++;
    return true;
  }

  #wrong(what: string): SyntaxError {
    return new SyntaxError(`${what}, at character ${this.#at}`);
  }
}

function exactly(char: string): Instruction {
  const wanted = char.codePointAt(0);
  return { op: "char", test: (point) => point === wanted };
}

const any: Instruction = { op: "char", test: () => true };
const notNewline: Instruction = { op: "char", test: (point) => point !== 0x0a };

function withFlags(flags: Flags, letters: string, value: boolean): Flags {
  return {
    ignoreCase: letters.includes("i") ? value : flags.ignoreCase,
    multiline: letters.includes("m") ? value : flags.multiline,
    dotAll: letters.includes("s") ? value : flags.dotAll,
  };
}

/** A character that means itself, in a class. */
function literal(char: string): string {
  return /[\^$\\.*+?()[\]{}|/-]/.test(char) ? `\\${char}` : char;
}

/** `pL`, `p{Greek}`, `P{^L}`: scripts have a name of their own in JavaScript. */
function property(escaped: string): string {
  const name = escaped.replace(/^[pP]\{?/, "").replace(/\}$/, "");
  const isNegated = escaped.startsWith("P") !== name.startsWith("^");
  const plain = name.replace("^", "");
  const value = plain.length <= 2 ? plain : `Script=${plain}`;
  return `\\${isNegated ? "P" : "p"}{${value}}`;
}
