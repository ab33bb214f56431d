import { describe, expect, it } from "vitest";
import type { DeliveryQueue, Outgoing } from "../../protocol/delivery-queue.ts";
import { anEvent, newQueue, put, removal, takeAll } from "./queues.ts";

function offer(queue: DeliveryQueue<Outgoing>, ...items: Outgoing[]): string[] {
  return items.map((item) => queue.offer(item));
}

function ackAll(queue: DeliveryQueue<Outgoing>, ...positions: number[]): void {
  for (const position of positions) queue.ack(position, 0);
}

describe("state", () => {
  it("has at most one message per key in flight", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"));
    expect(takeAll(queue)).toEqual([1, 2]);
    offer(queue, put(3, "a"), put(4, "c"));
    expect(takeAll(queue)).toEqual([4]);
    queue.ack(1, 0);
    expect(takeAll(queue)).toEqual([3]);
  });

  it("lets a newer message replace the put that waits, in its place", () => {
    const queue = newQueue();
    expect(offer(queue, put(1, "a"), put(2, "b"), put(3, "a"))).toEqual(["queued", "queued", "replaced"]);
    expect(queue.waiting).toBe(2);
    expect(takeAll(queue)).toEqual([3, 2]);
  });

  it("lets a delete replace the put that waits", () => {
    const queue = newQueue();
    expect(offer(queue, put(1, "a"), removal(2, "a"))).toEqual(["queued", "replaced"]);
    expect(takeAll(queue)).toEqual([2]);
  });

  it("lets nothing replace a delete: what comes later follows it", () => {
    const queue = newQueue();
    expect(offer(queue, removal(1, "a"), put(2, "a"), put(3, "a"), removal(4, "a"), removal(5, "a"))).toEqual(
      ["queued", "queued", "replaced", "replaced", "queued"],
    );
    for (const position of [1, 4, 5]) {
      expect(takeAll(queue)).toEqual([position]);
      queue.ack(position, 0);
    }
    expect(queue.waiting).toBe(0);
  });

  it("does not replace what is in flight", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    takeAll(queue);
    expect(offer(queue, put(2, "a"))).toEqual(["queued"]);
    expect(queue.ack(1, 0)?.item.position).toBe(1);
  });

  it("never sends a put again that a newer message has replaced after a refusal", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    takeAll(queue);
    offer(queue, put(2, "a"));
    expect(queue.nack(1, true, 0)).toBeUndefined();
    expect(takeAll(queue, 0)).toEqual([2]);
    expect(queue.waiting).toBe(0);
  });

  it("sends a message again at once whose form was refused, unless a newer one waits", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"));
    takeAll(queue);
    queue.again(1, 10);
    expect([queue.waiting, queue.inFlight, queue.nextWakeAt()]).toEqual([1, 1, 10]);
    expect(takeAll(queue, 10)).toEqual([1]);
    offer(queue, put(3, "b"));
    queue.again(2, 10);
    expect(takeAll(queue, 10)).toEqual([3]);
    queue.again(9, 10);
    expect([queue.waiting, queue.inFlight]).toEqual([0, 2]);
  });

  it("sends a refused delete again before what follows it", () => {
    const queue = newQueue();
    offer(queue, removal(1, "a"));
    takeAll(queue);
    offer(queue, put(2, "a"));
    queue.nack(1, true, 0);
    expect(takeAll(queue, 49)).toEqual([]);
    expect(takeAll(queue, 50)).toEqual([1]);
    queue.ack(1, 0);
    expect(takeAll(queue, 50)).toEqual([2]);
  });

  it("lets a newer put take the place of one that pauses after a refusal, and pause with it", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    takeAll(queue);
    queue.nack(1, true, 0);
    expect(offer(queue, put(2, "a"))).toEqual(["replaced"]);
    expect(takeAll(queue, 49)).toEqual([]);
    expect(takeAll(queue, 50)).toEqual([2]);
  });

  it("counts the sends of the newer put alone, not those of the one it replaced", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    queue.take(0, 1_000);
    queue.nack(1, true, 0);
    offer(queue, put(2, "a"));
    expect(queue.take(50, 1_050)).toMatchObject({ sends: 1 });
    expect(queue.ack(2, 0)).toEqual({ item: put(2, "a"), sends: 1, firstSentAt: 1_050, lastSentAt: 1_050 });
  });

  it("keeps its turn however often it is replaced", () => {
    const queue = newQueue({ windowMessages: 1 });
    offer(
      queue,
      put(1, "busy"),
      put(2, "quiet"),
      anEvent(3),
      anEvent(4),
      put(5, "busy"),
      anEvent(6),
      put(7, "busy"),
    );
    expect(takeAll(queue)).toEqual([7]);
    queue.ack(7, 0);
    expect(takeAll(queue)).toEqual([2]);
  });

  it("forgets a key with nothing left, and takes it up again", () => {
    const queue = newQueue();
    for (let position = 1; position <= 3; position++) {
      offer(queue, put(position, "a"));
      expect(takeAll(queue)).toEqual([position]);
      queue.ack(position, 0);
      expect(queue.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("keeps thousands in order", () => {
    const queue = newQueue({ windowMessages: 5_000, windowBytes: 1e6 });
    const all = Array.from({ length: 5_000 }, (_, i) => i + 1);
    for (const position of all) queue.offer(put(position, `key-${position}`));
    expect(takeAll(queue)).toEqual(all);
  });
});

describe("events", () => {
  it("go in order, any number at once", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2), anEvent(3));
    expect(takeAll(queue)).toEqual([1, 2, 3]);
  });

  it("of a higher priority go first", () => {
    const queue = newQueue();
    offer(
      queue,
      anEvent(1),
      anEvent(2, { priority: -5 }),
      anEvent(3, { priority: 9 }),
      anEvent(4, { priority: 1 }),
    );
    expect(takeAll(queue)).toEqual([3, 4, 1, 2]);
  });

  it("share their turn with state, which has priority 0: the oldest goes first", () => {
    const queue = newQueue();
    offer(
      queue,
      anEvent(1),
      put(2, "a"),
      anEvent(3),
      anEvent(4, { priority: -1 }),
      put(5, "b"),
      anEvent(6, { priority: 1 }),
    );
    expect(takeAll(queue)).toEqual([6, 1, 2, 3, 5, 4]);
  });

  it("are never replaced", () => {
    const queue = newQueue();
    expect(offer(queue, anEvent(1), anEvent(2))).toEqual(["queued", "queued"]);
  });

  it("may be settled in any order", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2), anEvent(3));
    takeAll(queue);
    expect([3, 1, 2].map((position) => queue.ack(position, 0)?.item.position)).toEqual([3, 1, 2]);
    offer(queue, anEvent(4));
    expect(takeAll(queue)).toEqual([4]);
  });

  it("go back when one is refused: after the pause it goes again, and what followed it, unless that was acked", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2), anEvent(3), anEvent(4));
    takeAll(queue);
    queue.ack(1, 0);
    queue.nack(2, true, 0);
    queue.ack(3, 0);
    queue.nack(4, true, 0, true);
    offer(queue, anEvent(5));
    expect(takeAll(queue, 49)).toEqual([]);
    expect(takeAll(queue, 50)).toEqual([2, 4, 5]);
  });

  it("wait with going back until all that is in flight has been answered", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2), anEvent(3));
    takeAll(queue);
    queue.nack(1, true, 0);
    expect(takeAll(queue, 60)).toEqual([]);
    queue.nack(3, true, 60, true);
    expect(takeAll(queue, 60)).toEqual([]);
    queue.ack(2, 0);
    expect(takeAll(queue, 60)).toEqual([1, 3]);
  });

  it("say resume once, with the oldest after going back", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2));
    expect([queue.take(0, 0), queue.take(0, 0)]).toMatchObject([{ resume: false }, { resume: false }]);
    queue.nack(1, true, 0);
    queue.nack(2, true, 0, true);
    expect(queue.take(50, 0)).toMatchObject({ item: { position: 1 }, resume: true });
    expect(queue.take(50, 0)).toMatchObject({ item: { position: 2 }, resume: false });
    expect(queue.take(250, 0)).toMatchObject({ item: { position: 1 }, sends: 3, resume: false });
  });

  it("of another priority are not held up by a refusal", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2, { priority: 1 }));
    takeAll(queue);
    queue.nack(1, true, 0);
    offer(queue, anEvent(3), anEvent(4, { priority: 1 }), put(5, "a"));
    expect(takeAll(queue, 0)).toEqual([4, 5]);
  });

  it("that only wait for an earlier one pause no longer than that one", () => {
    const queue = newQueue();
    offer(queue, anEvent(1));
    takeAll(queue);
    queue.nack(1, true, 0, true);
    expect(queue.nextWakeAt()).toBeLessThanOrEqual(0);
    expect(takeAll(queue, 0)).toEqual([1]);
  });

  it("go on after one that is given up", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2));
    takeAll(queue);
    expect(queue.nack(1, false, 0)?.item.position).toBe(1);
    queue.nack(2, true, 0, true);
    expect(queue.take(0, 0)).toMatchObject({ item: { position: 2 }, resume: true });
  });

  it("go on when the oldest of hundreds is refused and all others have been taken", () => {
    const queue = newQueue({ windowMessages: 1_000, windowBytes: 1e6 });
    const all = Array.from({ length: 600 }, (_, i) => i + 1);
    for (const position of all) queue.offer(anEvent(position));
    takeAll(queue);
    queue.nack(1, true, 0);
    ackAll(queue, ...all.slice(1, 500));
    for (const position of all.slice(500)) queue.nack(position, true, 0, true);
    offer(queue, anEvent(601));
    expect(takeAll(queue, 50)).toEqual([1, ...all.slice(500), 601]);
    ackAll(queue, 1, ...all.slice(500));
    offer(queue, anEvent(602));
    expect(takeAll(queue, 50)).toEqual([602]);
  });

  it("go on, thousands of them, while the oldest is not answered", () => {
    const queue = newQueue({ windowMessages: 2 });
    offer(queue, anEvent(1));
    takeAll(queue);
    for (let position = 2; position <= 5_000; position++) {
      offer(queue, anEvent(position));
      expect(takeAll(queue)).toEqual([position]);
      queue.ack(position, 0);
    }
    queue.nack(1, true, 0);
    offer(queue, anEvent(5_001));
    expect(takeAll(queue, 50)).toEqual([1, 5_001]);
  });
});

describe("the window", () => {
  it("bounds the messages in flight", () => {
    const queue = newQueue({ windowMessages: 2 });
    offer(queue, put(1, "a"), anEvent(2), put(3, "b"));
    expect(takeAll(queue)).toEqual([1, 2]);
    expect(queue.inFlight).toBe(2);
    queue.ack(2, 0);
    expect(takeAll(queue)).toEqual([3]);
  });

  it("bounds the bytes in flight, and keeps the order: nothing smaller goes past what does not fit", () => {
    const queue = newQueue({ windowBytes: 100 });
    offer(queue, put(1, "a", { size: 60 }), put(2, "b", { size: 50 }), put(3, "c", { size: 10 }));
    expect(takeAll(queue)).toEqual([1]);
    expect(queue.inFlightBytes).toBe(60);
    queue.ack(1, 0);
    expect(takeAll(queue)).toEqual([2, 3]);
    expect(queue.inFlightBytes).toBe(60);
  });

  it("is full to the byte", () => {
    const queue = newQueue({ windowBytes: 100 });
    offer(queue, put(1, "a", { size: 60 }), put(2, "b", { size: 40 }), put(3, "c", { size: 1 }));
    expect(takeAll(queue)).toEqual([1, 2]);
  });

  it("lets a message that is larger than itself go, alone", () => {
    const queue = newQueue({ windowBytes: 100 });
    offer(queue, put(1, "a"), put(2, "b", { size: 500 }), put(3, "c"));
    expect(takeAll(queue)).toEqual([1]);
    queue.ack(1, 0);
    expect(takeAll(queue)).toEqual([2]);
    expect(queue.inFlightBytes).toBe(500);
    queue.ack(2, 0);
    expect(takeAll(queue)).toEqual([3]);
  });

  it("does not hold up repeats: they are in flight already", () => {
    const queue = newQueue({ windowMessages: 1 });
    offer(queue, put(1, "a"), put(2, "b"));
    takeAll(queue);
    expect(takeAll(queue, 100)).toEqual([1]);
  });

  it("can be changed; what is in flight stays", () => {
    const queue = newQueue({ windowMessages: 1, windowBytes: 10 });
    offer(queue, ...[1, 2, 3, 4].map((position) => put(position, `key-${position}`)));
    takeAll(queue);
    queue.setWindow(3, 1_000);
    expect(takeAll(queue)).toEqual([2, 3]);
    queue.setWindow(1, 10);
    ackAll(queue, 1, 2);
    expect(takeAll(queue)).toEqual([]);
    queue.ack(3, 0);
    expect(takeAll(queue)).toEqual([4]);
  });
});

describe("acks", () => {
  it("settle a message once, with the record of its sends", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    queue.take(0, 5_000);
    queue.take(100, 5_100);
    expect(queue.sendsOf(1)).toEqual({ item: put(1, "a"), sends: 2, firstSentAt: 5_000, lastSentAt: 5_100 });
    expect([...queue.unacked()]).toEqual([queue.sendsOf(1)]);
    expect(queue.ack(1, 0)).toEqual({ item: put(1, "a"), sends: 2, firstSentAt: 5_000, lastSentAt: 5_100 });
    expect(queue.ack(1, 0)).toBeUndefined();
    expect(queue.sendsOf(1)).toBeUndefined();
    expect([...queue.unacked()]).toEqual([]);
  });

  it("of what was never sent, or waits after a refusal, settle nothing", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"));
    expect(queue.ack(1, 0)).toBeUndefined();
    expect(queue.ack(99, 0)).toBeUndefined();
    queue.take(0, 0);
    queue.nack(1, true, 0);
    expect(queue.ack(1, 0)).toBeUndefined();
    expect(queue.waiting).toBe(2);
  });
});

describe("an unacked message", () => {
  it("is sent again after the ack timeout, then after twice as long, up to the longest", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    const times: number[] = [];
    for (let now = 0; now <= 4_000; now++) if (queue.take(now, now)) times.push(now);
    expect(times).toEqual([0, 100, 300, 700, 1_500, 2_500, 3_500]);
  });

  it("is sent again before anything new, the one that waited longest first", () => {
    const queue = newQueue({ windowMessages: 3 });
    offer(queue, put(1, "a"), put(2, "b"));
    queue.take(10, 0);
    queue.take(5, 0);
    offer(queue, put(3, "c"), anEvent(4, { priority: 100 }));
    expect(takeAll(queue, 110)).toEqual([2, 1, 4]);
  });

  it("stays in flight while it is repeated", () => {
    const queue = newQueue();
    offer(queue, put(1, "a", { size: 7 }));
    takeAll(queue, 0);
    takeAll(queue, 100);
    expect([queue.inFlight, queue.inFlightBytes, queue.waiting]).toEqual([1, 7, 0]);
  });
});

describe("a refusal", () => {
  it("that may pass pauses the message, twice as long each time, up to the longest", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    const pauses: number[] = [];
    let now = 0;
    for (let i = 0; i < 6; i++) {
      takeAll(queue, now);
      queue.nack(1, true, now);
      pauses.push(queue.nextWakeAt() - now);
      now = queue.nextWakeAt();
    }
    expect(pauses).toEqual([50, 100, 200, 400, 400, 400]);
  });

  it("that may pass pauses events alike; an ack of the lane starts over", () => {
    const queue = newQueue();
    offer(queue, anEvent(1), anEvent(2), anEvent(3));
    takeAll(queue, 0);
    queue.nack(1, true, 0);
    queue.nack(2, true, 0);
    queue.nack(3, true, 0, true);
    expect(queue.nextWakeAt()).toBe(50);
    takeAll(queue, 50);
    queue.nack(1, true, 50);
    queue.nack(2, true, 50, true);
    queue.nack(3, true, 50, true);
    expect(queue.nextWakeAt()).toBe(150);
    takeAll(queue, 150);
    queue.ack(1, 0);
    queue.nack(3, true, 150);
    queue.ack(2, 0);
    expect(queue.nextWakeAt()).toBe(200);
  });

  it("for good gives the message up and lets the next of its key go", () => {
    const queue = newQueue();
    offer(queue, removal(1, "a"));
    queue.take(0, 7);
    offer(queue, put(2, "a"));
    expect(queue.nack(1, false, 0)).toEqual({
      item: removal(1, "a"),
      sends: 1,
      firstSentAt: 7,
      lastSentAt: 7,
    });
    expect(takeAll(queue)).toEqual([2]);
  });

  it("for good gives up a put though a newer one waits: it was refused, not replaced", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    takeAll(queue);
    offer(queue, put(2, "a"));
    expect(queue.nack(1, false, 0)?.item.position).toBe(1);
  });

  it("that comes too often gives the message up, whatever the peer says", () => {
    const queue = newQueue({ maxRefusals: 3 });
    offer(queue, put(1, "a"), anEvent(2));
    let now = 0;
    for (const outcome of [undefined, undefined, "given up"] as const) {
      takeAll(queue, now);
      expect([1, 2].map((position) => queue.nack(position, true, now) && "given up")).toEqual([
        outcome,
        outcome,
      ]);
      now = queue.nextWakeAt();
    }
    expect([queue.waiting, queue.inFlight]).toEqual([0, 0]);
  });

  it("is not counted if the event only waits for an earlier one", () => {
    const queue = newQueue({ maxRefusals: 1 });
    offer(queue, anEvent(1));
    for (let i = 0; i < 5; i++) {
      expect(takeAll(queue)).toEqual([1]);
      expect(queue.nack(1, true, 0, true)).toBeUndefined();
    }
  });

  it("is counted anew for the put that takes the refused one's place", () => {
    const queue = newQueue({ maxRefusals: 2 });
    offer(queue, put(1, "a"));
    takeAll(queue);
    queue.nack(1, true, 0);
    offer(queue, put(2, "a"));
    takeAll(queue, 50);
    expect(queue.nack(2, true, 50)).toBeUndefined();
  });

  it("of what is not in flight changes nothing", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"));
    expect(queue.nack(1, false, 0)).toBeUndefined();
    expect(takeAll(queue)).toEqual([1]);
  });
});

describe("a time to live that is over", () => {
  it("ends a waiting message when its turn comes", () => {
    const queue = newQueue();
    const over = { expiresAt: 500 };
    offer(queue, anEvent(1, over), anEvent(2, { expiresAt: 501 }), put(3, "a", over), put(4, "b"));
    const neverSent = { sends: 0, firstSentAt: 0, lastSentAt: 0 };
    expect(queue.take(0, 500)).toEqual({ item: anEvent(1, over), ...neverSent, expired: true });
    expect(takeAll(queue, 0, 500)).toEqual([2, 4]);
    expect(queue.waiting).toBe(0);
  });

  it("ends a waiting delete and lets what follows it go", () => {
    const queue = newQueue();
    offer(queue, put(1, "a", { deleted: true, expiresAt: 500 }), put(2, "a"), put(3, "b"));
    expect(queue.take(0, 500)).toMatchObject({ item: { position: 1 }, expired: true });
    expect(takeAll(queue, 0, 500)).toEqual([3, 2]);
    expect(queue.waiting).toBe(0);
    offer(queue, put(4, "c", { expiresAt: 500 }));
    expect(queue.take(0, 500)).toMatchObject({ item: { position: 4 }, expired: true });
    offer(queue, put(5, "c"));
    expect(takeAll(queue, 0, 500)).toEqual([5]);
  });

  it("ends a waiting message though the window has no bytes left for it", () => {
    const queue = newQueue({ windowBytes: 10 });
    offer(queue, anEvent(1), anEvent(2, { size: 100, expiresAt: 1 }));
    takeAll(queue);
    expect(queue.take(0, 1)).toMatchObject({ item: { position: 2 }, expired: true });
  });

  it("leaves a message in flight: the peer will answer", () => {
    const queue = newQueue();
    offer(queue, anEvent(1, { expiresAt: 100 }));
    takeAll(queue, 0, 0);
    expect(queue.take(100, 100)).toMatchObject({ item: { position: 1 }, sends: 2, expired: false });
  });

  it("ends a message in flight instead of sending it again, if the peer may never answer", () => {
    const queue = newQueue({ expiresInFlight: true });
    offer(queue, anEvent(1, { expiresAt: 100 }), put(2, "a", { expiresAt: 100 }));
    takeAll(queue, 0, 0);
    offer(queue, put(3, "a"));
    expect(queue.take(99, 100)).toBeUndefined();
    const record = { sends: 1, firstSentAt: 0, lastSentAt: 0 };
    expect(queue.take(100, 100)).toEqual({ item: anEvent(1, { expiresAt: 100 }), ...record, expired: true });
    expect(queue.take(100, 100)).toMatchObject({ item: { position: 2 }, sends: 1, expired: true });
    expect(takeAll(queue, 100, 100)).toEqual([3]);
    expect([queue.inFlight, queue.inFlightBytes]).toEqual([1, 10]);
    expect(queue.ack(1, 0)).toBeUndefined();
  });

  it("passes the word to resume on to the event behind it", () => {
    const queue = newQueue();
    offer(queue, anEvent(1, { expiresAt: 10 }), anEvent(2));
    takeAll(queue, 0, 0);
    queue.nack(1, true, 0);
    queue.nack(2, true, 0, true);
    expect(queue.take(50, 10)).toMatchObject({ item: { position: 1 }, expired: true });
    expect(queue.take(50, 10)).toMatchObject({ item: { position: 2 }, resume: true });
  });
});

describe("the next moment to wake", () => {
  it("is never, with nothing in flight and nothing that pauses", () => {
    const queue = newQueue({ windowMessages: 1 });
    expect(queue.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
    offer(queue, put(1, "a"));
    expect(queue.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it("is when the first message in flight is due", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"));
    queue.take(10, 0);
    queue.take(30, 0);
    expect(queue.nextWakeAt()).toBe(110);
  });

  it("may be too early once that message is settled, but not again after a look", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"));
    queue.take(10, 0);
    queue.take(30, 0);
    queue.ack(1, 0);
    expect(queue.nextWakeAt()).toBeLessThanOrEqual(130);
    expect(queue.take(110, 0)).toBeUndefined();
    expect(queue.nextWakeAt()).toBe(130);
  });

  it("is now while something overdue has not been taken, and never once all is settled", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), put(2, "b"), put(3, "c"));
    takeAll(queue, 0);
    expect(queue.take(100, 0)?.item.position).toBe(1);
    expect(queue.nextWakeAt()).toBeLessThanOrEqual(100);
    ackAll(queue, 2);
    expect(queue.take(100, 0)?.item.position).toBe(3);
    ackAll(queue, 1, 3);
    expect(queue.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it("is the end of the first pause", () => {
    const queue = newQueue();
    offer(queue, put(1, "a"), anEvent(2));
    takeAll(queue);
    queue.nack(1, true, 20);
    queue.nack(2, true, 10);
    expect(queue.nextWakeAt()).toBe(60);
  });

  it("is not a pause that is over, if only the window is in the way", () => {
    const queue = newQueue({ windowMessages: 1 });
    offer(queue, anEvent(1, { priority: -1 }));
    takeAll(queue);
    queue.nack(1, true, 0);
    offer(queue, put(2, "a"));
    expect(takeAll(queue, 0)).toEqual([2]);
    expect(takeAll(queue, 50)).toEqual([]);
    expect(queue.nextWakeAt()).toBe(100);
  });
});
