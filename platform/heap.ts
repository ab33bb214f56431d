import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
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

/**
 * The young objects' part of the heap grows no more when it has so many bytes; V8 alone lets it have 64 MiB. Where
 * thousands of peers connect, all that is young is kept and is copied while nothing else runs: 2 ms of it, or 20.
 */
const youngBytes = 4 << 20;
/** With many messages, most of what is young is garbage, and what is collected often costs more than what is large. */
const busyYoungBytes = 32 << 20;
const lookAtYoungEveryMs = 200;
/** So many between two looks are many. */
const manyMessages = 200;

/** What {@link keepYoungHeapSmall} looks at and sets; the tests' own there. */
interface YoungParts {
  bytes(): number;
  set(flag: string): void;
}

/**
 * Keeps the part of the heap small in which objects begin. V8 doubles it while much of what
 * is made there is kept, as when thousands of peers connect, and gives none of it back while there is a little to do. The
 * limit itself is read only when V8 starts; by how much that part grows is read each time, by all threads.
 *
 * @param messages So many have come and gone so far.
 */
export function keepYoungHeapSmall(
  clock: Pick<Clock, "after">,
  messages: () => number,
  parts: YoungParts = { bytes: youngHeapBytes, set: setFlagsFromString },
): void {
  let mayGrow = true;
  let before = messages();
  const look = (): void => {
    const now = messages();
    const grows = parts.bytes() < (now - before > manyMessages ? busyYoungBytes : youngBytes);
    before = now;
    if (grows !== mayGrow) parts.set(`--semi-space-growth-factor=${grows ? 2 : 1}`);
    mayGrow = grows;
    clock.after(lookAtYoungEveryMs, look);
  };
  look();
}

function youngHeapBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")?.space_size ?? 0;
}
