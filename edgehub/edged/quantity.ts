import { quantityOf } from "../../kubernetes/quantity.ts";

/** Quantities as pods have them: none is negative. Pure. */

/** @returns `undefined` if the value is no quantity, or a negative one. */
export function parseQuantity(value: unknown): number | undefined {
  if (String(value).startsWith("-")) return undefined;
  const amount = quantityOf(value);
  return Number.isFinite(amount) ? amount : undefined;
}

/** Thousandths of a core, rounded up. */
export function cpuMillisOf(value: unknown): number | undefined {
  const cores = parseQuantity(value);
  return cores === undefined ? undefined : Math.ceil(Math.round(cores * 1e9) / 1e6);
}

/** Bytes, rounded up. */
export function bytesOf(value: unknown): number | undefined {
  const bytes = parseQuantity(value);
  return bytes === undefined ? undefined : Math.ceil(bytes);
}
