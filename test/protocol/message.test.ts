import { describe, expect, it } from "vitest";
import { event, state, volatile } from "../../protocol/delivery.ts";
import {
  contentOf,
  createMessage,
  type MessageDraft,
  parseNodeId,
  requireMessageId,
  requireNodeId,
  requireOperation,
  toContent,
} from "../../protocol/message.ts";
import { operations } from "../../protocol/operation.ts";

const stamp = { id: "stamped", timestamp: 1_700_000_000_123, delivery: () => state };
const draft: MessageDraft = { node: "edge-1", resource: "default/pod/nginx", operation: "update" };

function create(change: Partial<MessageDraft> = {}) {
  return createMessage({ ...draft, ...change }, stamp);
}

describe("createMessage", () => {
  it("fills in what the caller left out", () => {
    expect(create()).toEqual({
      id: "stamped",
      parentId: undefined,
      timestamp: 1_700_000_000_123,
      resourceVersion: undefined,
      node: "edge-1",
      source: "edgecontroller",
      group: "resource",
      operation: "update",
      resource: { path: "default/pod/nginx", namespace: "default", type: "pod", name: "nginx" },
      content: new Uint8Array(0),
      delivery: state,
      packed: undefined,
    });
  });

  it("takes what the caller says", () => {
    const said = {
      id: "i",
      parentId: "p",
      source: "s",
      group: "g",
      resourceVersion: "007",
      delivery: event(),
    };
    expect(create(said)).toMatchObject({ ...said, resourceVersion: "7" });
  });

  it("asks for the delivery with the checked message, if the caller did not say", () => {
    const asked: unknown[] = [];
    const delivery = (message: object) => {
      asked.push(message);
      return event();
    };
    expect(createMessage(draft, { ...stamp, delivery }).delivery).toEqual(event());
    expect(asked).toMatchObject([{ node: "edge-1", resource: { type: "pod" }, operation: "update" }]);
  });

  it("takes the node out of a full resource", () => {
    const { node: _, ...nodeless } = draft;
    expect(createMessage({ ...nodeless, resource: "node/edge-2/null/node/edge-2" }, stamp)).toMatchObject({
      node: "edge-2",
      resource: { path: "null/node/edge-2", namespace: undefined },
    });
  });

  it("stamps whole milliseconds: a Go peer closes the link over any other number", () => {
    expect(createMessage(draft, { ...stamp, timestamp: 1.9 }).timestamp).toBe(1);
  });

  it.each<[string, Partial<MessageDraft> & object, string, string]>([
    ["a node with a capital", { node: "Edge" }, "E_NO_NODE", '"Edge"'],
    ["an empty node", { node: "" }, "E_NO_NODE", '""'],
    ["an unknown operation", { operation: "frobnicate" }, "E_BAD_OPERATION", '"frobnicate"'],
    ["an operation in another case", { operation: "Update" }, "E_BAD_OPERATION", '"Update"'],
    ["a resource that is too long", { resource: "x".repeat(2_000) }, "E_BAD_RESOURCE", "2000"],
    ["a resource with a tab", { resource: "a\tb" }, "E_BAD_RESOURCE", '"a\\tb"'],
    ["a version that is no number", { resourceVersion: "v1" }, "E_BAD_VERSION", '"v1"'],
    ["an empty version", { resourceVersion: "" }, "E_BAD_VERSION", '""'],
    ["an empty id", { id: "" }, "E_BAD_MESSAGE", '""'],
    ["an id that is too long", { id: "x".repeat(129) }, "E_BAD_MESSAGE", "xxx..."],
    ["an empty parent id", { parentId: "" }, "E_BAD_MESSAGE", '""'],
    ["an empty source", { source: "" }, "E_BAD_MESSAGE", "source must have 1 to 128 characters"],
    [
      "a group that is too long",
      { group: "g".repeat(129) },
      "E_BAD_MESSAGE",
      "group must have 1 to 128 characters",
    ],
    [
      "content that refers to itself",
      { content: circular() },
      "E_BAD_MESSAGE",
      "content cannot be written as JSON",
    ],
    ["content with a bigint", { content: { n: 1n } }, "E_BAD_MESSAGE", "content cannot be written as JSON"],
    ["content that is a function", { content: () => 1 }, "E_BAD_MESSAGE", "function"],
  ])("refuses %s and names it", (_, change, code, words) => {
    expect(() => create(change)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    );
  });

  it("refuses a resource without a node if there is no node beside it, and names it", () => {
    const { node: _, ...nodeless } = draft;
    expect(() => createMessage(nodeless, stamp)).toThrow(
      expect.objectContaining({ code: "E_NO_NODE", message: expect.stringContaining('"default/pod/nginx"') }),
    );
    expect(() => createMessage({ ...nodeless, resource: "node/Edge/default/pod/x" }, stamp)).toThrow(
      '"Edge"',
    );
  });

  it("takes ids and words of up to 128 characters", () => {
    const word = "x".repeat(128);
    const words = { id: word, parentId: word, source: word, group: word };
    expect(create({ ...words, delivery: volatile })).toMatchObject(words);
    expect(requireMessageId("x")).toBe("x");
  });
});

function circular(): object {
  const value: { self?: object } = {};
  value.self = value;
  return value;
}

describe("content", () => {
  it.each([
    [{ a: [1, "x"] }, '{"a":[1,"x"]}'],
    ["OK", '"OK"'],
    [0, "0"],
    [false, "false"],
    ["", '""'],
    [undefined, ""],
    [null, ""],
    [Buffer.from('{ "raw" : 1 }'), '{ "raw" : 1 }'],
  ])("%j becomes %s", (value, text) => {
    expect(Buffer.from(toContent(value)).toString()).toBe(text);
  });

  it("is read back as a value; null if there is none", () => {
    for (const value of [{ a: [1, "x"] }, "OK", 0, false, null])
      expect(contentOf({ content: toContent(value) })).toEqual(value);
  });

  it.each(["{", "nothing", '"a" "b"', "\ufeff1"])("that is no JSON cannot be read: %j", (text) => {
    expect(() => contentOf({ content: Buffer.from(text) })).toThrow(
      expect.objectContaining({ code: "E_BAD_MESSAGE" }),
    );
  });
});

describe("a node name", () => {
  it.each(["a", "0", "edge-1", "a.b.c", "x".repeat(253), "1-2.3-4"])("may be %s", (name) => {
    expect(parseNodeId(name)).toBe(name);
    expect(requireNodeId(name)).toBe(name);
  });

  it.each([
    "",
    "-a",
    "a-",
    ".a",
    "a.",
    "a..b",
    "a.-b",
    "a-.b",
    "A",
    "a_b",
    "a/b",
    "a b",
    "ä",
    "x".repeat(254),
    "a\n",
  ])("may not be %j", (name) => {
    expect(parseNodeId(name)).toBeUndefined();
    expect(() => requireNodeId(name)).toThrow(expect.objectContaining({ code: "E_NO_NODE" }));
  });

  it.each([undefined, null, 1, {}, circular()])("may not be a value that is no text", (value) => {
    expect(() => requireNodeId(value)).toThrow(expect.objectContaining({ code: "E_NO_NODE" }));
  });
});

describe("an operation", () => {
  it("is any word of the protocol, exactly", () => {
    for (const word of operations) expect(requireOperation(word)).toBe(word);
    expect(new Set(operations).size).toBe(operations.length);
    for (const word of ["", "constructor", "toString", "insert ", "INSERT"])
      expect(() => requireOperation(word)).toThrow(expect.objectContaining({ code: "E_BAD_OPERATION" }));
  });
});
