import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readJson } from "../../../edgehub/devicetwin/read-json.ts";
import { readMembership, readTwinRequest } from "../../../edgehub/devicetwin/requests.ts";
import { deviceTopic, parseResource, parseTopic } from "../../../edgehub/devicetwin/topics.ts";
import { nameFault, textFault, valueFault } from "../../../edgehub/devicetwin/values.ts";

const bytes = (text: string) => Buffer.from(text);

describe("topics", () => {
  it.each([
    ["$hw/events/device/d1/twin/update", { action: "twin/update", id: "d1" }],
    ["$hw/events/device/ns/d1/twin/get", { action: "twin/get", id: "ns/d1" }],
    ["$hw/events/device/d1/state/update", { action: "state/update", id: "d1" }],
    ["$hw/events/device/d1/twin/cloud_updated", { action: "twin/cloud_updated", id: "d1" }],
    ["$hw/events/device/ns/d1/updated", { action: "updated", id: "ns/d1" }],
    ["$hw/events/node/any/membership/get", { action: "membership/get" }],
    ["$hw/events/node/any/membership/updated", { action: "membership/updated" }],
    ["$hw/events/node/any/membership/detail/result", { action: "membership/detail/result" }],
  ])("%s", (topic, wish) => {
    expect(parseTopic(topic, "auto")).toEqual(wish);
  });

  it.each([
    "hw",
    "events",
    "device",
    "e",
    "$hw",
    "twin",
    "update",
    "twin/update",
    "device/device",
    "state/twin",
  ])("finds the id %s, though the topic has that text elsewhere", (id) => {
    expect(parseTopic(`$hw/events/device/${id}/twin/update`, "auto")).toEqual({ action: "twin/update", id });
  });

  it.each([
    "$hw/events/device/twin/update",
    "$hw/events/device//twin/update",
    "$hw/events/device/a/b/c/twin/update",
    "$hw/events/device/a/twin/update/result",
    "$hw/events/device/a/state/get",
    "$hw/events/device/a+/twin/update",
    "$hw/events/node//membership/get",
    "$hw/events/node/a/b/membership/get",
    "x/$hw/events/device/a/twin/update",
  ])("knows nothing of %s", (topic) => {
    expect(parseTopic(topic, "auto")).toBeUndefined();
  });

  it("takes ids of the configured form only", () => {
    const [one, two] = ["$hw/events/device/d/twin/get", "$hw/events/device/ns/d/twin/get"];
    expect([parseTopic(one, "name") !== undefined, parseTopic(two, "name")]).toEqual([true, undefined]);
    expect([parseTopic(one, "namespaced"), parseTopic(two, "namespaced") !== undefined]).toEqual([
      undefined,
      true,
    ]);
  });

  it("brings every id back that it was made of", () => {
    const segment = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[/+#\p{Cc}]/u.test(text));
    const id = fc.array(segment, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(id, (one) => {
        const topic = deviceTopic(one, "twin/update/result").replace(/\/result$/, "");
        expect(parseTopic(topic, "auto")).toEqual({ action: "twin/update", id: one });
      }),
    );
  });

  it.each([
    ["membership/detail", "update", { action: "membership/detail/result" }],
    ["membership", "update", { action: "membership/updated" }],
    ["device/d1/twin/cloud_updated", "update", { action: "twin/cloud_updated", id: "d1" }],
    ["device/ns/d1/twin/cloud_updated", "update", { action: "twin/cloud_updated", id: "ns/d1" }],
    ["device/ns/d1", "updated", { action: "updated", id: "ns/d1" }],
    ["device/d1", "update", undefined],
    ["my-membership", "update", undefined],
    ["device/a/b/c/twin/cloud_updated", "update", undefined],
  ])("of the cloud: %s, %s", (path, operation, wish) => {
    expect(parseResource(path, operation, "auto")).toEqual(wish);
  });
});

describe("values", () => {
  it.each([
    ["int", "0", true],
    ["int", "-9223372036854775808", true],
    ["integer", "9223372036854775807", true],
    ["int", "9223372036854775808", false],
    ["int", "", false],
    ["int", "1.0", false],
    ["int", "0x10", false],
    ["float", "-1.5e3", true],
    ["float", ".5", true],
    ["float", "NaN", true],
    ["float", "1e999", false],
    ["float", "0x10", false],
    ["float", "", false],
    ["boolean", "true", true],
    ["boolean", "True", false],
    ["string", "", true],
    ["", "anything", true],
    ["double", "1", false],
  ])("%s %s: %s", (type, value, good) => {
    expect(valueFault(type, value) === undefined).toBe(good);
  });

  it("consist of some characters, and not too many", () => {
    const all = "azAZ09-_.,:/@#";
    expect([nameFault(all), textFault(all), textFault("")]).toEqual([undefined, undefined, undefined]);
    expect(nameFault("a".repeat(128))).toBeUndefined();
    expect(textFault("a".repeat(512))).toBeUndefined();
    for (const fault of [nameFault(""), nameFault("a".repeat(129)), nameFault("a b"), nameFault("a\n")])
      expect(fault).toMatch(/^The key of twin/);
    for (const fault of [textFault("a".repeat(513)), textFault("a b"), textFault("ü"), textFault("a\n")])
      expect(fault).toMatch(/^The value of twin/);
  });
});

describe("payloads", () => {
  it("have a size, an encoding and a depth", () => {
    const deep = (levels: number) => bytes("[".repeat(levels) + "]".repeat(levels));
    expect(readJson(deep(32), 1_000)).toBeDefined();
    expect(() => readJson(deep(33), 1_000)).toThrow(/nested/);
    expect(() => readJson(bytes('{"a":1}'), 6)).toThrow(expect.objectContaining({ code: "E_TOO_LARGE" }));
    for (const bad of [Buffer.from([0x22, 0xff, 0x22]), bytes("{"), bytes(""), bytes("\ufeff{}")])
      expect(() => readJson(bad, 100)).toThrow(/not JSON in UTF-8/);
  });

  it("may have brackets in texts", () => {
    const text = JSON.stringify({ a: `\\"${"[".repeat(100)}\\` });
    expect(readJson(bytes(text), 1_000)).toEqual(JSON.parse(text));
  });

  it("are read or refused, never more, whatever they are", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        for (const read of [readTwinRequest, readMembership]) {
          try {
            read(json);
          } catch (error) {
            expect(error).toMatchObject({ code: "E_BAD_MESSAGE" });
          }
        }
      }),
    );
  });

  it.each([
    [[], /Unmarshal/],
    [{ twin: [] }, /Unmarshal/],
    [{ twin: { t: 1 } }, /Unmarshal/],
    [{ twin: { t: { actual: { value: 25 } } } }, /Unmarshal/],
    [{ twin: { t: { optional: "yes" } } }, /Unmarshal/],
    [{ twin: { t: { actual_version: { cloud: 0.5 } } } }, /Unmarshal/],
    [{ twin: { t: { actual_version: { edge: 2 ** 53 } } } }, /Unmarshal/],
    [{ event_id: 1, twin: {} }, /Unmarshal/],
    [{ event_id: "e" }, /key:twin does not exist/],
    [{ twin: { "a b": null } }, /^The key of twin/],
    [{ twin: { a: { expected: { value: "a b" } } } }, /^The value of twin/],
  ])("refuses the twins of %j", (json, reason) => {
    expect(() => readTwinRequest(json)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(reason) }),
    );
  });
});
