import { describe, expect, it } from "vitest";
import { formatMemory, PathChoice, parseMemory, unknownPath } from "../../edgehub/path-choice.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const auto = { transport: "auto", quicPort: 0 } as const;

describe("the way to the hub", () => {
  it("is a WebSocket until the hub names a port for QUIC, and QUIC then", () => {
    const choice = new PathChoice(auto);
    expect(choice.quicPort(0)).toBeUndefined();
    choice.announced(10_001);
    expect(choice.quicPort(0)).toBe(10_001);
    choice.announced(0);
    expect(choice.quicPort(0)).toBeUndefined();
  });

  it("is QUIC from the first dial on where the port is configured", () => {
    expect(new PathChoice({ transport: "auto", quicPort: 7 }).quicPort(0)).toBe(7);
  });

  it.each([
    ["wss", undefined],
    ["quic", 10_001],
  ] as const)("is what is configured: %s", (transport, port) => {
    const choice = new PathChoice({ transport, quicPort: 0 });
    choice.quicFailed(0);
    expect(choice.quicPort(1)).toBe(port);
  });

  it("is a WebSocket for a while after QUIC has failed, and for longer each time, up to a day", () => {
    const choice = new PathChoice({ transport: "auto", quicPort: 7 });
    let now = 0;
    const pauses = Array.from({ length: 20 }, () => {
      choice.quicFailed(now);
      const pause = choice.memory.retryAt - now;
      expect(choice.quicPort(now + pause - 1)).toBeUndefined();
      now += pause;
      expect(choice.quicPort(now)).toBe(7);
      return pause / minute;
    });
    expect(pauses.slice(0, 4)).toEqual([10, 20, 40, 80]);
    expect(pauses.at(-1)).toBe(day / minute);
  });

  it("forgets failures when QUIC has worked, when the hub names another port, or in another network", () => {
    const choice = new PathChoice(auto, { announcedPort: 7, failures: 3, retryAt: day });
    choice.announced(7);
    expect(choice.quicPort(0)).toBeUndefined();
    choice.announced(8);
    expect(choice.quicPort(0)).toBe(8);
    choice.quicFailed(0);
    choice.networkChanged();
    expect(choice.quicPort(0)).toBe(8);
    choice.quicFailed(0);
    choice.quicEnded(2 * minute, true, minute);
    expect(choice.memory.failures).toBe(0);
  });

  it("has failed where a connection came up and fell silent at once", () => {
    const choice = new PathChoice({ transport: "auto", quicPort: 7 });
    choice.quicEnded(10_000, true, 0);
    expect(choice.quicPort(1)).toBeUndefined();
    choice.networkChanged();
    choice.quicEnded(10_000, false, 0);
    expect(choice.quicPort(1)).toBe(7);
  });

  it("does not stay closed for years when the clock is set back", () => {
    const choice = new PathChoice({ transport: "auto", quicPort: 7 });
    choice.quicFailed(1_000 * day);
    expect(choice.quicPort(0)).toBe(7);
  });

  it("is remembered as a line of text; of another line nothing is known", () => {
    const memory = { announcedPort: 10_001, failures: 2, retryAt: 1_700_000_000_000 };
    expect(parseMemory(formatMemory(memory))).toEqual(memory);
    for (const text of [undefined, "", "1 2", "1 2 3 4", "x 1 1", "-1 0 0", "70000 0 0", "1.5 0 0"])
      expect(parseMemory(text)).toEqual(unknownPath);
  });
});
