/** Kubernetes quantities: `500m`, `1.5`, `64Mi`, `1e3`. Pure. Source: apimachinery's resource.Quantity. */

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** @returns `undefined` if the text is no quantity, or a negative one. */
export function parseQuantity(value: unknown): number | undefined {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || text.length > 64) return undefined;
  const match = /^\+?(\d+\.?\d*|\.\d+)(?:[eE]([-+]?\d{1,3})|(n|u|m|k|M|G|T|P|E|[KMGTPE]i)?)$/.exec(text);
  if (match === null) return undefined;
  const [, digits, exponent, suffix] = match;
  const factor = exponent === undefined ? factors[suffix ?? ""] : 10 ** Number(exponent);
  const parsed = Number(digits) * (factor ?? Number.NaN);
  return Number.isFinite(parsed) ? parsed : undefined;
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
