import type { Clock } from "../platform/clock.ts";
import { HubError, type NodeId, requireNodeId } from "../protocol/index.ts";
import type { UpgradeRequest } from "../transport/index.ts";
import type { HubStore } from "./store/hub-store.ts";

/** Whom a certificate of this hub's CA names. `unbound`: one of a KubeEdge 1.15 cloud, which names nobody. */
export type CertificateIdentity =
  | { readonly kind: "node"; readonly node: NodeId; readonly serial: string }
  | { readonly kind: "controller"; readonly name: string; readonly serial: string }
  | { readonly kind: "unbound"; readonly serial: string };

/** Reads a DER certificate. Throws `E_IDENTITY` for one that is foreign, self-signed, expired or not valid yet. */
export type Identify = (certificate: Uint8Array, wallTime: number) => CertificateIdentity;

/** What the hub remembers of each certificate it issued, by serial. */
export interface CertificateRecord {
  readonly node?: NodeId;
  readonly controller?: string;
  readonly issuedAt: number;
  readonly notAfter: number;
  readonly revokedAt?: number;
}

/** Serials that are no longer good, in memory: asked at each connection. */
export class Revocations {
  readonly #store: HubStore;
  readonly #revoked = new Set<string>();

  private constructor(store: HubStore) {
    this.#store = store;
  }

  static async load(store: HubStore): Promise<Revocations> {
    const revocations = new Revocations(store);
    for (const { name, value } of await store.records<CertificateRecord>("certificate").list()) {
      if (value.revokedAt !== undefined) revocations.#revoked.add(name);
    }
    return revocations;
  }

  isRevoked(serial: string): boolean {
    return this.#revoked.has(serial);
  }

  /**
   * Revokes every certificate the hub issued that is `concerned`, also those that are being issued meanwhile.
   *
   * @returns Their serials.
   */
  async revoke(concerned: (record: CertificateRecord) => boolean, wallTime: number): Promise<string[]> {
    const records = this.#store.records<CertificateRecord>("certificate");
    const serials: string[] = [];
    for (;;) {
      const found = (await records.list()).filter(
        ({ value }) => value.revokedAt === undefined && concerned(value),
      );
      if (found.length === 0) return serials;
      // From here on none of them opens a door; writing it down may take its time.
      for (const { name } of found) this.#revoked.add(name);
      for (const { name, value } of found) await records.put(name, { ...value, revokedAt: wallTime });
      serials.push(...found.map(({ name }) => name));
    }
  }
}

/** A node that may come in. */
export interface AdmittedNode {
  readonly node: NodeId;
  readonly serial: string;
}

/**
 * Says who a connecting node is. The certificate decides; the header must agree with it.
 *
 * @param allowUnbound Certificates that name no node may claim any.
 * Throws `E_IDENTITY`, `E_REVOKED`, `E_NO_NODE` or `E_BAD_MESSAGE`; each says what to do.
 */
export function admitNode(
  request: UpgradeRequest,
  parts: { identify: Identify; revocations: Revocations; clock: Clock },
  allowUnbound: boolean,
): AdmittedNode {
  const { certificate } = request.peer;
  if (certificate === undefined)
    throw new HubError("E_IDENTITY", "no client certificate; join this hub first");
  const identity = parts.identify(certificate, parts.clock.wallTime());
  requireGood(identity.serial, parts.revocations);
  const claimed = requireNodeId(request.header("node_id"));
  requireMessageUse(request.header("connectionuse"));
  if (identity.kind === "controller") {
    throw new HubError("E_IDENTITY", `the certificate is of controller ${identity.name}, not of a node`);
  }
  if (identity.kind === "unbound" && !allowUnbound) {
    throw new HubError(
      "E_IDENTITY",
      "the certificate names no node; join again, or set nodes.allowUnboundCertificates",
    );
  }
  if (identity.kind === "node" && identity.node !== claimed) {
    throw new HubError(
      "E_IDENTITY",
      `the certificate is of node ${identity.node}, the connection claims to be ${claimed}`,
    );
  }
  return { node: claimed, serial: identity.serial };
}

/** Throws `E_REVOKED`. */
export function requireGood(serial: string, revocations: Revocations): void {
  if (!revocations.isRevoked(serial)) return;
  throw new HubError("E_REVOKED", `certificate ${serial} has been revoked; join again with a new token`);
}

/** Without this header a KubeEdge cloud never reads from the connection; better to say so at once. */
function requireMessageUse(use: string | undefined): void {
  if (use === "msg") return;
  throw new HubError(
    "E_BAD_MESSAGE",
    `the header ConnectionUse must be msg, got ${use === undefined ? "none" : JSON.stringify(use)}`,
  );
}
