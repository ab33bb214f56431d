import { describe, expect, it } from "vitest";
import { firstWindowBytes, largestWindowBytes, SendWindow } from "../../transport/send-window.ts";

/** Sends all there is room for; the peer takes it in pieces, as they come over a path with so many bytes a millisecond. */
function rounds(window: SendWindow, count: number, path: { rttMs: number; bytesPerMs: number }): void {
  let now = 0;
  for (let i = 0; i < count; i++) {
    window.sent(window.room, now);
    now += path.rttMs;
    while (window.underWay > 0) {
      const piece = Math.min(16 << 10, window.underWay);
      now += piece / path.bytesPerMs;
      expect(window.taken(piece, now)).toBe(true);
    }
  }
}

describe("SendWindow", () => {
  it("begins small", () => {
    expect(new SendWindow().room).toBe(firstWindowBytes);
  });

  it("grows to its limit where the path carries it", () => {
    const window = new SendWindow();
    rounds(window, 6, { rttMs: 600, bytesPerMs: 1_000_000 });
    expect(window.bytes).toBe(largestWindowBytes);
  });

  it("stays small on a thin path", () => {
    const window = new SendWindow();
    // 1 Mbit/s and 100 ms: 12.5 KB are under way there at most.
    rounds(window, 20, { rttMs: 100, bytesPerMs: 125 });
    expect(window.bytes).toBe(firstWindowBytes);
  });

  it("is not shrunk for ever by a silence between two messages", () => {
    const window = new SendWindow();
    rounds(window, 6, { rttMs: 10, bytesPerMs: 1_000_000 });
    window.sent(300, 1_000);
    window.taken(300, 60_000);
    window.sent(window.room, 60_000);
    window.taken(window.underWay, 60_010);
    window.sent(window.room, 60_010);
    window.taken(window.underWay, 60_020);
    expect(window.bytes).toBe(largestWindowBytes);
  });

  it.each([0, 101])("takes credit for %i bytes of 100 as a lie", (bytes) => {
    const window = new SendWindow();
    window.sent(100, 0);
    expect(window.taken(bytes, 1)).toBe(false);
  });

  it("says how long the peer has owed an answer, and only then", () => {
    const window = new SendWindow();
    window.sent(300, 0);
    expect(window.stalledForMs(10_000)).toBe(0);
    window.sent(firstWindowBytes - 300, 20_000);
    expect(window.stalledForMs(21_000)).toBe(21_000);
    window.taken(20_000, 30_000);
    expect(window.stalledForMs(31_000)).toBe(1_000);
  });
});
