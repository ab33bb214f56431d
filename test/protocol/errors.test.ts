import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  asHubError,
  type ErrorCode,
  errorTable,
  HubError,
  isErrorCode,
  shown,
} from "../../protocol/errors.ts";
import { runs } from "./arbitraries.ts";

describe("a HubError", () => {
  it("has the verdict of the table, unless the thrower knows better", () => {
    for (const code of Object.keys(errorTable) as ErrorCode[])
      expect(new HubError(code, "text").retryable).toBe(errorTable[code].retryable);
    expect(new HubError("E_REFUSED", "text", { retryable: true }).retryable).toBe(true);
    expect(new HubError("E_TIMEOUT", "text", { retryable: false }).retryable).toBe(false);
  });

  it("reads as code and text", () => {
    const error = new HubError("E_NO_NODE", "which one?");
    expect(String(error)).toBe("E_NO_NODE: which one?");
    expect(error).toMatchObject({ name: "HubError", code: "E_NO_NODE", message: "which one?" });
    expect(error).toBeInstanceOf(Error);
    expect("cause" in error).toBe(false);
  });

  it("keeps its cause", () => {
    const cause = new Error("below");
    expect(new HubError("E_STORAGE", "text", { cause }).cause).toBe(cause);
  });

  it("is made of any error; one that is one already stays as it is", () => {
    const error = new HubError("E_TIMEOUT", "late");
    expect(asHubError(error)).toBe(error);
    const below = new TypeError("below");
    expect(asHubError(below)).toMatchObject({
      code: "E_INTERNAL",
      message: "below",
      retryable: true,
      cause: below,
    });
    expect(asHubError("text")).toMatchObject({ code: "E_INTERNAL", message: "text", cause: "text" });
    expect(asHubError(undefined)).toMatchObject({ code: "E_INTERNAL", message: "undefined" });
  });
});

describe("the table of codes", () => {
  it("tells codes from other words, also from those that every object has", () => {
    expect(isErrorCode("E_TIMEOUT")).toBe(true);
    for (const word of ["", "E_NONE", "toString", "constructor", "__proto__", "e_timeout"])
      expect(isErrorCode(word)).toBe(false);
  });

  it("says in a sentence what each one means", () => {
    for (const [code, { meaning }] of Object.entries(errorTable)) {
      expect(code).toMatch(/^E_[A-Z_]+$/);
      expect(meaning.length, code).toBeGreaterThan(10);
    }
  });
});

describe("a value in an error text", () => {
  it.each([
    ["text", '"text"'],
    ["", '""'],
    [5, "5"],
    [5n, '"5"'],
    [undefined, "undefined"],
    [null, "null"],
    [{ a: 1 }, '{"a":1}'],
    [{ a: 1n }, '{"a":"1"}'],
    ["a\nb\u0000\u001b[31m", '"a\\nb\\u0000\\u001b[31m"'],
    ["\u007f\u009b\u2028\u2029", '"\\u007f\\u009b\\u2028\\u2029"'],
    [Symbol("s"), "Symbol(s)"],
  ])("%s is shown as %s", (value, text) => expect(shown(value)).toBe(text));

  it("is shown whatever it is: one that refers to itself, or is nested too deep", () => {
    const circular: { self?: object } = {};
    circular.self = circular;
    expect(shown(circular)).toBe("a value of type object");
    expect(shown(JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`))).toMatch(/^\[|^a value/);
  });

  it("is never longer than 60 characters, never holds a control character, and is always well formed", () => {
    const values = fc.oneof(
      fc.anything({ withBigInt: true }),
      fc.string({ unit: "binary", maxLength: 200 }),
      fc.string({ unit: "grapheme", minLength: 50, maxLength: 70 }),
    );
    fc.assert(
      fc.property(values, (value) => {
        const text = shown(value);
        expect(text.length).toBeLessThanOrEqual(60);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
        expect(text.isWellFormed()).toBe(true);
      }),
      runs(2_000),
    );
  });

  it("that is long ends with dots", () => {
    expect(shown("x".repeat(58))).toBe(`"${"x".repeat(58)}"`);
    expect(shown("x".repeat(59))).toBe(`"${"x".repeat(56)}...`);
    expect(shown("x".repeat(1_000_000))).toBe(`"${"x".repeat(56)}...`);
  });
});
