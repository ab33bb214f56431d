import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import {
  type ControllerCertificate,
  type ControllerView,
  type HubAdmin,
  HubError,
  type JoinTokenRequest,
  type JoinTokenView,
  type MessageView,
  type NodeId,
  type NodeView,
  type Rights,
  requireNodeId,
  shown,
  viewOf,
} from "../protocol/index.ts";
import type { CertificateRecord, Revocations } from "./admission.ts";
import type { ControllerEnd } from "./controller-link.ts";
import type { Credentials } from "./credentials.ts";
import type { Hub } from "./hub.ts";
import type { Authority } from "./join/authority.ts";
import type { JoinTokens } from "./join/tokens.ts";
import type { HubStore } from "./store/hub-store.ts";

export interface AdminParts {
  readonly hub: Hub;
  readonly store: HubStore;
  readonly tokens: JoinTokens;
  readonly credentials: Credentials;
  readonly authority: Pick<Authority, "issueControllerCertificate">;
  readonly revocations: Revocations;
  readonly clock: Clock;
  readonly log: Logger;
  readonly isConnected: (controller: string) => boolean;
  /** Ends a controller's links, saying why. */
  readonly disconnect: (controller: string, reason: ControllerEnd) => void;
}

/** The operator's verbs. Every change is logged. */
export class Admin implements HubAdmin {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  async createJoinToken(
    request: JoinTokenRequest,
  ): Promise<{ id: string; token: string; expiresAt: number }> {
    const { ttlMs, uses, node, labels } = request;
    if (!(ttlMs > 0)) throw new HubError("E_BAD_MESSAGE", `ttlMs must be positive, got ${shown(ttlMs)}`);
    if (uses !== undefined && !(Number.isInteger(uses) && uses > 0))
      throw new HubError("E_BAD_MESSAGE", `uses must be a whole number from 1, got ${shown(uses)}`);
    const created = await this.#parts.tokens.create({
      ttlMs,
      labels: requireLabels(labels ?? {}),
      ...(uses === undefined ? {} : { uses }),
      ...(node === undefined ? {} : { node: requireNodeId(node) }),
    });
    this.#parts.log.info("join token created", { id: created.id, node, uses, ttlMs });
    return created;
  }

  joinTokens(): Promise<JoinTokenView[]> {
    return this.#parts.tokens.list();
  }

  async revokeJoinToken(id: string): Promise<boolean> {
    this.#parts.log.info("join token revoked", { id });
    return await this.#parts.tokens.revoke(String(id));
  }

  async addNode(node: string, labels?: Readonly<Record<string, string>>): Promise<NodeView> {
    const name = requireNodeId(node);
    const change = labels === undefined ? {} : { labels: requireLabels(labels) };
    return await this.#parts.hub.view(await this.#parts.store.saveNode(name, change));
  }

  async removeNode(node: string): Promise<boolean> {
    const name = requireNodeId(node);
    await this.#revoke(name);
    const removed = await this.#parts.store.removeNode(name);
    this.#parts.hub.budgets.forget(name);
    // Told last: an agent with a good token is back at once, and must not meet what is left of itself.
    this.#cutOff(name);
    this.#parts.log.info("node removed", { node: name });
    return removed;
  }

  async revokeNode(node: string): Promise<number> {
    const name = this.#parts.hub.known(node).node;
    const certificates = await this.#revoke(name);
    this.#cutOff(name);
    return certificates;
  }

  async createController(name: string, rights: Rights, ttlMs?: number): Promise<string> {
    const token = await this.#parts.credentials.create(name, rights, {
      now: this.#parts.clock.wallTime(),
      ttlMs,
    });
    // What it may do is looked up when it connects: with a certificate it may come back at once.
    this.#parts.disconnect(name, { code: "E_CLOSED", text: "the controller's token or rights have changed" });
    this.#parts.log.info("controller created", { controller: name, rights });
    return token;
  }

  async issueControllerCertificate(
    name: string,
    publicKey: string,
    days = 365,
  ): Promise<ControllerCertificate> {
    const { credentials, authority, store, clock, log } = this.#parts;
    const now = clock.wallTime();
    await credentials.requireKnown(name, now);
    const key = { publicKey: derOf(publicKey) };
    const { certificate, serial, notAfter } = await authority.issueControllerCertificate(
      name,
      key,
      requireDays(days),
    );
    const record: CertificateRecord = { controller: name, issuedAt: now, notAfter };
    await store.records<CertificateRecord>("certificate").put(serial, record);
    log.info("controller certificate issued", { controller: name, serial });
    return { certificate: new X509Certificate(certificate).toString(), serial, notAfter };
  }

  async controllers(): Promise<ControllerView[]> {
    return (await this.#parts.credentials.list()).map((one) => ({
      name: one.name,
      rights: one.rights,
      createdAt: one.createdAt,
      expiresAt: one.expiresAt,
      revokedAt: one.revokedAt,
      connected: this.#parts.isConnected(one.name),
    }));
  }

  async revokeController(name: string): Promise<boolean> {
    const now = this.#parts.clock.wallTime();
    const revoked = await this.#parts.credentials.revoke(String(name), now);
    await this.#parts.revocations.revoke((record) => record.controller === name, now);
    this.#parts.disconnect(name, { code: "E_REVOKED", text: "the controller has been revoked" });
    this.#parts.log.info("controller revoked", { controller: name, known: revoked });
    return revoked;
  }

  async requeue(node: string, position?: number): Promise<number> {
    return await this.#parts.store.requeue(this.#parts.hub.known(node).node, position);
  }

  async message(node: string, position: number): Promise<MessageView | undefined> {
    const found = await this.#parts.store.message(this.#parts.hub.known(node).node, Number(position));
    return found && viewOf(found);
  }

  /** From here on none of its certificates opens a link. */
  async #revoke(node: NodeId): Promise<number> {
    const serials = await this.#parts.revocations.revoke(
      (record) => record.node === node,
      this.#parts.clock.wallTime(),
    );
    this.#parts.log.info("node certificates revoked", { node, certificates: serials.length });
    return serials.length;
  }

  #cutOff(node: NodeId): void {
    const reason = { code: "E_REVOKED", text: "the node's certificate has been revoked" } as const;
    this.#parts.hub.links.get(node)?.close(reason);
  }
}

function derOf(publicKey: unknown): Uint8Array {
  let key: KeyObject;
  try {
    key = createPublicKey(String(publicKey));
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "publicKey must be a PEM public key", { cause });
  }
  if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1")
    throw new HubError("E_BAD_MESSAGE", "publicKey must be an EC key on P-256");
  return key.export({ type: "spki", format: "der" });
}

function requireDays(days: unknown): number {
  if (Number.isInteger(days) && Number(days) > 0 && Number(days) <= 36_500) return Number(days);
  throw new HubError("E_BAD_MESSAGE", `days must be a whole number 1..36500, got ${shown(days)}`);
}

function requireLabels(labels: unknown): Readonly<Record<string, string>> {
  const entries = typeof labels === "object" && labels !== null ? Object.entries(labels) : [["", labels]];
  for (const [key, value] of entries) {
    if (typeof value === "string" && /^[\w./-]{1,128}$/.test(String(key)) && value.length <= 256) continue;
    throw new HubError("E_BAD_MESSAGE", `labels must be short texts by name, got ${shown(labels)}`);
  }
  return labels as Readonly<Record<string, string>>;
}
