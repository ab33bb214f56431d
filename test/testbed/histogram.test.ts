import { expect, it, test } from "vitest";
import { Histogram } from "../../testbed/histogram.ts";
import { randomOf } from "../../testbed/impairer/random.ts";

it("finds the quantiles of few values to its unit", () => {
  const histogram = new Histogram(1);
  for (const value of [5, 1, 3, 2, 4]) histogram.record(value);
  expect([0, 0.5, 1].map((share) => Math.floor(histogram.quantile(share)))).toEqual([1, 3, 5]);
  expect([histogram.count, histogram.mean, histogram.max]).toEqual([5, 3, 5]);
});

test.each([1, 2, 3, 4, 5])("is off by less than one in 64 of the sorted list's quantile, seed %i", (seed) => {
  const random = randomOf(seed, 1);
  const values = Array.from({ length: 5_000 }, () => 10 ** (random() * 7 - 1));
  const histogram = new Histogram(0.01);
  for (const value of values) histogram.record(value);
  values.sort((a, b) => a - b);
  for (const share of [0.001, 0.1, 0.5, 0.9, 0.99, 0.999]) {
    const exact = values[Math.ceil(share * values.length) - 1] as number;
    expect(Math.abs(histogram.quantile(share) - exact)).toBeLessThanOrEqual(Math.max(exact / 64, 0.01));
  }
  expect(histogram.quantile(1)).toBe(values.at(-1));
});

it("adds what another process has counted", () => {
  const [one, other, both] = [new Histogram(), new Histogram(), new Histogram()];
  for (let i = 0; i < 1_000; i++) {
    (i % 3 === 0 ? one : other).record(i);
    both.record(i);
  }
  one.add(JSON.parse(JSON.stringify(other.counts())));
  expect(one.counts()).toEqual(both.counts());
  expect(one.quantile(0.99)).toBe(both.quantile(0.99));
});

it("says nothing of nothing", () => {
  const histogram = new Histogram();
  histogram.add(new Histogram().counts());
  expect(histogram.quantile(0.5)).toBeNaN();
  expect(histogram.max).toBeNaN();
});
