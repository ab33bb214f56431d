import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { ApiError } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import { HubError, mayUse } from "../../protocol/index.ts";
import type { Identify, Revocations } from "../admission.ts";
import type { Credentials, Identified } from "../credentials.ts";
import type { ServiceAccountTokens } from "./service-account-tokens.ts";
import {
  authenticatedGroup,
  groupsOfServiceAccounts,
  mastersGroup,
  serviceAccountIn,
  type User,
} from "./user.ts";

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

/**
 * In whose name a request is to be done; `undefined`: in one's own. Throws `BadRequest` if it says what somebody is and not
 * who. Pure. Source: Kubernetes user impersonation.
 */
export function impersonated({ headers }: Pick<IncomingMessage, "headers">): User | undefined {
  const { "impersonate-user": name, "impersonate-group": given, "impersonate-uid": uid } = headers;
  const extra = Object.keys(headers).find((header) => header.startsWith("impersonate-extra-"));
  if (extra !== undefined) throw new ApiError("BadRequest", `${extra} is not done here`);
  if (typeof name !== "string" || name === "") {
    if (given === undefined && uid === undefined) return undefined;
    throw new ApiError("BadRequest", "a group or uid is to be impersonated without a user: Impersonate-User");
  }
  const groups = given === undefined ? impliedGroups(name) : String(given).split(",").map(trimmed);
  const all = groups.includes(authenticatedGroup) ? groups : [...groups, authenticatedGroup];
  return { name, groups: all, ...(uid === undefined ? {} : { uid: String(uid) }) };
}

/** A service account is in its groups, unless others are given. */
function impliedGroups(name: string): readonly string[] {
  const account = serviceAccountIn(name);
  return account === undefined ? [] : groupsOfServiceAccounts(account.namespace);
}

function trimmed(text: string): string {
  return text.trim();
}

/** Who may administer the hub may do everything here. */
function userOfController({ name, rights }: Identified): User {
  const groups = [controllersGroup, authenticatedGroup];
  return { name, groups: mayUse(rights, "admin") ? [mastersGroup, ...groups] : groups };
}
