import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTopicFilter, topicMatches } from "../../protocol/index.ts";

describe("matching", () => {
  it.each([
    ["a/b", "a/b", true],
    ["a/b", "a/b/c", false],
    ["a/+", "a/b", true],
    ["a/+", "a", false],
    ["a/+", "a/", true],
    ["+/+", "/b", true],
    ["a/#", "a", true],
    ["a/#", "a/b/c", true],
    ["#", "a/b", true],
    ["#", "$SYS/x", false],
    ["+/x", "$SYS/x", false],
    ["$SYS/#", "$SYS/x", true],
  ])("%s gets %s: %s", (filter, topic, expected) => {
    expect(topicMatches(filter, topic)).toBe(expected);
  });

  it("is what a regular expression says", () => {
    const level = fc.constantFrom("", "a", "b", "user", "$hw");
    const topics = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"));
    const filters = fc
      .tuple(fc.array(fc.oneof(level, fc.constant("+")), { minLength: 1, maxLength: 4 }), fc.boolean())
      .map(([levels, rest]) => [...levels, ...(rest ? ["#"] : [])].join("/"));
    fc.assert(
      fc.property(filters, topics, (filter, topic) => {
        const pattern = filter
          .replace(/\$/g, "\\$")
          .replace(/\+/g, "[^/]*")
          .replace(/(^|\/)#$/, (_, slash: string) => (slash === "" ? ".*" : "(/.*)?"));
        const isServers = topic.startsWith("$") && !filter.startsWith("$");
        expect(topicMatches(filter, topic)).toBe(!isServers && new RegExp(`^${pattern}$`).test(topic));
      }),
    );
  });
});

it.each([
  ["", false],
  ["a", true],
  ["a/+/c", true],
  ["a/#", true],
  ["#", true],
  ["a#", false],
  ["a/#/b", false],
  ["a/b+", false],
  ["a\0b", false],
])("%j is a filter: %s", (text, expected) => {
  expect(isTopicFilter(text)).toBe(expected);
});
