/** Values of one power of two share so many steps: a quantile is off by less than 1 in this number. */
const steps = 64;

/**
 * Counts values by size, so that quantiles of millions cost a few kilobytes. Pure.
 *
 *   bucket   0 … 63   64 … 127   128 … 191   …
 *   width    unit     unit       2 units     … doubling every 64
 */
export class Histogram {
  readonly #unit: number;
  readonly #counts: number[] = [];
  #count = 0;
  #sum = 0;
  #least = Number.POSITIVE_INFINITY;
  #most = Number.NEGATIVE_INFINITY;

  /** @param unit The finest difference that counts, in the values' own unit. */
  constructor(unit = 0.01) {
    this.#unit = unit;
  }

  get count(): number {
    return this.#count;
  }

  /** `NaN` of nothing. */
  get mean(): number {
    return this.#sum / this.#count;
  }

  get max(): number {
    return this.#count === 0 ? Number.NaN : this.#most;
  }

  /** Counts a value; a negative one as 0. */
  record(value: number): void {
    const bucket = this.#bucketOf(Math.max(value, 0));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += value;
    this.#least = Math.min(this.#least, value);
    this.#most = Math.max(this.#most, value);
  }

  /** The value that this share of all does not exceed, 0..1; `NaN` of nothing. */
  quantile(share: number): number {
    if (this.#count === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(share * this.#count));
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      left -= this.#counts[bucket] ?? 0;
      if (left <= 0) return Math.min(Math.max(this.#middleOf(bucket), this.#least), this.#most);
    }
    return this.#most;
  }

  /** Adds what another one of the same unit has counted, as {@link counts} gives it. */
  add(other: HistogramCounts): void {
    for (const [bucket, count] of other.buckets) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    if (other.count === 0) return;
    this.#count += other.count;
    this.#sum += other.sum;
    this.#least = Math.min(this.#least, other.least);
    this.#most = Math.max(this.#most, other.most);
  }

  /** What it has counted, to be sent to another process. */
  counts(): HistogramCounts {
    const buckets: [bucket: number, count: number][] = [];
    // Buckets nothing fell into are left out.
    this.#counts.forEach((count, bucket) => {
      buckets.push([bucket, count]);
    });
    return { buckets, count: this.#count, sum: this.#sum, least: this.#least, most: this.#most };
  }

  #bucketOf(value: number): number {
    const size = Math.floor(value / this.#unit);
    if (size < steps) return size;
    const doublings = Math.floor(Math.log2(size / steps));
    return steps * (doublings + 1) + Math.floor(size / 2 ** doublings) - steps;
  }

  #middleOf(bucket: number): number {
    if (bucket < steps) return (bucket + 0.5) * this.#unit;
    const doublings = Math.floor(bucket / steps) - 1;
    return ((bucket % steps) + steps + 0.5) * 2 ** doublings * this.#unit;
  }
}

export interface HistogramCounts {
  readonly buckets: readonly (readonly [bucket: number, count: number])[];
  readonly count: number;
  readonly sum: number;
  readonly least: number;
  readonly most: number;
}
