import type { SecureContextOptions } from "node:tls";
import type { Clock } from "../platform/clock.ts";
import type { Logger, OncePer } from "../platform/logger.ts";
import { asHubError, HubError } from "../protocol/index.ts";
import {
  type Admitted,
  type Connection,
  listenWebSocket,
  type TransportListener,
  type UpgradeRequest,
} from "../transport/index.ts";
import type { Admin } from "./admin.ts";
import type { CertificateIdentity, CertificateRecord, Identify, Revocations } from "./admission.ts";
import { type ControllerEnd, ControllerLink } from "./controller-link.ts";
import type { Credentials, Identified } from "./credentials.ts";
import type { Gate } from "./gate.ts";
import type { Hub } from "./hub.ts";
import type { HubMetrics } from "./metrics.ts";
import type { HubOptions } from "./options.ts";
import type { HubStore } from "./store/hub-store.ts";

export interface ListenerParts {
  readonly hub: Hub;
  readonly store: HubStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
  readonly metrics: HubMetrics;
  readonly identify: Identify;
  readonly revocations: Revocations;
  readonly credentials: Credentials;
  readonly tls: SecureContextOptions;
  readonly gate: Gate;
}

/** What kubectl asks for with an upgrade. */
const intoContainer = /\/pods\/[^/]+\/(?:exec|attach|portforward)(?:\?|$)/;

/** The controllers' links and their listener. */
export class Controllers {
  readonly #parts: ListenerParts;
  readonly #options: HubOptions;
  readonly #links = new Set<ControllerLink>();

  constructor(parts: ListenerParts, options: HubOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  get size(): number {
    return this.#links.size;
  }

  isConnected(name: string): boolean {
    return [...this.#links].some((link) => link.controller.name === name);
  }

  /** Ends the links of a controller that has been revoked or whose rights have changed. */
  disconnect(name: string, reason: ControllerEnd): void {
    for (const link of [...this.#links]) if (link.controller.name === name) link.close(reason);
  }

  closeAll(): void {
    for (const link of [...this.#links]) link.close({ code: "E_CLOSED", text: "the hub is shutting down" });
  }

  listen(
    admin: Admin,
    request: NonNullable<Parameters<typeof listenWebSocket>[1]["request"]>,
  ): Promise<TransportListener> {
    const { host, port, maxControllers } = this.#options.api;
    const listen = {
      host,
      port,
      tls: this.#parts.tls,
      clientCertificate: "request" as const,
      maxMessageBytes: this.#options.limits.messageBytes,
      handshakeTimeoutMs: this.#options.nodes.handshakeTimeoutMs,
      maxConnections: maxControllers * 2 + 1_000,
    };
    const admit = async (upgrade: UpgradeRequest): Promise<Admitted> => {
      if (intoContainer.test(upgrade.path))
        throw new HubError(
          "E_UNSUPPORTED",
          "the hub leads into no container; on the node: edgehub exec POD -- COMMAND",
        );
      if (!upgrade.offersNative)
        throw new HubError("E_UNSUPPORTED", "controllers connect with the SDK of this hub");
      if (this.#links.size >= maxControllers)
        throw new HubError(
          "E_NODE_LIMIT",
          `${this.#links.size} controllers are connected; api.maxControllers allows no more`,
        );
      const controller = await this.#identify(upgrade);
      return { dialect: "native", accept: (connection) => this.#accept(admin, connection, controller) };
    };
    return listenWebSocket(listen, {
      admit,
      request,
      refused: (error, address) => refused(this.#parts, "api", error, address),
    });
  }

  async #identify(upgrade: UpgradeRequest): Promise<Identified> {
    const { credentials, clock } = this.#parts;
    const authorization = upgrade.header("authorization");
    if (authorization !== undefined)
      return await credentials.byToken(authorization.replace(/^bearer +/i, ""), clock.wallTime());
    const { certificate } = upgrade.peer;
    if (certificate === undefined)
      throw new HubError(
        "E_BAD_TOKEN",
        "no token and no client certificate; hubctl controller create makes a token",
      );
    return await this.byCertificate(certificate);
  }

  /** The controller that a client certificate names. Throws `E_IDENTITY` or `E_REVOKED`. */
  async byCertificate(certificate: Uint8Array): Promise<Identified> {
    const { credentials, clock, revocations, store } = this.#parts;
    const now = clock.wallTime();
    const identity = this.#identityIn(certificate, now);
    if (identity.kind !== "controller") throw notGoodHere(`the certificate is of ${described(identity)}`);
    if (revocations.isRevoked(identity.serial))
      throw new HubError(
        "E_REVOKED",
        `certificate ${identity.serial} of controller ${identity.name} has been revoked`,
      );
    // A KubeEdge cloud with the same CA would have put any name into a certificate: only ours count.
    const issued = await store.records<CertificateRecord>("certificate").get(identity.serial);
    if (issued?.value.controller !== identity.name) {
      throw notGoodHere(`this hub has not issued this certificate of controller ${identity.name}`);
    }
    return await credentials.byName(identity.name, now);
  }

  #identityIn(certificate: Uint8Array, now: number): CertificateIdentity {
    try {
      return this.#parts.identify(certificate, now);
    } catch (error) {
      // What a node would have to do does not help a controller: only the reason is repeated.
      const { cause, message } = asHubError(error);
      throw notGoodHere(cause instanceof HubError ? cause.message : message, error);
    }
  }

  #accept(admin: Admin, connection: Connection, controller: Identified): void {
    const { hub, store, clock, log, once, metrics } = this.#parts;
    const { name } = controller;
    const link = new ControllerLink(
      {
        hub,
        admin,
        store,
        clock,
        connection,
        controller,
        fault: (error, what) => {
          metrics.fault(error.code);
          const held = once.pass(`controller ${name} ${error.code}`);
          if (held !== undefined)
            log.warn(what, { controller: name, error, ...(held > 0 ? { heldBack: held } : {}) });
        },
        closed: (_link, { code, text }) => {
          this.#links.delete(link);
          log.info("controller link closed", { controller: name, code, text });
        },
      },
      this.#options,
    );
    this.#links.add(link);
    log.info("controller connected", { controller: name, address: connection.peer.address });
    link.start();
  }
}

function described(identity: Exclude<CertificateIdentity, { kind: "controller" }>): string {
  return identity.kind === "node" ? `node ${identity.node}, not of a controller` : "nobody this hub knows";
}

function notGoodHere(text: string, cause?: unknown): HubError {
  const advice = "an administrator makes a good one with: hubctl controller certificate NAME";
  return new HubError("E_IDENTITY", `${text}; ${advice}`, { cause });
}

/** Counts it, and logs it once in a while. */
export function refused(
  parts: ListenerParts,
  port: "nodes" | "quic" | "webtransport" | "api",
  error: HubError,
  address: string,
): void {
  const known = asHubError(error);
  parts.metrics.refused(port, known.code);
  const held = parts.once.pass(`${port} ${known.code} ${address.slice(0, address.lastIndexOf(":"))}`);
  if (held !== undefined)
    parts.log.warn("connection refused", {
      port,
      address,
      error: known,
      ...(held > 0 ? { heldBack: held } : {}),
    });
}
