/** Seeds 1..count, shifted by `SEED` in the environment: another run then tries other histories. */
export function seeds(count: number): number[] {
  const first = Number(process.env.SEED ?? 1);
  return Array.from({ length: count }, (_, i) => first + i);
}

/** A repeatable source of random numbers in [0, 1). */
export function randomOf(seed: number): () => number {
  let at = seed >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
