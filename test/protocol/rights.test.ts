import { describe, expect, it } from "vitest";
import {
  allRights,
  coversGroup,
  coversNode,
  mayUse,
  type Rights,
  requireRight,
  requireRights,
  verbs,
} from "../../protocol/rights.ts";

const none: Rights = { nodes: [], groups: [], verbs: [] };
const node = { node: "edge-1", labels: { site: "north", empty: "" } };

function outcome(rights: Rights, group?: string): string {
  try {
    requireRight(rights, "publish", node, group);
    return "allowed";
  } catch (error) {
    return String(error);
  }
}

describe("rights", () => {
  it("are none unless given", () => {
    for (const verb of verbs) expect(mayUse(none, verb)).toBe(false);
    expect(coversNode(none, node)).toBe(false);
    expect(coversGroup(none, "resource")).toBe(false);
    expect(requireRights({})).toEqual(none);
    expect(requireRights(null)).toEqual(none);
  });

  it("to administer cover every verb; all rights cover everything", () => {
    for (const verb of verbs) expect(mayUse({ ...none, verbs: ["admin"] }, verb)).toBe(true);
    expect(mayUse({ ...none, verbs: ["publish"] }, "admin")).toBe(false);
    expect(outcome(allRights, "any")).toBe("allowed");
  });

  it.each([
    ["edge-1", true],
    ["edge-*", true],
    ["edge-2", false],
    ["site=north", true],
    ["site=south", false],
    ["site=*", false],
    ["missing=", false],
    ["empty=", true],
    ["constructor=", false],
    ["__proto__=", false],
  ])("for the nodes %j cover edge-1 at site north: %s", (pattern, expected) => {
    expect(coversNode({ ...none, nodes: [pattern] }, node)).toBe(expected);
  });

  it("name groups exactly, or all of them", () => {
    expect(coversGroup({ ...none, groups: ["twin"] }, "twin")).toBe(true);
    expect(coversGroup({ ...none, groups: ["tw*"] }, "twin")).toBe(false);
    expect(coversGroup({ ...none, groups: ["*"] }, "twin")).toBe(true);
  });

  it("that do not cover a call are an error that says which part does not", () => {
    const rights: Rights = { nodes: ["edge-1"], groups: ["resource"], verbs: ["publish"] };
    expect(outcome(rights, "resource")).toBe("allowed");
    expect(outcome(rights)).toBe("allowed");
    expect(outcome({ ...rights, verbs: ["read"] })).toBe(
      "E_FORBIDDEN: needs the verb publish; this controller has read",
    );
    expect(outcome({ ...rights, verbs: [] })).toContain("this controller has none");
    expect(outcome({ ...rights, nodes: ["edge-2"] })).toContain(
      "not allowed for node edge-1; this controller has edge-2",
    );
    expect(outcome(rights, "twin")).toContain('not allowed for group "twin"; this controller has resource');
  });

  it("from outside are taken as they are", () => {
    const rights = { nodes: ["*"], groups: ["resource"], verbs: ["publish", "read"] };
    expect(requireRights(rights)).toEqual(rights);
    expect(requireRights({ verbs: ["read"], more: 1 })).toEqual({ nodes: [], groups: [], verbs: ["read"] });
  });

  it.each([
    [{ nodes: "*" }, 'rights.nodes must be a list of texts, got "*"'],
    [{ groups: [1] }, "rights.groups must be a list of texts, got [1]"],
    [{ verbs: {} }, "rights.verbs must be a list of texts, got {}"],
    [{ verbs: ["read", "write"] }, 'unknown verb "write"; known: publish, subscribe, request, read, admin'],
    [{ nodes: Array(1_001).fill("a") }, "rights.nodes must be a list of texts"],
  ])("from outside are refused by the name of the part: %j", (value, text) => {
    expect(() => requireRights(value)).toThrow(
      expect.objectContaining({ code: "E_BAD_MESSAGE", message: expect.stringContaining(text) }),
    );
  });
});
