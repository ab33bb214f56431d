import { describe, expect, it } from "vitest";
import { RetainedLimit } from "../../../edgehub/eventbus/retained-limit.ts";
import { SessionBook } from "../../../edgehub/eventbus/session-book.ts";

describe("retained messages", () => {
  it("have a limit of topics; a known one may change, an empty one makes room", () => {
    const retained = new RetainedLimit();
    for (let i = 0; i < 10_000; i++) expect(retained.admit(`${i}`, 1)).toBe(true);
    expect(retained.admit("more", 1)).toBe(false);
    expect(retained.admit("7", 2)).toBe(true);
    expect(retained.admit("7", 0)).toBe(true);
    expect(retained.admit("more", 1)).toBe(true);
  });

  it("have a limit of bytes", () => {
    const retained = new RetainedLimit();
    expect(retained.admit("a", (32 << 20) - 1)).toBe(true);
    expect(retained.admit("b", 1)).toBe(false);
    expect(retained.admit("a", 1)).toBe(true);
    expect(retained.admit("b", 1)).toBe(true);
  });
});

const mebi = 1 << 20;

describe("sessions", () => {
  const limited = (connected: readonly string[] = []) => {
    const dropped: string[] = [];
    const book = new SessionBook({
      perClient: 2,
      isConnected: (id) => connected.includes(id),
      dropped: (id) => dropped.push(id),
    });
    return { book, dropped };
  };

  it("have room again when messages were confirmed", () => {
    const { book, dropped } = limited();
    expect([1, 2, 3].map((size) => book.admit("a", size))).toEqual([true, true, false]);
    expect(dropped).toEqual(["a"]);
    book.confirmed("a");
    expect([1, 2].map((size) => book.admit("a", size))).toEqual([true, false]);
  });

  it("of clients that are there have more room, but not for any bytes", () => {
    const { book } = limited(["a", "b"]);
    for (let i = 0; i < 10_000; i++) expect(book.admit("a", 1)).toBe(true);
    expect(book.admit("a", 1)).toBe(false);
    for (let i = 0; i < 7; i++) expect(book.admit("b", mebi)).toBe(true);
    expect(book.admit("b", mebi)).toBe(false);
  });

  it("of all clients together have a limit of bytes, which is free again to the last one", () => {
    const { book } = limited(["0", "1", "2", "3", "4"]);
    const admitted = ["0", "1", "2", "3", "4"].flatMap((id) =>
      Array.from({ length: 7 }, (_, i) => book.admit(id, mebi + i))
        .filter(Boolean)
        .map(() => id),
    );
    expect(admitted.length).toBe(31);
    for (const id of admitted) book.confirmed(id);
    book.confirmed("0");
    expect(book.bytes).toBe(0);
  });

  it("that nobody comes back for are forgotten, the oldest first, but not those of clients that are there", () => {
    const { book, dropped } = limited(["0"]);
    for (let i = 0; i < 1_001; i++) {
      expect(book.forgetOne()).toBeUndefined();
      if (i % 2 === 0) book.admit(`${i}`, 1);
      else book.subscribe(`${i}`, ["quiet"]);
    }
    expect([book.forgetOne(), book.forgetOne()]).toEqual(["1", undefined]);
    expect(dropped).toEqual(["1"]);
  });

  it("end when they hold nothing any more", () => {
    const { book } = limited();
    for (let i = 0; i < 2_000; i++) {
      const id = `${i}`;
      book.subscribe(id, ["a", "b"]);
      book.admit(id, 1);
      book.sendsOnce(id, true);
      book.unsubscribe(id, ["a"]);
      book.unsubscribeAll(id);
      book.confirmed(id);
      book.sendsOnce(id, false);
      expect(book.forgetOne()).toBeUndefined();
    }
  });

  it("have a limit of subscriptions; what one has already it may renew", () => {
    const { book } = limited();
    const topics = Array.from({ length: 1_200 }, (_, i) => `${i}`);
    expect(book.subscribe("a", topics).size).toBe(1_000);
    expect([...book.subscribe("a", ["7", "1100"])]).toEqual(["7"]);
    book.unsubscribe("a", ["7"]);
    expect([...book.subscribe("a", ["1100"])]).toEqual(["1100"]);
  });
});
