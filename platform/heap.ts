import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "./clock.ts";

/** So much garbage is left lying, bytes. */
const growthBytes = 2 << 20;
const lookEveryMs = 30_000;

/** What {@link collectWhenGrown} looks at and does; the tests' own there. */
interface Parts {
  usedBytes(): number;
  /** Resolves when what nobody needs any more is gone. */
  collect(): Promise<unknown>;
}

/**
 * Has the heap collected whenever it has grown by 2 MiB since the last time. V8 alone waits, in a program with little to
 * do, until it is half as large again, or larger; while it is busy, V8 is faster and this finds nothing to do.
 */
export function collectWhenGrown(clock: Pick<Clock, "after">, parts: Parts = ofThisProgram()): void {
  let least = parts.usedBytes();
  const look = async (): Promise<void> => {
    least = Math.min(least, parts.usedBytes());
    if (parts.usedBytes() - least > growthBytes) {
      await parts.collect();
      least = parts.usedBytes();
    }
    lookLater();
  };
  const lookLater = (): void => void clock.after(lookEveryMs, () => void look());
  lookLater();
}

function ofThisProgram(): Parts {
  setFlagsFromString("--expose-gc");
  // The function is there in contexts that are made after the flag was set.
  const collect = runInNewContext("gc") as (options: object) => Promise<unknown>;
  return {
    usedBytes: () => getHeapStatistics().used_heap_size,
    // Beside the program's own work, not in one piece.
    collect: () => collect({ type: "major", execution: "async" }),
  };
}
