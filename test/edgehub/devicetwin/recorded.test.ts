import { readFileSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { messagesOf, readCapture } from "../../interop/capture.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { membershipUpdated, TwinWorld } from "./twin-world.ts";

describe("the recorded session of a KubeEdge edge", () => {
  interface Line {
    readonly topic: string;
    readonly text: string;
    readonly timestamp: number;
  }

  const file = new URL("../../fixtures/captures/f-device-mqtt.log", import.meta.url);
  const lines: Line[] = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => {
      const space = line.indexOf(" ");
      const text = line.slice(space + 1);
      return { topic: line.slice(0, space), text, timestamp: (JSON.parse(text) as Line).timestamp };
    });
  const isRequest = ({ topic }: Line) =>
    /(membership\/get|twin\/get|twin\/update|state\/update)$/.test(topic);
  const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
  const withoutIds = (text: string) => text.replace(uuid, "an-id");
  /** Its own time: an edge sends a moment after it has decided. */
  const withoutTime = (text: string) =>
    withoutIds(text).replace(/"timestamp":\d+,"twin"/, '"timestamp":0,"twin"');

  it("is published byte for byte, and sent to the cloud as it was", async () => {
    vi.stubEnv("TZ", "UTC");
    const clock = new FakeClock(lines[0]?.timestamp ?? 0);
    const world = await TwinWorld.start({ clock });
    const capture = messagesOf(readCapture("f-device"));
    const memberships = capture.filter(
      ({ from, message }) => from === "cloud" && message.route.resource === "membership",
    );
    const published: string[] = [];
    for (const [at, line] of lines.entries()) {
      const answer = lines[at + 1];
      if (line.topic === membershipUpdated || isRequest(line)) {
        const due = line.topic === membershipUpdated ? line : answer;
        await clock.advance((due?.timestamp ?? 0) - clock.wallTime());
      }
      if (line.topic === membershipUpdated) {
        const { content } = memberships.shift()?.message ?? {};
        await world.handle({ resource: "membership", content });
      } else if (isRequest(line)) await world.report(line.topic, line.text);
      published.push(...world.published.splice(0).map(({ topic, text }) => `${topic} ${withoutIds(text)}`));
    }
    const wanted = lines.filter((line) => !isRequest(line));
    expect(published).toEqual(wanted.map(({ topic, text }) => `${topic} ${withoutIds(text)}`));

    const sent = capture.filter(({ from, message }) => from === "edge" && message.route.source === "twin");
    expect(world.waiting().map((message) => [message.operation, message.group, message.source])).toEqual(
      sent.map(({ message }) => [message.route.operation, message.route.group, message.route.source]),
    );
    expect(
      world
        .waiting()
        .map((message) => [message.resource.path, withoutTime(Buffer.from(message.content).toString())]),
    ).toEqual(
      sent.map(({ message }) => [message.route.resource, withoutTime(JSON.stringify(message.content))]),
    );
  });
});
