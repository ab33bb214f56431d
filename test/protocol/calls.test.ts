import { describe, expect, it } from "vitest";
import { adminVerbs, readArguments, readJson, viewOf, writeJson } from "../../protocol/calls.ts";
import { event } from "../../protocol/delivery.ts";
import { aMessage } from "./messages.ts";

describe("the body of a call", () => {
  it.each([[{ a: [1] }], ["text"], [0], [false], [[]]])("carries %j", (value) => {
    expect(readJson(writeJson(value))).toEqual(value);
  });

  it("carries nothing as null, and null as nothing", () => {
    expect(Buffer.from(writeJson(undefined)).toString()).toBe("null");
    expect(readJson(writeJson(undefined))).toBeUndefined();
    expect(readJson(writeJson(null))).toBeUndefined();
  });

  it("that is no JSON is refused", () => {
    for (const text of ["", "{", "nothing"])
      expect(() => readJson(Buffer.from(text))).toThrow(expect.objectContaining({ code: "E_BAD_MESSAGE" }));
  });

  it("is a list of at most eight arguments", () => {
    expect(readArguments(writeJson([1, "a"]))).toEqual([1, "a"]);
    expect(readArguments(writeJson(Array(8).fill(0)))).toHaveLength(8);
    for (const value of [Array(9).fill(0), {}, "list", null])
      expect(() => readArguments(writeJson(value))).toThrow(
        expect.objectContaining({ code: "E_BAD_MESSAGE" }),
      );
  });

  it("names each of the admin's verbs once", () => {
    expect(new Set(adminVerbs).size).toBe(adminVerbs.length);
  });
});

describe("a message as JSON", () => {
  it("has its content parsed and its resource as a path", () => {
    const draft = { id: "i", parentId: "p", resourceVersion: "7", content: { kind: "Pod" } };
    const message = aMessage({ ...draft, delivery: event() });
    expect(viewOf(message)).toEqual({
      id: "i",
      parentId: "p",
      timestamp: 1_700_000_000_123,
      resourceVersion: "7",
      node: "edge-1",
      source: "edgecontroller",
      group: "resource",
      operation: "update",
      resource: "default/pod/nginx",
      content: { kind: "Pod" },
    });
  });

  it("can be written as JSON, whatever its timestamp", () => {
    const view = viewOf({ ...aMessage(), timestamp: 2n ** 62n });
    expect(JSON.parse(Buffer.from(writeJson(view)).toString())).toMatchObject({
      timestamp: 2 ** 62,
      content: null,
    });
  });
});
