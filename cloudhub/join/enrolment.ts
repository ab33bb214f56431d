import { type KeyUsage, sha256Hex } from "../../platform/certificate.ts";
import type { Clock } from "../../platform/clock.ts";
import { KeyedLanes } from "../../platform/keyed-lanes.ts";
import { readRequest } from "../../platform/x509.ts";
import { HubError, type NodeId, requireNodeId } from "../../protocol/index.ts";
import type { CertificateRecord } from "../admission.ts";
import type { HubStore } from "../store/hub-store.ts";
import type { Authority, IssuedCertificate } from "./authority.ts";
import { bearerToken, requestedUsages } from "./request-headers.ts";
import type { JoinTokens } from "./tokens.ts";

/** A machine that asks for a certificate. */
export interface EnrolmentRequest {
  /** The header `NodeName`. */
  readonly nodeName: string | undefined;
  /** The header `Authorization`. */
  readonly authorization: string | undefined;
  /** The header `ExtKeyUsages`. */
  readonly extKeyUsages: string | undefined;
  /** The client certificate of the TLS session, DER; if there is one, no token counts. */
  readonly certificate: Uint8Array | undefined;
  /** Reads the certificate request, DER. Called only for a machine that may have a certificate. */
  body(): Promise<Uint8Array>;
}

/** A machine that got a certificate. */
export interface Enrolled {
  readonly node: NodeId;
  readonly serial: string;
  /** True: it had a valid one before. */
  readonly isRenewal: boolean;
  /** DER. */
  readonly certificate: Uint8Array;
}

export interface EnrolmentParts {
  readonly authority: Pick<Authority, "identify" | "issueNodeCertificate">;
  readonly tokens: Pick<JoinTokens, "verify" | "check" | "redeem">;
  readonly store: Pick<HubStore, "node" | "saveNode" | "records">;
  readonly clock: Clock;
  /** True if the certificate with this serial is no longer good. */
  isRevoked(serial: string): boolean;
}

export interface EnrolmentOptions {
  /** Days a node's certificate is valid. */
  readonly certificateDays: number;
  /** Any valid token gives a node that has joined already a new certificate; else only a token made for it does. */
  readonly allowRejoin: boolean;
  /** A certificate of our CA that names no node (KubeEdge 1.15) may be renewed as any node. */
  readonly allowUnboundCertificates: boolean;
}

/** Who asks: a node with a token, or one with its present certificate. */
type Applicant = { readonly node: NodeId } & (
  | { readonly jwt: string; readonly serial?: undefined }
  | { readonly jwt?: undefined; readonly serial: string }
);

/**
 * Decides who gets a node's certificate, and issues it. What is decided is durable before the certificate is
 * handed out: the token is spent, the node known, the serial on record.
 */
export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #options: EnrolmentOptions;
  /** One at a time per node: of two machines of the same name only one joins. */
  readonly #lanes = new KeyedLanes();

  constructor(parts: EnrolmentParts, options: EnrolmentOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  /**
   * Rejects with `E_BAD_TOKEN`, `E_TOKEN_EXPIRED`, `E_TOKEN_USED_UP`, `E_REVOKED` or `E_IDENTITY` for somebody who
   * has not proved to be the node; `E_FORBIDDEN` if the token is another node's or the node has joined already;
   * `E_NO_NODE` or `E_BAD_MESSAGE` for headers or a request that cannot be used; and as `body`.
   */
  async enrol(request: EnrolmentRequest): Promise<Enrolled> {
    const extendedKeyUsages = requestedUsages(request.extKeyUsages);
    const applicant = await this.#applicant(request);
    const { publicKey } = await readRequest(await request.body());
    return await this.#lanes.run(applicant.node, () => this.#issue(applicant, publicKey, extendedKeyUsages));
  }

  /**
   * Deletes the records of certificates that have ended: nobody accepts those any more. To be called once a day.
   *
   * @returns How many.
   */
  async forgetEnded(): Promise<number> {
    const records = this.#parts.store.records<CertificateRecord>("certificate");
    const now = this.#parts.clock.wallTime();
    const ended = (await records.list()).filter(({ value }) => value.notAfter < now);
    for (const { name } of ended) await records.delete(name);
    return ended.length;
  }

  async #applicant(request: EnrolmentRequest): Promise<Applicant> {
    if (request.certificate !== undefined) {
      return this.#renewing(request.certificate, request.nodeName);
    }
    const jwt = bearerToken(request.authorization);
    await this.#parts.tokens.verify(jwt);
    return { node: requireNodeName(request.nodeName), jwt };
  }

  /** The node that shows its present certificate. */
  #renewing(certificate: Uint8Array, nodeName: string | undefined): Applicant {
    const identity = this.#parts.authority.identify(certificate, this.#parts.clock.wallTime());
    const { serial } = identity;
    this.#refuseRevoked(serial);
    if (identity.kind === "node") {
      if (nodeName === undefined || nodeName === identity.node) return { node: identity.node, serial };
      const text = `the certificate is of node ${identity.node}, the header NodeName says another one`;
      throw new HubError("E_IDENTITY", `${text}; a node can renew its own certificate only`);
    }
    if (identity.kind === "unbound" && this.#options.allowUnboundCertificates) {
      return { node: requireNodeName(nodeName), serial };
    }
    throw new HubError(
      "E_IDENTITY",
      "the certificate names no node and cannot be renewed; join again without it, with a token",
    );
  }

  async #issue(
    applicant: Applicant,
    publicKey: Uint8Array,
    extendedKeyUsages: readonly KeyUsage[],
  ): Promise<Enrolled> {
    const { node, jwt, serial: shown } = applicant;
    const labels = jwt === undefined ? {} : await this.#redeem(jwt, node, sha256Hex(publicKey));
    const terms = { days: this.#options.certificateDays, extendedKeyUsages };
    const issued = await this.#parts.authority.issueNodeCertificate(node, { publicKey }, terms);
    await this.#writeDown(node, issued, labels);
    // Whoever revoked the old certificate meanwhile may not have seen the record of the new one.
    if (shown !== undefined) this.#refuseRevoked(shown);
    const { certificate, serial } = issued;
    return { node, serial, certificate, isRenewal: shown !== undefined };
  }

  /** The node and its certificate, in one transaction of the store. */
  async #writeDown(
    node: NodeId,
    { serial, notAfter }: IssuedCertificate,
    labels: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { store, clock } = this.#parts;
    const issuedAt = clock.wallTime();
    const known = store.node(node);
    const joinedAt = known?.joinedAt ?? issuedAt;
    await Promise.all([
      store.saveNode(node, { joinedAt, labels: { ...known?.labels, ...labels } }),
      store.records<CertificateRecord>("certificate").put(serial, { node, issuedAt, notAfter }),
    ]);
  }

  #refuseRevoked(serial: string): void {
    if (!this.#parts.isRevoked(serial)) return;
    throw new HubError("E_REVOKED", "this certificate has been revoked; join again with a new token");
  }

  async #redeem(jwt: string, node: NodeId, keyHash: string): Promise<Readonly<Record<string, string>>> {
    const { tokens, store } = this.#parts;
    const { entitles } = await tokens.check(jwt, { node, keyHash });
    const hasJoined = store.node(node)?.joinedAt !== undefined;
    if (hasJoined && !entitles && !this.#options.allowRejoin) {
      throw new HubError(
        "E_FORBIDDEN",
        `node ${node} has joined already; if this machine is to take its place, use a token made for it: hubctl token create --node ${node}`,
      );
    }
    return await tokens.redeem(jwt, { node, keyHash });
  }
}

function requireNodeName(nodeName: string | undefined): NodeId {
  if (nodeName === undefined)
    throw new HubError("E_NO_NODE", "the header NodeName is missing; send the node's name");
  return requireNodeId(nodeName);
}
