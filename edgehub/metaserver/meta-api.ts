import type { IncomingMessage, ServerResponse } from "node:http";
import { ApiError, type Status } from "../../kubernetes/api-error.ts";
import { type ObjectPath, readObjectPath } from "../../kubernetes/path.ts";
import type { Verb } from "../../kubernetes/resource-type.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Logger, OncePer } from "../../platform/logger.ts";
import { asHubError } from "../../protocol/index.ts";
import { clientGone, readBody } from "../local-http.ts";
import { isTokenPath, verbOf } from "./api-path.ts";
import type { CloudApi } from "./cloud-api.ts";
import { discoveryDocument, versionDocument } from "./discovery.ts";
import type { LocalObjects } from "./local-objects.ts";
import type { ObjectReads, ReadRequest } from "./object-reads.ts";
import { write } from "./object-writes.ts";
import { openApiDocument, openApiV2Packed, openApiV2Type, openApiV2Wanted } from "./openapi.ts";
import { answerLog, type OpenLog } from "./pod-log.ts";
import { formOf } from "./representation.ts";
import { statusOf } from "./status.ts";
import type { TokenRequests } from "./token-requests.ts";
import type { Watches } from "./watches.ts";

export interface ApiParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly once: OncePer;
  readonly cloud: CloudApi;
  readonly objects: LocalObjects;
  readonly reads: ObjectReads;
  readonly watches: Watches;
  readonly openLog: OpenLog;
  /** Answers requests for tokens; loaded when the first one comes. */
  readonly tokenRequests: () => Promise<TokenRequests>;
}

/** A request's body has to come within this time. */
const bodyTimeoutMs = 30_000;
const probes = new Set(["/healthz", "/livez", "/readyz"]);
/** They lead into a container, not to an object. */
const intoContainers = new Set(["attach", "exec", "portforward", "proxy"]);

/** Answers requests as a Kubernetes API server does. */
export class MetaApi {
  readonly #parts: ApiParts;
  readonly #maxBodyBytes: number;

  constructor(parts: ApiParts, maxBodyBytes: number) {
    this.#parts = parts;
    this.#maxBodyBytes = maxBodyBytes;
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#answer(request, response);
    } catch (error) {
      if (!(error instanceof ApiError)) this.#note(request, error);
      sendStatus(response, statusOf(error));
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams: query } = urlOf(request);
    if (probes.has(pathname)) return sendText(response, 200, "ok", "text/plain");
    const path = readObjectPath(pathname);
    if (pathname === "/openapi/v2" && request.headers.accept?.includes(openApiV2Wanted))
      return sendText(response, 200, openApiV2Packed, openApiV2Type);
    const document = path === undefined ? this.#document(pathname) : undefined;
    if (document) return sendJson(response, 200, document);
    if (path === undefined)
      throw new ApiError("NotFound", "the server could not find the requested resource");
    const verb = verbOf(request.method ?? "", path, query);
    const isLog = path.subresource === "log" && path.resource === "pods";
    if (verb === undefined || intoContainers.has(path.subresource) || (isLog && verb !== "get"))
      throw new ApiError("MethodNotAllowed", "this server does not support this method for this resource");
    const gone = clientGone(response);
    if (isLog) return await answerLog(this.#parts, { path, query, gone }, response);
    if (verb === "get" || verb === "list" || verb === "watch")
      return await this.#read(verb, { path, query, form: formFor(request), gone }, response);
    const { code, text } = await this.#write(verb, { path, query, gone }, request);
    sendText(response, code, text, "application/json");
  }

  #document(pathname: string): object | undefined {
    if (pathname === "/version") return versionDocument();
    const { objects } = this.#parts;
    if (pathname.startsWith("/openapi/")) return openApiDocument(pathname, objects.catalogue());
    if (!pathname.startsWith("/api")) return undefined;
    return discoveryDocument(pathname, objects.catalogue());
  }

  async #read(verb: "get" | "list" | "watch", request: ReadRequest, response: ServerResponse): Promise<void> {
    const { reads, watches } = this.#parts;
    if (verb === "watch") return await watches.open(request, response);
    sendJson(response, 200, verb === "get" ? await reads.get(request) : await reads.list(request));
  }

  async #write(
    verb: Exclude<Verb, "get" | "list" | "watch">,
    { path, query, gone }: { path: ObjectPath; query: URLSearchParams; gone: AbortSignal },
    request: IncomingMessage,
  ) {
    const [contentType = ""] = (request.headers["content-type"] ?? "").split(";");
    const body = await this.#bodyOf(request);
    const asked = { path, query, contentType: contentType.trim().toLowerCase(), body, gone };
    if (verb === "create" && isTokenPath(path))
      return await (await this.#parts.tokenRequests()).answer({ ...asked, verb });
    return await write(this.#parts, { ...asked, verb });
  }

  async #bodyOf(request: IncomingMessage): Promise<string> {
    const late = new AbortController();
    const cancel = this.#parts.clock.after(bodyTimeoutMs, () => late.abort());
    try {
      return (await readBody(request, this.#maxBodyBytes, late.signal)).toString();
    } finally {
      cancel();
    }
  }

  #note(request: IncomingMessage, error: unknown): void {
    const { log, once } = this.#parts;
    const { code } = asHubError(error);
    if (code === "E_ABORTED") return;
    const held = once.pass(code);
    if (held !== undefined)
      log.warn("MetaServer could not answer a request", {
        error: asHubError(error),
        method: request.method,
        held,
      });
  }
}

function urlOf(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? "/", "http://localhost");
  } catch {
    throw new ApiError("BadRequest", "the request's path cannot be read");
  }
}

function formFor(request: IncomingMessage): ReadRequest["form"] {
  const form = formOf(request.headers.accept);
  if (form) return form;
  throw new ApiError("NotAcceptable", "only application/json can be served");
}

function sendStatus(response: ServerResponse, status: Status): void {
  if (response.destroyed || response.writableEnded) return;
  if (response.headersSent) return void response.destroy();
  if (status.code === 429) response.setHeader("retry-after", "1");
  sendJson(response, status.code, status);
}

function sendJson(response: ServerResponse, code: number, value: object): void {
  sendText(response, code, JSON.stringify(value), "application/json");
}

function sendText(response: ServerResponse, code: number, text: string | Buffer, type: string): void {
  if (response.destroyed) return;
  response.writeHead(code, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
