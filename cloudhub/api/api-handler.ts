import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, type Kind } from "../../kubernetes/index.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger, OncePer } from "../../platform/logger.ts";
import { version } from "../../platform/version.ts";
import type { ApiCall } from "./api-call.ts";
import type { AuditLog } from "./audit-log.ts";
import { type Authentication, impersonated } from "./authentication.ts";
import type { Authorizer } from "./authorizer.ts";
import type { DiscoveryRequests } from "./discovery-requests.ts";
import { clientGoneCode, failureLevel } from "./failure-level.ts";
import { formOf } from "./negotiation.ts";
import type { ObjectRequests } from "./object-requests.ts";
import type { Registry } from "./registry.ts";
import { type RequestInfo, readRequest } from "./request-info.ts";
import { asApiError, sendJson } from "./responses.ts";
import type { User } from "./user.ts";

export interface ApiHandlerParts {
  readonly registry: Registry;
  readonly authentication: Authentication;
  readonly authorizer: Authorizer;
  readonly objects: ObjectRequests;
  readonly discovery: DiscoveryRequests;
  readonly audit: AuditLog | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
  /** Counts answers, and requests whose client went before. */
  readonly answered: (verb: string, code: number) => void;
}

/** Paths of the API; all others are the hub's own. */
const prefixes = ["/api", "/apis", "/openapi", "/version"];

/** The Kubernetes API over HTTP: who asks, whether he may, and the answer. */
export class ApiHandler {
  readonly #parts: ApiHandlerParts;

  constructor(parts: ApiHandlerParts) {
    this.#parts = parts;
  }

  /** @returns False if the path is none of the API: nothing was answered. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const target = request.url ?? "/";
    if (!prefixes.some((prefix) => isBelow(prefix, target))) return false;
    void this.#serve(request, response, target);
    return true;
  }

  async #serve(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    const { clock, audit, answered } = this.#parts;
    const receivedAt = clock.wallTime();
    const id = randomUUID();
    const info = readRequest(request.method ?? "GET", target);
    let user: User | undefined;
    response.setHeader("Audit-Id", id);
    try {
      if (isBelow("/version", target)) await sendJson({ request, response }, 200, versionDocument());
      else {
        user = await this.#parts.authentication.userOf(request);
        const other = impersonated(request);
        if (other !== undefined) this.#parts.authorizer.requireImpersonation(user, other);
        user = other ?? user;
        await this.#answer({ request, response, info, user });
      }
    } catch (error) {
      await this.#fail({ request, response }, error, info);
    }
    const code = response.headersSent ? response.statusCode : clientGoneCode;
    answered(info.verb, code);
    audit?.add({
      id,
      info,
      target,
      user,
      address: request.socket.remoteAddress ?? "",
      userAgent: request.headers["user-agent"],
      code,
      receivedAt,
      answeredAt: clock.wallTime(),
    });
  }

  async #answer(call: Pick<ApiCall, "request" | "response" | "info" | "user">): Promise<void> {
    const { request, response, info, user } = call;
    const { registry, authorizer, objects, discovery } = this.#parts;
    const { resource: path, verb } = info;
    authorizer.require(user, { verb, path: info.path, resource: path });
    if (path === undefined) return await discovery.answer({ request, response, info });
    const kind: Kind = registry.kinds.require(path);
    const form = formOf(request.headers.accept);
    if (form === undefined && path.subresource !== "log") throw notAcceptable();
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const full = { ...call, form: form ?? ({ as: "object" } as const), warnings: [], gone: gone.signal };
    await objects.answer({ ...full, kind, path });
  }

  async #fail(
    exchange: { request: IncomingMessage; response: ServerResponse },
    error: unknown,
    info: RequestInfo,
  ): Promise<void> {
    const { request, response } = exchange;
    const failure = asApiError(error);
    const level = failureLevel(error, failure, response.destroyed || request.socket.destroyed);
    if (level !== undefined) this.#note(level, error, info);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    if (failure.reason === "RequestEntityTooLarge") response.setHeader("Connection", "close");
    if (failure.details?.retryAfterSeconds !== undefined)
      response.setHeader("Retry-After", failure.details.retryAfterSeconds);
    await sendJson(exchange, failure.code, failure.status);
  }

  #note(level: "debug" | "warn" | "error", error: unknown, { verb, path }: RequestInfo): void {
    const { log, once } = this.#parts;
    const why = error instanceof Error ? error.message : String(error);
    const held = once.pass(`api ${level} ${verb} ${why.slice(0, 80)}`);
    if (held === undefined) return;
    const event = {
      debug: "a client of the API has gone",
      warn: "a request to the API could not be done now",
      error: "a request to the API failed",
    };
    const heldBack = held > 0 ? { heldBack: held } : {};
    log[level](event[level], { verb, path: path.slice(0, 200), error, ...heldBack });
  }
}

/** Kubernetes' version whose API is spoken, and this program's. */
function versionDocument(): object {
  return {
    major: "1",
    minor: "32",
    gitVersion: `v1.32.0+cloudhub.${version}`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: `${process.platform}/${process.arch}`,
    version,
  };
}

export function notAcceptable(): ApiError {
  return new ApiError(
    "NotAcceptable",
    "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1",
  );
}

function isBelow(prefix: string, target: string): boolean {
  if (!target.startsWith(prefix)) return false;
  const next = target[prefix.length];
  return next === undefined || next === "/" || next === "?";
}
