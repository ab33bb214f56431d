import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTopicFilter, isTopicName, ownFilters, routeOf } from "../../../edgehub/eventbus/topics.ts";
import { topicMatches } from "../../../protocol/index.ts";

const nobody = (): boolean => false;

describe("a message", () => {
  it.each([
    ["$hw/events/device/d/state/update", "twin"],
    ["$hw/events/device/ns/d/state/update", "twin"],
    ["$hw/events/device/d/twin/update", "twin"],
    ["$hw/events/device/ns/d/twin/cloud_updated", "twin"],
    ["$hw/events/node/any/membership/get", "twin"],
    // DeviceTwin's own answers are for the programs of this node.
    ["$hw/events/device/d/twin/update/result", "local"],
    ["$hw/events/device/d/twin/update/delta", "local"],
    ["$hw/events/device/ns/d/twin/get/result", "local"],
    ["$hw/events/device/d/state/update/result", "local"],
    ["$hw/events/node/any/membership/get/result", "local"],
    ["$hw/events/upload/x", "cloud"],
    ["SYS/dis/upload_records", "cloud"],
    ["SYS/dis/upload_records/x", "local"],
    ["n/user/x", "cloud"],
    ["n/users/x", "local"],
    ["default/test/up", "local"],
  ])("of %s goes to: %s", (topic, route) => {
    expect(routeOf(topic, true, nobody)).toBe(route);
  });

  it("goes up if the cloud has subscribed, and to DeviceTwin only if that runs", () => {
    expect(routeOf("default/test/up", true, (topic) => topic === "default/test/up")).toBe("cloud");
    expect(routeOf("$hw/events/device/d/twin/update", false, nobody)).toBe("local");
    expect(routeOf("$hw/events/device/d/twin/update", true, () => true)).toBe("twin");
  });

  it("that leaves the broker is of a topic we subscribe to at an external one", () => {
    const level = fc.constantFrom(
      "$hw",
      "events",
      "device",
      "d",
      "twin",
      "state",
      "update",
      "get",
      "user",
      "node",
    );
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 7 }), fc.boolean(), (levels, twin) => {
        const topic = levels.join("/");
        const leaves = routeOf(topic, twin, nobody) !== "local";
        expect(ownFilters(twin).some((filter) => topicMatches(filter, topic))).toBe(leaves);
      }),
    );
  });
});

describe("a topic", () => {
  it.each([
    ["", false, false],
    ["a", true, true],
    ["a/+/c", false, true],
    ["a/#", false, true],
    ["#", false, true],
    ["a#", false, false],
    ["a/#/b", false, false],
    ["a/b+", false, false],
    ["a\0b", false, false],
    ["a/\ufffd", false, false],
    ["ä/ß", true, true],
    ["/".repeat(99), true, true],
    ["/".repeat(100), false, false],
    ["x".repeat(65_535), true, true],
    ["x".repeat(65_536), false, false],
    ["ä".repeat(32_768), false, false],
  ])("%j can be published to: %s, subscribed to: %s", (topic, name, filter) => {
    expect([isTopicName(topic), isTopicFilter(topic)]).toEqual([name, filter]);
  });
});
