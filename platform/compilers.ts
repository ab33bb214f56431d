import { setFlagsFromString } from "node:v8";
import type { Clock } from "./clock.ts";

/** A program is busy when it uses this share of a core… */
const busyShare = 0.25;
/** …for so many seconds on end: longer than any start takes, on a slow machine too. */
const busySeconds = 8;
/** What small buffers share pieces of, bytes; Node.js has changed it before. */
const usualPoolSize = Buffer.poolSize;

/** What {@link optimizeWhenBusy} looks at and sets; the tests' own there. */
interface Parts {
  set(flag: string): void;
  /** CPU time that the program has used so far. */
  cpuMs(): number;
  readonly buffers: { poolSize: number };
}

/**
 * V8's settings for a program that shares a small machine with those it is there for. The optimising compilers are left
 * out: with their code and what they make of the program's they are a tenth of its memory, and one that has little to do
 * is not faster for them. To be called before the program's own code is loaded.
 */
export function saveMemory(
  set: (flag: string) => void = setFlagsFromString,
  buffers: { poolSize: number } = Buffer,
): void {
  // What small buffers share lives so long that only a collection of the whole heap finds it.
  buffers.poolSize = 0;
  set("--optimize-for-size");
  set("--no-maglev");
  set("--no-turbofan");
}

/**
 * Brings the optimising compilers and the pool of buffers back, for good, once the program is busy.
 */
export function optimizeWhenBusy(
  clock: Pick<Clock, "now" | "after">,
  { set, cpuMs, buffers }: Parts = { set: setFlagsFromString, cpuMs: usedCpuMs, buffers: Buffer },
): void {
  let busyFor = 0;
  let last = { at: clock.now(), cpu: cpuMs() };
  const look = (): void => {
    const next = { at: clock.now(), cpu: cpuMs() };
    const busy = next.cpu - last.cpu > (next.at - last.at) * busyShare;
    busyFor = busy ? busyFor + 1 : 0;
    last = next;
    if (busyFor < busySeconds) return void clock.after(1000, look);
    set("--maglev");
    set("--turbofan");
    buffers.poolSize = usualPoolSize;
  };
  clock.after(1000, look);
}

function usedCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
