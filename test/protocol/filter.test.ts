import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Filter,
  isPresence,
  matches,
  matchesPattern,
  presenceResource,
  presenceSource,
  requireFilter,
} from "../../protocol/filter.ts";
import { runs } from "./arbitraries.ts";
import { aMessage } from "./messages.ts";

const presence = aMessage({ source: presenceSource, resource: presenceResource, operation: "connected" });

describe("a pattern", () => {
  it.each([
    ["edge-1", "edge-1", true],
    ["edge-1", "edge-10", false],
    ["*", "", true],
    ["*", "anything", true],
    ["edge-*", "edge-", true],
    ["*-1", "edge-1", true],
    ["*-1", "edge-12", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "axxbyyc", true],
    ["a*b*c", "acb", false],
    ["ab*ba", "aba", false],
    ["**", "x", true],
    [".*", "edge", false],
    ["", "", true],
    ["", "x", false],
  ])("%j on %j: %s", (pattern, text, expected) => expect(matchesPattern(pattern, text)).toBe(expected));

  it("is what a regular expression makes of it", () => {
    const letters = fc.constantFrom("a", "b", "*", ".", "-");
    const text = fc
      .array(fc.constantFrom("a", "b", ".", "-"), { maxLength: 8 })
      .map((parts) => parts.join(""));
    const pattern = fc.array(letters, { maxLength: 6 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(pattern, text, (one, other) => {
        const slow = new RegExp(`^${one.replace(/[.-]/g, "\\$&").replaceAll("*", ".*")}$`);
        expect(matchesPattern(one, other)).toBe(slow.test(other));
      }),
      runs(5_000),
    );
  });
});

describe("a filter", () => {
  const message = aMessage({
    source: "twin",
    group: "twin",
    operation: "update",
    resource: "device/d1/twin/x",
  });

  it("matches all messages if it says nothing", () => {
    expect(matches({}, message)).toBe(true);
  });

  it.each<[Filter, boolean]>([
    [{ nodes: ["edge-*"] }, true],
    [{ nodes: ["hub-*", "edge-1"] }, true],
    [{ nodes: ["edge-2"] }, false],
    [{ nodes: [] }, false],
    [{ groups: ["twin"] }, true],
    [{ groups: ["tw*"] }, false],
    [{ sources: ["twin", "edged"] }, true],
    [{ sources: ["edged"] }, false],
    [{ operations: ["update"] }, true],
    [{ operations: ["insert"] }, false],
    [{ resources: ["device/*/twin/*"] }, true],
    [{ resources: ["device/d2/*"] }, false],
    [{ nodes: ["*"], groups: ["twin"], sources: ["twin"], operations: ["update"], resources: ["*"] }, true],
    [{ nodes: ["*"], groups: ["twin"], sources: ["twin"], operations: ["insert"], resources: ["*"] }, false],
  ])("%j: %s", (filter, expected) => expect(matches(filter, message)).toBe(expected));

  it("matches the coming and going of nodes only if it asks for them, and by node alone", () => {
    expect(isPresence(presence)).toBe(true);
    expect(isPresence(message)).toBe(false);
    expect(isPresence(aMessage({ source: presenceSource }))).toBe(false);
    expect(matches({}, presence)).toBe(false);
    expect(matches({ presence: true, groups: ["none"], resources: [] }, presence)).toBe(true);
    expect(matches({ presence: true, nodes: ["edge-2"] }, presence)).toBe(false);
    expect(matches({ presence: true, groups: ["none"] }, message)).toBe(false);
  });

  it("from outside is taken if all its fields are lists of texts", () => {
    const filter = {
      nodes: ["a"],
      groups: [],
      sources: ["b"],
      operations: ["c"],
      resources: ["d"],
      presence: false,
    };
    expect(requireFilter(filter)).toBe(filter);
    expect(requireFilter({})).toEqual({});
  });

  it.each([
    [undefined, "a filter must be an object, got undefined"],
    [null, "a filter must be an object, got null"],
    ["nodes", 'a filter must be an object, got "nodes"'],
    [{ nodes: "a" }, 'filter.nodes cannot be used: "a"'],
    [{ nodes: ["a", 1] }, 'filter.nodes cannot be used: ["a",1]'],
    [{ presence: "yes" }, 'filter.presence cannot be used: "yes"'],
    [{ node: ["a"] }, 'filter.node cannot be used: ["a"]'],
    [{ nodes: Array(1_001).fill("a") }, "filter.nodes cannot be used"],
    [JSON.parse('{"__proto__":{"nodes":["a"]}}'), "filter.__proto__ cannot be used"],
  ])("from outside is refused by the name of its field: %j", (value, text) => {
    expect(() => requireFilter(value)).toThrow(
      expect.objectContaining({ code: "E_BAD_MESSAGE", message: expect.stringContaining(text) }),
    );
  });
});
