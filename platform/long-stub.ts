/** A 64-bit number as protobufjs hands it out: two halves of 32 bits. */
export class Halves {
  readonly low: number;
  readonly high: number;
  readonly unsigned: boolean;

  constructor(low: number, high: number, unsigned: boolean) {
    this.low = low;
    this.high = high;
    this.unsigned = unsigned;
  }
}

/**
 * Gives protobufjs {@link Halves} instead of the package `long`, whose arithmetic is WebAssembly: the engine for it is
 * more than 1 MiB, and its compiler, which comes after a thousand calls, 2 MiB more. For programs only, as it holds for
 * the whole process, and to be called before protobufjs is loaded. Source: protobufjs, `util.Long`.
 */
export function leaveOutLong(global: object = globalThis): void {
  Object.assign(global, { Long: Halves });
}
