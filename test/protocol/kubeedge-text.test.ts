import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { HubError } from "../../protocol/errors.ts";
import { quoted, readText, writeText } from "../../protocol/kubeedge-text.ts";
import type { WireMessage } from "../../protocol/wire-message.ts";
import { illFormedTexts, jsonContents, runs, texts, timestamps } from "./arbitraries.ts";
import { type FrameVector, goJson, vectorNamed, vectors, wireOf } from "./vectors.ts";

function read(text: string): WireMessage {
  return readText(Buffer.from(text));
}

/** The content as text. */
function contentOf(wire: WireMessage): string {
  return Buffer.from(wire.content).toString();
}

/** The error code, or the message. */
function outcome(text: string | Uint8Array): string | WireMessage {
  try {
    return readText(typeof text === "string" ? Buffer.from(text) : text);
  } catch (error) {
    if (error instanceof HubError) return error.code;
    throw error;
  }
}

const emptyWire: WireMessage = {
  id: "",
  parentId: "",
  timestamp: 0,
  resourceVersion: "",
  sync: false,
  type: "",
  source: "",
  destination: "",
  group: "",
  operation: "",
  resource: "",
  content: new Uint8Array(0),
};

describe("Go's own texts", () => {
  test.each(vectors.frames)("$name is written byte for byte", (vector) => {
    const text = Buffer.from(writeText(wireOf(vector)));
    if (vector.wsText !== undefined) expect(text.toString()).toBe(vector.wsText);
    expect(text).toHaveLength(vector.wsTextLength);
    expect(createHash("sha256").update(text).digest("hex")).toBe(vector.wsTextSha256);
  });

  test.each(vectors.frames)("$name is read field by field", (vector) => {
    const wire = readText(writeText(wireOf(vector)));
    expect({ ...wire, content: contentOf(wire) }).toEqual({
      ...wireOf(vector),
      content: contentOf(wireOf(vector)),
    });
  });

  it("are all there: 57 of them were recorded", () => {
    expect(vectors.websocket.captures).toHaveLength(57);
  });

  // All 57 can be written again: the few written by hand (their description says so) keep to Go's order and spacing.
  test.each(vectors.websocket.captures)(
    "the recorded $name is read and written again as it was",
    ({ text }) => {
      const wire = read(text);
      expect(wire.id).not.toBe("");
      expect(Buffer.from(writeText(wire)).toString()).toBe(text);
    },
  );

  test.each(vectors.websocket.captures)("the recorded $name is read as JSON.parse reads it", ({ text }) => {
    const { header, route, content } = JSON.parse(text);
    const wire = read(text);
    expect({ ...wire, content: wire.content.length === 0 ? null : JSON.parse(contentOf(wire)) }).toEqual({
      id: header.msg_id,
      parentId: header.parent_msg_id ?? "",
      timestamp: header.timestamp,
      resourceVersion: header.resourceversion ?? "",
      sync: false,
      type: "",
      source: route.source,
      destination: "",
      group: route.group,
      operation: route.operation,
      resource: route.resource,
      content,
    });
  });
});

describe("what Go's decoder accepts", () => {
  it("takes unknown keys and ignores them", () => {
    const wire = read(
      '{"header":{"msg_id":"a","new":{"msg_id":"b"}},"extra":[1,{"content":2}],"route":{"x":1},"content":3}',
    );
    expect({ ...wire, content: contentOf(wire) }).toEqual({ ...emptyWire, id: "a", content: "3" });
  });

  it.each([
    ['{"HEADER":{"MSG_ID":"a","TimeStamp":7},"Route":{"GROUP":"g"},"CONTENT":1}', "all of them"],
    ['{"header":{"msg_id":"a","timestamp":7},"route":{"group":"g"},"Content":1}', "one of them"],
    ['{"header":{"m\\u0073g_id":"a","timestamp":7},"rou\\u0074e":{"group":"g"},"content":1}', "escaped ones"],
    [
      '{"header":{"msg_id":"a","timestamp":7},"route":{"\\u212Aey":1,"group":"g"},"content":1}',
      "a strange one",
    ],
  ])("takes keys in any spelling: %s", (text) => {
    const wire = read(text);
    expect({ ...wire, content: contentOf(wire) }).toEqual({
      ...emptyWire,
      id: "a",
      timestamp: 7,
      group: "g",
      content: "1",
    });
  });

  it.each([
    "{}",
    "null",
    " { } ",
    "\t\r\n null",
    '{"header":{},"route":{},"content":null}',
    '{"header":null,"route":null}',
  ])("takes %j as an empty message", (text) => expect(read(text)).toEqual(emptyWire));

  it.each(['{"header":{"msg_id":"a"}}', "null"])("ignores what follows %s", (first) => {
    for (const rest of ["{}", ' {"header":{"msg_id":"b"}}', "garbage", "]", "\u00a0", '"', "\u0000"])
      expect(read(first + rest)).toEqual(read(first));
  });

  it("reads sync, which no hub sends", () => {
    for (const sync of [true, false]) expect(read(`{"header":{"sync":${sync}}}`).sync).toBe(sync);
    expect(read('{"header":{"sync":true,"SYNC":false}}').sync).toBe(false);
  });

  it("lets a later value of the same field win", () => {
    expect(read('{"header":{"msg_id":"a","msg_id":"b"}}').id).toBe("b");
    expect(read('{"header":{"msg_id":"a","MSG_ID":"b","msg_id":"c"}}').id).toBe("c");
    expect(read('{"header":{"msg_id":"a","timestamp":1,"TIMESTAMP":2}}').timestamp).toBe(2);
    expect(contentOf(read('{"content":1,"Content":{"a":2}}'))).toBe('{"a":2}');
  });

  it("merges a header or route that is there twice", () => {
    const wire = read(
      '{"header":{"msg_id":"a","timestamp":1},"route":{"group":"g"},"header":{"timestamp":2},"route":{"source":"s"}}',
    );
    expect(wire).toEqual({ ...emptyWire, id: "a", timestamp: 2, group: "g", source: "s" });
  });

  it("takes null for any field as if it were not there", () => {
    const fields = ["msg_id", "parent_msg_id", "timestamp", "resourceversion", "sync", "type"];
    const header = fields.map((field) => `"${field}":null`).join();
    expect(read(`{"header":{${header}},"route":{"source":null},"content":null}`)).toEqual(emptyWire);
    expect(read('{"header":{"msg_id":"a","msg_id":null},"header":null}').id).toBe("a");
    expect(read('{"header":{"timestamp":5,"timestamp":null}}').timestamp).toBe(5);
  });

  it("empties the content with a null that comes later", () => {
    expect(read('{"content":1,"content":null}').content).toHaveLength(0);
  });

  it.each([
    ["0", 0],
    ["-0", 0],
    ["-1", -1],
    ["9007199254740991", 9_007_199_254_740_991],
    ["9007199254740993", 9_007_199_254_740_993n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["-9223372036854775808", -(2n ** 63n)],
  ])("keeps the timestamp %s exactly", (literal, value) => {
    const wire = read(`{"header":{"timestamp":${literal}}}`);
    expect(wire.timestamp).toBe(value);
    if (literal !== "-0")
      expect(Buffer.from(writeText(wire)).toString()).toContain(`"timestamp":${literal}}`);
  });

  it("keeps big numbers, spelling and spaces of the content, which a Go peer would round", () => {
    const content = '{ "n": 12345678901234567890, "f": 1.50, "e": 1E+2, "t": "\\u0041", "n": [ ] }';
    const text = `{"header":{"msg_id":"a","timestamp":1},"route":{},"content":${content}}\n`;
    expect(contentOf(read(text))).toBe(content);
    expect(Buffer.from(writeText(read(text))).toString()).toBe(text);
  });

  it.each([
    ["\\ud800", "\ufffd"],
    ["\\udc00\\ud800", "\ufffd\ufffd"],
    ["a\\ud83dz", "a\ufffdz"],
    ["\\ud83d\\ude80", "🚀"],
  ])("replaces lone surrogates: %s", (escaped, plain) => {
    const wire = read(`{"header":{"msg_id":"${escaped}"},"route":{"source":"${escaped}"}}`);
    expect(wire).toMatchObject({ id: plain, source: plain });
  });

  it("replaces bytes that are not UTF-8", () => {
    const text = Buffer.concat([
      Buffer.from('{"header":{"msg_id":"a'),
      Buffer.from([0xff, 0xc0]),
      Buffer.from('b"},"content":"'),
      Buffer.from([0x80]),
      Buffer.from('"}'),
    ]);
    const wire = readText(text);
    expect(wire.id).toBe("a\ufffd\ufffdb");
    expect(contentOf(wire)).toBe('"\ufffd"');
  });

  it("is not misled by brackets, quotes and backslashes inside strings", () => {
    const tricky = '"}]\\\\\\"{[,:\\u007d\\\\"';
    const wire = read(
      `{"${"x"}":${tricky},"header":{"type":${tricky},"msg_id":"a"},"content":[${tricky},{}]}`,
    );
    expect(wire).toMatchObject({ id: "a", type: JSON.parse(tricky) });
    expect(contentOf(wire)).toBe(`[${tricky},{}]`);
  });

  it("takes a key called __proto__ like any other unknown key", () => {
    expect(read('{"__proto__":{"msg_id":"x"},"header":{"__proto__":{"msg_id":"x"},"msg_id":"a"}}')).toEqual({
      ...emptyWire,
      id: "a",
    });
  });
});

describe("what Go closes the connection for", () => {
  it.each([
    '{"header":{"timestamp":"1"}}',
    '{"header":{"timestamp":1.5}}',
    '{"header":{"timestamp":1.0}}',
    '{"header":{"timestamp":1e3}}',
    '{"header":{"timestamp":9223372036854775808}}',
    '{"header":{"timestamp":-9223372036854775809}}',
    '{"header":{"timestamp":true}}',
    '{"header":{"timestamp":{}}}',
    '{"header":{"timestamp":1.5,"timestamp":1}}',
    '{"header":{"sync":"true"}}',
    '{"header":{"sync":1}}',
    '{"header":{"msg_id":1}}',
    '{"header":{"msg_id":{}}}',
    '{"header":{"msg_id":["a"]}}',
    '{"header":{"parent_msg_id":false}}',
    '{"header":{"resourceversion":1}}',
    '{"header":[]}',
    '{"header":"x"}',
    '{"header":1}',
    '{"header":true}',
    '{"route":[]}',
    '{"route":{"operation":1}}',
    '{"route":{"Resource":1}}',
  ])("a field of another type: %s", (text) => expect(outcome(text)).toBe("E_BAD_FRAME"));

  it.each(["[]", "[{}]", "1", "-1.5", '"text"', "true", "false"])("a value that is no object: %s", (text) =>
    expect(outcome(text)).toBe("E_BAD_FRAME"),
  );

  it.each([
    "",
    " ",
    "\n",
    "nul",
    "{",
    '{"header"',
    '{"header":',
    '{"header":{}',
    '{"header":{"msg_id":"a}}',
    '{"header":{"msg_id":"a\\"}}',
    '{"content":"\\x"}',
    '{"content":"\\ud8"}',
    '{"content":01}',
    '{"content":+1}',
    '{"content":.5}',
    '{"content":NaN}',
    "{'header':{}}",
    "{header:{}}",
    '{"header":{},}',
    '{"header":{}]',
    '{"a":1 "b":2}',
    "/* */ {}",
    "\ufeff{}",
    '{"content":"\u0000"}',
    '{"content":"\n"}',
    '{"a"\u00a0:1}',
    "\u00a0{}",
    "\u0000{}",
    "\\",
    '"\\',
  ])("malformed text: %j", (text) => expect(outcome(text)).toBe("E_BAD_FRAME"));

  it("a text that is cut off anywhere", () => {
    const { text } = vectors.websocket.captures.find(({ name }) => name === "pod-insert") as { text: string };
    const end = text.lastIndexOf("}");
    for (let cut = 0; cut <= end; cut++)
      expect(outcome(text.slice(0, cut)), `cut at ${cut}`).toBe("E_BAD_FRAME");
  });

  it("with brackets nested a hundred thousand deep, and without a stack overflow", () => {
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    expect(outcome(`{"header":${deep}}`)).toBe("E_BAD_FRAME");
    expect(outcome("[".repeat(100_000))).toBe("E_BAD_FRAME");
    expect(contentOf(read(`{"content":${deep}}`))).toBe(deep);
  });

  it("a timestamp of a million digits, and without computing it", () => {
    expect(outcome(`{"header":{"timestamp":${"1".repeat(1_000_000)}}}`)).toBe("E_BAD_FRAME");
  });

  it("never with the whole text in the error", () => {
    const text = `{"header":"${"secret".repeat(1_000)}"}`;
    expect(() => read(text)).toThrow(/^header must be an object, got .{1,60}$/);
  });
});

describe("the text we write", () => {
  it("is read back as it was", () => {
    const wires: fc.Arbitrary<WireMessage> = fc.record({
      id: texts,
      parentId: texts,
      timestamp: timestamps,
      resourceVersion: texts,
      sync: fc.boolean(),
      type: texts,
      source: texts,
      destination: texts,
      group: texts,
      operation: texts,
      resource: texts,
      content: jsonContents,
    });
    fc.assert(
      fc.property(wires, (wire) => {
        const again = readText(writeText(wire));
        expect({ ...again, content: contentOf(again) }).toEqual({ ...wire, content: contentOf(wire) });
      }),
      runs(1_000),
    );
  });

  it("has strings as Go writes them", () => {
    fc.assert(
      fc.property(texts, (text) => {
        expect(quoted(text)).toBe(goJson(text));
      }),
      runs(1_000),
    );
    expect(quoted("<>&\u2028\u2029\u007f\n")).toBe('"\\u003c\\u003e\\u0026\\u2028\\u2029\u007f\\n"');
  });

  it("has U+FFFD where a text has half a surrogate pair", () => {
    fc.assert(
      fc.property(illFormedTexts, (text) => {
        expect(readText(writeText({ ...emptyWire, id: text })).id).toBe(text.toWellFormed());
      }),
      runs(300),
    );
  });

  it("ends with a newline and has no other space outside strings", () => {
    const text = Buffer.from(writeText(wireOf(vectorNamed("all-headers") as FrameVector))).toString();
    expect(text.endsWith("}\n")).toBe(true);
    expect(text.slice(0, -1)).not.toMatch(/\s/);
  });
});

/**
 * What Go says to a text, found slowly: the shortest beginning that JSON.parse takes as an object or null is
 * the first value; its fields must have their types.
 */
function goAccepts(text: string): boolean {
  if (/^[ \t\r\n]*null/.test(text)) return true;
  for (let end = 1; end <= text.length; end++) {
    if (text[end - 1] !== "}") continue;
    const value = parsed(text.slice(0, end));
    if (value !== undefined) return hasRightTypes(value);
  }
  return false;
}

/** A number as it was spelt. */
class Literal {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

/** The value; numbers as they were spelt. */
function parsed(text: string): unknown {
  type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;
  const keepNumbers: Reviver = (_, value, { source }) =>
    typeof value === "number" ? new Literal(source ?? "") : value;
  try {
    return JSON.parse(text, keepNumbers as (key: string, value: unknown) => unknown);
  } catch {
    return undefined;
  }
}

function hasRightTypes(value: unknown): boolean {
  if (!isObject(value)) return false;
  const header = value.header ?? {};
  const route = value.route ?? {};
  if (!isObject(header) || !isObject(route)) return false;
  const headerTexts = [header.msg_id, header.parent_msg_id, header.resourceversion, header.type];
  const routeTexts = [route.source, route.destination, route.group, route.operation, route.resource];
  return (
    [...headerTexts, ...routeTexts].every((text) => typeof (text ?? "") === "string") &&
    typeof (header.sync ?? true) === "boolean" &&
    isTimestamp(header.timestamp ?? new Literal("0"))
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Literal);
}

function isTimestamp(value: unknown): boolean {
  if (!(value instanceof Literal) || !/^-?\d+$/.test(value.source)) return false;
  return BigInt(value.source) >= -(2n ** 63n) && BigInt(value.source) < 2n ** 63n;
}

describe("beside JSON.parse", () => {
  const fields = ["header", "route", "content", "msg_id", "timestamp", "sync", "source", "x"];
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom(null, true, "a", "", 1, 1_700_000_000_123, 0.5, "}{", '\\"', "\u2028"),
      tie("object"),
      fc.array(tie("value"), { maxLength: 2 }),
    ),
    object: fc.dictionary(fc.constantFrom(...fields), tie("value"), { maxKeys: 4 }),
    header: fc.dictionary(fc.constantFrom("msg_id", "timestamp", "sync", "type", "y"), tie("value"), {
      maxKeys: 3,
    }),
  }));
  const messages = fc.oneof(
    values.value,
    fc.record({ header: values.header, route: values.object, content: values.value }, { requiredKeys: [] }),
  );

  it("a whole text is taken exactly if its fields have their types", () => {
    fc.assert(
      fc.property(messages, fc.constantFrom(0, 1, "\t"), (value, spaces) => {
        const text = JSON.stringify(value, null, spaces);
        expect(typeof outcome(text) === "object", text).toBe(goAccepts(text));
      }),
      runs(3_000),
    );
  });

  it("a text with letters changed, dropped or added is taken exactly if Go takes it", () => {
    const changes = fc.array(
      fc.record({
        at: fc.nat(),
        drop: fc.integer({ min: 0, max: 2 }),
        add: fc.constantFrom(
          "",
          '"',
          "\\",
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          "0",
          "-",
          ".",
          "e",
          " ",
          "\n",
          "\u0000",
          "é",
          "null",
          "\\u",
        ),
      }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(messages, changes, (value, edits) => {
        let text = JSON.stringify(value);
        for (const { at, drop, add } of edits) {
          const cut = at % (text.length + 1);
          text = text.slice(0, cut) + add + text.slice(cut + drop);
        }
        const taken = typeof outcome(text) === "object";
        // JSON.parse keeps one of two equal keys, Go looks at both.
        if (taken !== goAccepts(text)) fc.pre(!hasEqualKeys(text));
        expect(taken, text).toBe(goAccepts(text));
      }),
      runs(5_000),
    );
  });

  it("noise is refused with E_BAD_FRAME or taken, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const result = outcome(bytes);
        if (typeof result === "string") expect(result).toBe("E_BAD_FRAME");
      }),
      runs(2_000),
    );
  });
});

function hasEqualKeys(text: string): boolean {
  const keys = [...text.matchAll(/"([^"\\]*)"\s*:/g)].map((match) => match[1]);
  return new Set(keys).size < keys.length;
}
