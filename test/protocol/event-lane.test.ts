import { describe, expect, it } from "vitest";
import type { Outgoing } from "../../protocol/delivery-queue.ts";
import { EventLane } from "../../protocol/event-lane.ts";
import { type Entry, newEntry } from "../../protocol/queue-entry.ts";
import { anEvent } from "./queues.ts";

const entry = (place: number): Entry<Outgoing> => newEntry(anEvent(place));

/** A lane whose next event is sent and settled at once. */
function passThrough(lane: EventLane<Outgoing>, place: number): void {
  const one = entry(place);
  lane.add(one);
  expect(lane.next()).toBe(one);
  lane.enterFlight();
  lane.finish(one);
}

describe("a lane of events", () => {
  it("holds nothing that is done once all is done", () => {
    const lane = new EventLane<Outgoing>(0);
    for (let place = 1; place <= 10; place++) passThrough(lane, place);
    expect(lane.held).toBe(0);
  });

  it("holds few that are done while its oldest is not answered, however many follow", () => {
    const lane = new EventLane<Outgoing>(0);
    const oldest = entry(0);
    lane.add(oldest);
    lane.enterFlight();
    let most = 0;
    for (let place = 1; place <= 10_000; place++) {
      passThrough(lane, place);
      most = Math.max(most, lane.held);
    }
    expect(most).toBeGreaterThan(100);
    expect(most).toBeLessThan(300);
    lane.finish(oldest);
    expect(lane.held).toBe(0);
  });

  it("throws out what is done only when it is half of all: it costs nothing on average", () => {
    const lane = new EventLane<Outgoing>(0);
    const all = Array.from({ length: 2_000 }, (_, place) => entry(place));
    for (const one of all) lane.add(one);
    for (const _ of all) lane.enterFlight();
    for (const one of all.slice(1, 1_000)) lane.finish(one);
    expect(lane.held).toBe(2_000);
    lane.finish(all[1_000] as Entry<Outgoing>);
    expect(lane.held).toBe(1_000);
    expect(lane.next()).toBeUndefined();
  });

  it("goes on where it was after throwing out what is done", () => {
    const lane = new EventLane<Outgoing>(0);
    const all = Array.from({ length: 600 }, (_, place) => entry(place));
    for (const one of all) lane.add(one);
    for (let sent = 0; sent < 500; sent++) lane.enterFlight();
    for (const one of all.slice(1, 301)) lane.finish(one);
    expect(lane.held).toBe(300);
    expect(lane.next()).toBe(all[500]);
  });
});
