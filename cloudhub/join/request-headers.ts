import type { KeyUsage } from "../../platform/certificate.ts";
import { HubError, shown } from "../../protocol/index.ts";

/**
 * The token in an `Authorization` header: the second of two words, the first may be any.
 *
 * Throws `E_BAD_TOKEN` if the header is missing or has another form. Source: KubeEdge wire protocol §6.2.
 */
export function bearerToken(authorization: string | undefined): string {
  const words = authorization?.split(" ") ?? [];
  if (words.length === 2 && words[1]) return words[1];
  throw new HubError(
    "E_BAD_TOKEN",
    "the header Authorization must read 'Bearer <token>', the token without the hash before its first dot",
  );
}

/** Extended key usages as Go numbers them; a node's certificate may have no others. */
const usageNumbers: ReadonlyMap<unknown, KeyUsage> = new Map([
  [1, "serverAuth"],
  [2, "clientAuth"],
]);

/**
 * What the certificate is to be used for, from the header `ExtKeyUsages`: a JSON array of Go's numbers.
 *
 * @returns `clientAuth` if there is no such header.
 * Throws `E_BAD_MESSAGE` for anything but a list of 1 and 2. Source: KubeEdge wire protocol §6.2.
 */
export function requestedUsages(header: string | undefined): KeyUsage[] {
  if (header === undefined || header === "") return ["clientAuth"];
  const numbers = parsed(header);
  const usages = Array.isArray(numbers) ? numbers.map((number) => usageNumbers.get(number)) : [];
  const known = usages.filter((usage) => usage !== undefined);
  if (known.length > 0 && known.length === usages.length) return [...new Set(known)];
  throw new HubError(
    "E_BAD_MESSAGE",
    `the header ExtKeyUsages must be a list of 1 (server) and 2 (client), such as [2]; got ${shown(header)}`,
  );
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
