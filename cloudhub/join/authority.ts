import {
  type Certificate,
  createKey,
  type KeyUsage,
  readCertificate,
  sha256Hex,
  verifyCertificate,
} from "../../platform/certificate.ts";
import type { Clock } from "../../platform/clock.ts";
import { authorityBackdateMs, createAuthority } from "../../platform/x509.ts";
import { asHubError, HubError, type NodeId, parseNodeId, shown } from "../../protocol/index.ts";
import type { CertificateIdentity } from "../admission.ts";
import { type CertifiedKey, Issuer } from "./issuer.ts";
import { KnownCertificates } from "./known-certificates.ts";
import { type Pair, PkiDirectory, type PkiOptions } from "./pki-directory.ts";
import { canonicalNames, ServerCertificate } from "./server-certificate.ts";

export interface AuthorityOptions extends PkiOptions {
  /** DNS names and IP addresses under which nodes reach the hub: they go into its certificate. At least one. */
  readonly serverNames: readonly string[];
}

export interface IssuedCertificate {
  /** DER. */
  readonly certificate: Uint8Array;
  /** Lower-case hex; names it in the hub's records. */
  readonly serial: string;
  /** Its end, ms since 1970. */
  readonly notAfter: number;
}

const dayMs = 86_400_000;
const authorityDays = 100 * 365;

const nodeOrganization = "system:nodes";
const nodePrefix = "system:node:";
const controllerOrganization = "cloudhub:controllers";
const controllerName = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;

/**
 * Opens the hub's certificate authority, and makes it if this is the hub's first start.
 *
 * Rejects with `E_STORE_CORRUPT` if a key file is missing, damaged or not of its certificate – nothing is written
 * then –, with `E_BAD_OPTION` for an imported CA that cannot be used or a server name that is none, and with
 * `E_STORAGE` or `E_STORAGE_FULL`. Each says what to do.
 */
export async function openAuthority(options: AuthorityOptions, clock: Clock): Promise<Authority> {
  const names = canonicalNames(options.serverNames);
  const files = new PkiDirectory(options);
  const found = files.readAuthority();
  // A server's pair without a CA is what a first start that was cut short has left behind.
  const server = found && files.readServer();
  const ca = found ?? (await newAuthority(clock.wallTime()));
  const issuer = new Issuer(ca, clock);
  const opened = await ServerCertificate.open({ ca, issuer, files, clock }, names, server);
  // The CA comes last: until it is there, the next start begins anew.
  if (found === undefined) files.writeAuthority(ca);
  return new Authority(ca, issuer, opened);
}

/** The hub's certificate authority: issues certificates, and says whom one of its own names. */
export class Authority {
  readonly caCertificateDer: Uint8Array;
  readonly caCertificatePem: string;
  /** Lower-case hex SHA-256 over the CA certificate's DER: the first part of a join token. */
  readonly caHash: string;
  /** The key of join tokens: SEC1 DER of the CA's private key, as at KubeEdge. Secret. */
  readonly tokenKey: Uint8Array;
  readonly #ca: Certificate;
  readonly #issuer: Issuer;
  readonly #server: ServerCertificate;
  readonly #clients = new KnownCertificates<CertificateIdentity>();

  constructor(ca: Pair, issuer: Issuer, server: ServerCertificate) {
    this.#ca = ca.certificate;
    this.#issuer = issuer;
    this.#server = server;
    this.caCertificateDer = ca.certificate.der;
    this.caCertificatePem = ca.certificate.pem;
    this.caHash = sha256Hex(ca.certificate.der);
    this.tokenKey = ca.key.sec1;
  }

  /** The hub's own certificate and key, PEM, for its listeners. */
  serverTls(): { key: string; cert: string } {
    return this.#server.tls();
  }

  /**
   * Issues the hub's own certificate anew if fewer than 30 days are left. To be called once a day.
   *
   * @returns True if there is a new one: give {@link serverTls} to the listeners.
   * Rejects with `E_STORAGE` or `E_STORAGE_FULL`; the old one is then still in use.
   */
  refreshServer(): Promise<boolean> {
    return this.#server.refresh();
  }

  /**
   * Issues a node's certificate. Nothing but the key is taken from a request.
   *
   * @param terms Days from now, cut at the CA's end; what the certificate may be used for.
   * Rejects with `E_BAD_MESSAGE` for a request that is damaged, wrongly signed or not for a P-256 key.
   */
  async issueNodeCertificate(
    node: NodeId,
    key: CertifiedKey,
    terms: { days: number; extendedKeyUsages: readonly KeyUsage[] },
  ): Promise<IssuedCertificate> {
    const subject = { organization: nodeOrganization, commonName: `${nodePrefix}${node}` };
    return issued(await this.#issuer.issue(key, { subject, ...terms }));
  }

  /**
   * Issues a controller's certificate, for clients.
   *
   * @param name A DNS label or subdomain of at most 63 characters.
   * Rejects with `E_BAD_MESSAGE` for another name, and as {@link issueNodeCertificate}.
   */
  async issueControllerCertificate(
    name: string,
    key: CertifiedKey,
    days: number,
  ): Promise<IssuedCertificate> {
    if (!controllerName.test(name)) {
      throw new HubError("E_BAD_MESSAGE", `a controller's name must be a DNS label, got ${shown(name)}`);
    }
    const subject = { organization: controllerOrganization, commonName: name };
    return issued(await this.#issuer.issue(key, { subject, extendedKeyUsages: ["clientAuth"], days }));
  }

  /**
   * Says whom a client certificate names.
   *
   * @param certificate DER.
   * @param now Wall clock, ms since 1970.
   * @returns `unbound`: it is of this CA and names nobody we know, as those that a KubeEdge 1.15 cloud issues.
   * Throws `E_IDENTITY` if it is foreign, self-signed, expired, not valid yet or not for clients; says what to do.
   */
  identify(certificate: Uint8Array, now: number): CertificateIdentity {
    const known = this.#clients.find(certificate, now);
    if (known !== undefined) return known;
    const presented = this.#verified(certificate, now);
    const identity = identityOf(presented);
    this.#clients.add(certificate, presented, identity);
    return identity;
  }

  #verified(der: Uint8Array, now: number): Certificate {
    try {
      const certificate = readCertificate(der);
      verifyCertificate(certificate, this.#ca, { now, usage: "clientAuth" });
      return certificate;
    } catch (cause) {
      const advice = "a machine gets one that this hub accepts with a join token: hubctl token create";
      throw new HubError("E_IDENTITY", `${asHubError(cause).message}; ${advice}`, { cause });
    }
  }
}

function identityOf({ serial, organization, commonName = "" }: Certificate): CertificateIdentity {
  if (organization === controllerOrganization && controllerName.test(commonName)) {
    return { kind: "controller", name: commonName, serial };
  }
  const isNode = organization === nodeOrganization && commonName.startsWith(nodePrefix);
  const node = isNode ? parseNodeId(commonName.slice(nodePrefix.length)) : undefined;
  return node === undefined ? { kind: "unbound", serial } : { kind: "node", node, serial };
}

function issued(certificate: Certificate): IssuedCertificate {
  return { certificate: certificate.der, serial: certificate.serial, notAfter: certificate.notAfter };
}

async function newAuthority(now: number): Promise<Pair> {
  const key = await createKey();
  const made = await createAuthority(key, {
    subject: { commonName: "KubeEdge" },
    notBefore: now - authorityBackdateMs,
    notAfter: now + authorityDays * dayMs,
  });
  return { key, certificate: readCertificate(made) };
}
