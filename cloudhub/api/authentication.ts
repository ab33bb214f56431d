import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { ApiError } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { HubError, mayUse } from "../../protocol/index.ts";
import type { Identify, Revocations } from "../admission.ts";
import type { Credentials, Identified } from "../credentials.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import { authenticatedGroup, mastersGroup, type User } from "./user.ts";

export interface AuthenticationParts {
  readonly credentials: Pick<Credentials, "byToken">;
  readonly tokens: Pick<ServiceAccountTokens, "verify">;
  /** The controller a client certificate names. Throws a HubError. */
  readonly byCertificate: (certificate: Uint8Array) => Promise<Identified>;
  readonly identify: Identify;
  readonly revocations: Pick<Revocations, "isRevoked">;
  readonly clock: Clock;
}

/** Controllers are in it: roles can be given to all of them. */
const controllersGroup = "cloudhub:controllers";
const nodesGroup = "system:nodes";

/** Says who sends a request: a controller by token or certificate, a node, a service account. */
export class Authentication {
  readonly #parts: AuthenticationParts;

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
  }

  /** Throws `Unauthorized`. */
  async userOf(request: Pick<IncomingMessage, "headers" | "socket">): Promise<User> {
    const { authorization } = request.headers;
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate?.()?.raw;
    try {
      if (authorization !== undefined) return await this.byToken(authorization.replace(/^bearer +/i, ""));
      if (certificate !== undefined) return await this.#byCertificate(certificate);
    } catch (error) {
      if (error instanceof HubError) throw new ApiError("Unauthorized", error.message);
      throw error;
    }
    throw new ApiError("Unauthorized", "Unauthorized: no token and no client certificate");
  }

  /** Throws `Unauthorized`, or a HubError for a controller's token. */
  async byToken(token: string, audiences?: readonly string[]): Promise<User> {
    if (token.startsWith("eyJ")) return await this.#parts.tokens.verify(token, audiences);
    return userOfController(await this.#parts.credentials.byToken(token, this.#parts.clock.wallTime()));
  }

  async #byCertificate(certificate: Uint8Array): Promise<User> {
    const { identify, revocations, clock, byCertificate } = this.#parts;
    const identity = identify(certificate, clock.wallTime());
    if (identity.kind !== "node") return userOfController(await byCertificate(certificate));
    if (revocations.isRevoked(identity.serial))
      throw new ApiError("Unauthorized", `certificate ${identity.serial} has been revoked`);
    return { name: `system:node:${identity.node}`, groups: [nodesGroup, authenticatedGroup] };
  }
}

/** In whose name a request is to be done; `undefined`: in one's own. Pure. Source: Kubernetes user impersonation. */
export function impersonated({ headers }: Pick<IncomingMessage, "headers">): User | undefined {
  const name = headers["impersonate-user"];
  if (typeof name !== "string" || name === "") return undefined;
  const given = headers["impersonate-group"];
  const groups =
    given === undefined
      ? []
      : String(given)
          .split(",")
          .map((group) => group.trim());
  return { name, groups: groups.includes(authenticatedGroup) ? groups : [...groups, authenticatedGroup] };
}

/** Who may administer the hub may do everything here. */
function userOfController({ name, rights }: Identified): User {
  const groups = [controllersGroup, authenticatedGroup];
  return { name, groups: mayUse(rights, "admin") ? [mastersGroup, ...groups] : groups };
}
