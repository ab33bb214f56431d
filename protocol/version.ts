import { HubError, shown } from "./errors.ts";

/**
 * A Kubernetes resourceVersion: a canonical unsigned decimal number of at most 64 bits, kept as text.
 * Source: KubeEdge compares them as unsigned 64-bit integers.
 */
export type ResourceVersion = string & { readonly brand: "ResourceVersion" };

const greatest = "18446744073709551615";

/** The version below every other; what a checkpoint holds before the first ack. */
export const zeroVersion = "0" as ResourceVersion;

/**
 * @param text Decimal digits; leading zeros are dropped.
 * @returns The canonical version, or `undefined` if the text is no unsigned 64-bit decimal number.
 */
export function parseVersion(text: string): ResourceVersion | undefined {
  if (text.length > 40 || !/^\d+$/.test(text)) return undefined;
  const digits = text.replace(/^0+(?=\d)/, "");
  if (digits.length > greatest.length || (digits.length === greatest.length && digits > greatest))
    return undefined;
  return digits as ResourceVersion;
}

/** As {@link parseVersion}, but throws `E_BAD_VERSION` with the offending value. */
export function requireVersion(value: unknown): ResourceVersion {
  const version = typeof value === "string" ? parseVersion(value) : undefined;
  if (version === undefined) {
    throw new HubError(
      "E_BAD_VERSION",
      `resourceVersion must be an unsigned decimal number, got ${shown(value)}`,
    );
  }
  return version;
}

/** Negative if `a` is older than `b`, 0 if equal, positive if newer. Length first, then text: no big integers. */
export function compareVersions(a: ResourceVersion, b: ResourceVersion): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The newer of two versions; the other one if one is missing. */
export function newerVersion(
  a: ResourceVersion | undefined,
  b: ResourceVersion | undefined,
): ResourceVersion | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return compareVersions(a, b) >= 0 ? a : b;
}

/** The version after `version`, for a hub that numbers resources itself. Throws `E_BAD_VERSION` at the end. */
export function nextVersion(version: ResourceVersion): ResourceVersion {
  const next = version.length < 16 ? String(Number(version) + 1) : String(BigInt(version) + 1n);
  return requireVersion(next);
}
