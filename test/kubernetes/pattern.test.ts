import { describe, expect, it, test } from "vitest";
import { checkDefinition, checkObject, type Kind, kindsOfDefinition } from "../../kubernetes/index.ts";
import { Pattern } from "../../kubernetes/schema/pattern.ts";
import { randomOf, seeds } from "../support/seeds.ts";

describe("a pattern", () => {
  test.each([
    ["^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", ["a", "web-1"], ["", "-a", "a-", "A"]],
    ["b+", ["abc", "b"], ["", "ac"]],
    ["^(https?|ftp)://[^/\\s]+(/.*)?$", ["http://a", "ftp://a/b c"], ["http:///", "gopher://a"]],
    ["^\\d{1,3}(\\.\\d{1,3}){3}$", ["10.0.0.1"], ["10.0.0", "1000.0.0.1", "10.0.0.1."]],
    ["^(?i)on|off$", ["ONE", "turned oFF"], ["n"]],
    ["^a{2,}$", ["aa", "aaaa"], ["a"]],
    ["^a{0}b?$", ["", "b"], ["a"]],
    ["^.$", ["x", "😀"], ["\n", "xy"]],
    ["(?s)^.$", ["\n"], ["ab"]],
    ["(?m)^b$", ["a\nb\nc"], ["ab"]],
    ["\\bcat\\b", ["a cat.", "cat"], ["concat", "cats"]],
    ["^[[:alpha:]_][[:word:]]*$", ["_a1", "b"], ["1a", "ä"]],
    ["^\\pL+$", ["äöü", "abc"], ["a1"]],
    ["^\\p{Greek}+$", ["αβγ"], ["abc"]],
    ["^[\\w.-]+@[\\w.-]+$", ["a.b-c@d"], ["a@", "@b"]],
    ["^[]a]+$", ["]a"], ["b"]],
    ["^[^]a]+$", ["b"], ["]", "a"]],
    ["^(?P<year>\\d{4})-(?:\\d\\d)$", ["2026-11"], ["26-11"]],
    ["^\\x41\\x{1F600}$", ["A😀"], ["A"]],
    ["^(a|ab)(c|bcd)$", ["abcd", "ac", "abc"], ["ab", "abcdd"]],
    ["^$|^x{", ["", "x{"], ["y"]],
    ["^(a*)*$", ["", "aaa"], ["b"]],
  ])("%s takes what Go takes", (text, good, bad) => {
    const pattern = new Pattern(text);
    for (const one of good) expect([one, pattern.test(one)]).toEqual([one, true]);
    for (const one of bad) expect([one, pattern.test(one)]).toEqual([one, false]);
  });

  it.each([
    "(",
    ")",
    "[a",
    "a**",
    "*",
    "(?=a)",
    "(?!a)",
    "(?<!a)b",
    "(a)\\1",
    "a{1001}",
    "(a{100}){100}",
    "\\q",
    "[b-a]",
  ])("that Go does not have is refused: %s", (text) => {
    expect(() => new Pattern(text)).toThrow(SyntaxError);
  });

  // Each of them takes longer than the universe is old where ways are tried one after the other.
  it.each(["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(a*)*b$", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$"])(
    "ends soon, whatever the text: %s",
    (text) => {
      expect(new Pattern(text).test(`${"a".repeat(5_000)}!`)).toBe(false);
    },
  );

  it("does not go on with a text that is too long for it", () => {
    expect(new Pattern("^(a{1,1000})+b$").test("a".repeat(200_000))).toBeUndefined();
  });
});

test.each(seeds(200))("takes what JavaScript takes, seed %i", (seed) => {
  const next = randomOf(seed);
  const pick = (list: readonly string[]): string => list[Math.floor(next() * list.length)] as string;
  const part = (depth: number): string => {
    if (depth === 0 || next() < 0.5) return pick(["a", "b", ".", "[ab]", "[^a]", "\\w", "^", "$", "\\b"]);
    const inner = `(${Array.from({ length: 1 + Math.floor(next() * 3) }, () => part(depth - 1)).join(pick(["", "|"]))})`;
    return inner + pick(["", "*", "+", "?", "{2}", "{0,2}", "*?"]);
  };
  const text = Array.from({ length: 1 + Math.floor(next() * 4) }, () => part(3)).join("");
  const pattern = new Pattern(text);
  for (let i = 0; i < 40; i++) {
    const value = Array.from({ length: Math.floor(next() * 8) }, () => pick(["a", "b", "c", " "])).join("");
    expect([text, value, pattern.test(value)]).toEqual([text, value, new RegExp(text, "u").test(value)]);
  }
});

describe("a CustomResourceDefinition", () => {
  const definition = (schema: object) => ({
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "widgets.plant.example" },
    spec: {
      group: "plant.example",
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  });
  const object = (code: unknown): object => ({ type: "object", properties: { code } });

  it("has no pattern that Go does not have, wherever it is", () => {
    const good = object({ type: "string", pattern: "^[a-z]+$" });
    expect(checkDefinition(definition(good))).toEqual([]);
    const lookahead = { pattern: "^(?=a)" };
    for (const code of [
      { type: "string", ...lookahead },
      { type: "string", anyOf: [lookahead] },
      { type: "array", items: { type: "string", ...lookahead } },
    ])
      expect(checkDefinition(definition(object(code)))).toEqual([
        expect.objectContaining({ detail: expect.stringContaining("must be a valid regular expression") }),
      ]);
  });

  it("holds nobody up with its patterns", () => {
    const [kind] = kindsOfDefinition(definition(object({ type: "string", pattern: "^(a+)+$" })));
    const widget = (code: string) => ({
      apiVersion: "plant.example/v1",
      kind: "Widget",
      metadata: { name: "big", namespace: "default" },
      code,
    });
    const errorsOf = (code: string) => checkObject(kind as Kind, widget(code)).map(({ detail }) => detail);
    expect(errorsOf("aaa")).toEqual([]);
    expect(errorsOf(`${"a".repeat(1_000)}!`)).toEqual([expect.stringContaining("should match")]);
    expect(errorsOf("a".repeat(8_000_000))).toEqual([expect.stringContaining("is too long")]);
  });
});
