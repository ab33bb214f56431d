import fc from "fast-check";
import { expect, it } from "vitest";
import { contentOfPayload, payloadOfContent } from "../../../edgehub/eventbus/payload.ts";
import { toContent } from "../../../protocol/index.ts";

const back = (content: unknown): Uint8Array | string => payloadOfContent({ content: toContent(content) });

it("brings any bytes up and down again unchanged", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(Buffer.from(back(contentOfPayload(bytes)) as string)).toEqual(Buffer.from(bytes));
    }),
  );
});

it("sends text as KubeEdge does, byte-order marks and all", () => {
  expect(contentOfPayload(Buffer.from('{"a":1}'))).toBe('{"a":1}');
  expect(contentOfPayload(Buffer.from("\ufeffx"))).toBe("\ufeffx");
  expect(contentOfPayload(new Uint8Array())).toBe("");
  expect(contentOfPayload(Uint8Array.of(0xff))).toEqual({ data_base64: "/w==" });
});

it.each([
  ["text", "text"],
  [{ data_base64: "/w==" }, Uint8Array.of(0xff)],
  // Not what we write: an object like any other.
  [{ data_base64: "not base64" }, '{"data_base64":"not base64"}'],
  [{ data_base64: "/w==", more: 1 }, '{"data_base64":"/w==","more":1}'],
  [[1], "[1]"],
  [0, "0"],
])("publishes %j as %o", (content, payload) => {
  expect(Buffer.from(back(content) as string)).toEqual(Buffer.from(payload as string));
});

it("needs something to publish", () => {
  expect(() => back(null)).toThrow(expect.objectContaining({ code: "E_BAD_MESSAGE" }));
  expect(() => payloadOfContent({ content: Buffer.from("{") })).toThrow(
    expect.objectContaining({ code: "E_BAD_MESSAGE" }),
  );
});
