/**
 * A repeatable source of random numbers in [0, 1) (mulberry32).
 *
 * @param stream Which of the sources of this seed: each connection and direction has its own, so that what
 *   happens to one does not depend on when others send.
 */
export function randomOf(seed: number, stream: number): () => number {
  let at = Math.imul(seed ^ Math.imul(stream + 1, 0x9e3779b1), 0x85ebca6b) >>> 0;
  return () => {
    at = (at + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(at ^ (at >>> 15), at | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
