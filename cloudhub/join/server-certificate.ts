import { isIP } from "node:net";
import { type Certificate, createKey, isIssuedBy, shortestAddress } from "../../platform/certificate.ts";
import type { Clock } from "../../platform/clock.ts";
import { HubError, shown } from "../../protocol/index.ts";
import type { Issuer } from "./issuer.ts";
import type { Pair, PkiDirectory } from "./pki-directory.ts";

const dayMs = 86_400_000;
const lifetimeDays = 10 * 365;
/** One with less time left than this is replaced. */
const renewBeforeMs = 30 * dayMs;

export interface ServerCertificateParts {
  readonly ca: Pair;
  readonly issuer: Issuer;
  readonly files: Pick<PkiDirectory, "writeServer" | "writeServerCertificate">;
  readonly clock: Clock;
}

/** The hub's own certificate: O and CN `KubeEdge`, for servers, under the names by which nodes reach it. */
export class ServerCertificate {
  readonly #parts: ServerCertificateParts;
  /** As from {@link canonicalNames}. */
  readonly #names: readonly string[];
  #pair: Pair;

  private constructor(parts: ServerCertificateParts, names: readonly string[], pair: Pair) {
    this.#parts = parts;
    this.#names = names;
    this.#pair = pair;
  }

  /** Takes the pair that was found, brought up to date, or makes and writes one. */
  static async open(
    parts: ServerCertificateParts,
    names: readonly string[],
    found: Pair | undefined,
  ): Promise<ServerCertificate> {
    if (found !== undefined) {
      const server = new ServerCertificate(parts, names, found);
      await server.refresh();
      return server;
    }
    const key = await createKey();
    const pair = { key, certificate: await issue(parts.issuer, key.publicKey, names) };
    parts.files.writeServer(pair);
    return new ServerCertificate(parts, names, pair);
  }

  /** Certificate and key, PEM. */
  tls(): { key: string; cert: string } {
    return { key: this.#pair.key.pem, cert: this.#pair.certificate.pem };
  }

  /**
   * Has a new certificate issued if the names in it are not those wanted, if it is of another CA, or if fewer than
   * 30 days are left. The key stays, so that one renamed file is the whole change.
   *
   * @returns True if there is a new one.
   */
  async refresh(): Promise<boolean> {
    const { key, certificate } = this.#pair;
    const { issuer, files } = this.#parts;
    if (this.#isGood(certificate)) return false;
    const fresh = await issue(issuer, key.publicKey, this.#names);
    files.writeServerCertificate(fresh);
    this.#pair = { key, certificate: fresh };
    return true;
  }

  #isGood(certificate: Certificate): boolean {
    const { ca, clock } = this.#parts;
    const neededUntil = Math.min(clock.wallTime() + renewBeforeMs, ca.certificate.notAfter);
    const hasTime = certificate.notAfter >= neededUntil;
    return hasTime && hasNames(certificate, this.#names) && isIssuedBy(certificate, ca.certificate);
  }
}

/**
 * Names for a server's certificate in the form in which two lists can be compared: lower case, addresses in their
 * shortest form, each once, sorted. Empty ones are dropped: an empty DNS name, as KubeEdge writes it, makes a
 * certificate that some clients refuse.
 *
 * Throws `E_BAD_OPTION` if nothing is left, or for what is neither a DNS name nor an IP address.
 */
export function canonicalNames(names: readonly string[]): string[] {
  const canonical = names.filter((name) => name.trim() !== "").map((name) => canonicalName(name.trim()));
  if (canonical.length === 0) {
    throw new HubError("E_BAD_OPTION", "the hub needs a DNS name or IP address under which nodes reach it");
  }
  return [...new Set(canonical)].sort();
}

function canonicalName(name: string): string {
  if (isIP(name) !== 0 && !name.includes("%")) return shortestAddress(name);
  if (/^[\w*.-]{1,253}$/.test(name)) return name.toLowerCase();
  throw new HubError("E_BAD_OPTION", `${shown(name)} is neither a DNS name nor an IP address of this hub`);
}

function hasNames(certificate: Certificate, names: readonly string[]): boolean {
  const named = [...certificate.dnsNames, ...certificate.ipAddresses].sort();
  return named.length === names.length && named.every((name, i) => name === names[i]);
}

function issue(issuer: Issuer, publicKey: Uint8Array, names: readonly string[]): Promise<Certificate> {
  const subject = { organization: "KubeEdge", commonName: "KubeEdge" };
  return issuer.issue(
    { publicKey },
    { subject, extendedKeyUsages: ["serverAuth"], names, days: lifetimeDays },
  );
}
