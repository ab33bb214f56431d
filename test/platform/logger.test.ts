import { describe, expect, it } from "vitest";
import { createLogger, TurnLines } from "../../platform/logger.ts";

class Writes {
  readonly all: string[] = [];

  write(lines: string): void {
    this.all.push(lines);
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("lines of a log", () => {
  it("leave together at the end of the turn, in order", async () => {
    const writes = new Writes();
    const log = createLogger("info", { program: "test" }, new TurnLines(writes));
    for (let node = 0; node < 3; node++) log.with({ node }).info("node connected");
    expect(writes.all).toEqual([]);
    await nextTurn();
    expect(writes.all).toHaveLength(1);
    const lines = (writes.all[0] ?? "").trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { node: number }).node)).toEqual([0, 1, 2]);
    log.info("another");
    await nextTurn();
    expect(writes.all).toHaveLength(2);
  });

  it("are held up to a bound, and leave at once when flushed", () => {
    const writes = new Writes();
    const lines = new TurnLines(writes);
    const line = `${"x".repeat(1_023)}\n`;
    for (let i = 0; i < 100; i++) lines.write(line);
    expect(writes.all.map(({ length }) => length)).toEqual([64 << 10]);
    lines.flush();
    lines.flush();
    expect(writes.all.join("")).toBe(line.repeat(100));
    expect(writes.all).toHaveLength(2);
  });
});
