import type { IncomingMessage } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import type { Clock } from "../platform/clock.ts";
import { HubError } from "../protocol/index.ts";
import { parseReason } from "../transport/index.ts";

/** One request to the port where machines get their certificate. */
export interface JoinRequest {
  /** `https://host:port`. */
  readonly url: string;
  readonly path: "/ca.crt" | "/edge.crt";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  /** What the server is checked against, and what it is shown. `unverified`: it is not checked. */
  readonly tls: "unverified" | { readonly ca: string; readonly cert?: string; readonly key?: string };
}

export interface JoinParts {
  readonly clock: Clock;
  /** Ends what is under way with `E_ABORTED`. */
  readonly signal?: AbortSignal;
  /** Longest time for each request, ms; default 30 000, as KubeEdge. */
  readonly requestTimeoutMs?: number;
}

const maxAnswerBytes = 1 << 20;

/**
 * Sends a GET, with a body if there is one, as the join protocol wants it.
 *
 * @returns The body of an answer with status 200: at least one byte, at most 1 MiB.
 * Rejects with the code and the text of a hub's refusal; `E_IDENTITY` if the server cannot prove who it is;
 * `E_LINK_LOST`, `E_TIMEOUT`, `E_TOO_LARGE`, `E_ABORTED`; and `E_BAD_OPTION` for a url that is none.
 */
export function sendJoinRequest(request: JoinRequest, parts: JoinParts): Promise<Buffer> {
  const target = targetOf(request);
  const timeoutMs = parts.requestTimeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(target, (response) => {
      collect(response).then((body) => settle(() => resolve(accepted(response, body, request))), fail);
    });
    const settle = (work: () => void): void => {
      cancel();
      parts.signal?.removeEventListener("abort", abort);
      try {
        work();
      } catch (error) {
        reject(error);
      }
      sent.destroy();
    };
    const fail = (error: unknown): void => settle(() => reject(requestError(error, request.url)));
    const abort = (): void => fail(new HubError("E_ABORTED", "gave up asking for a certificate"));
    const cancel = parts.clock.after(timeoutMs, () =>
      fail(new HubError("E_TIMEOUT", `${request.url}${request.path}: no answer within ${timeoutMs} ms`)),
    );
    sent.on("error", fail);
    if (parts.signal?.aborted) return abort();
    parts.signal?.addEventListener("abort", abort, { once: true });
    sent.end(request.body);
  });
}

function targetOf({ url, path, headers, body, tls }: JoinRequest): RequestOptions {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== "https:" || parsed.pathname !== "/") {
    throw new HubError(
      "E_BAD_OPTION",
      `the hub's address for joining must read https://host:10002, got ${url}`,
    );
  }
  return {
    host: parsed.hostname.replace(/^\[|\]$/g, ""),
    port: parsed.port || 443,
    path,
    method: "GET",
    headers: body === undefined ? headers : { ...headers, "Content-Length": body.length },
    // No connection is kept: each request has its own idea of whom to trust.
    agent: false,
    minVersion: "TLSv1.2",
    ...(tls === "unverified" ? { rejectUnauthorized: false } : tls),
  };
}

async function collect(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += chunk.length;
    if (size > maxAnswerBytes)
      throw new HubError("E_TOO_LARGE", "the answer has more than 1 MiB; is this a hub?");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function accepted(response: IncomingMessage, body: Buffer, request: JoinRequest): Buffer {
  const status = response.statusCode ?? 0;
  if (status !== 200) throw refusal(status, body.toString("utf8", 0, 2_000).trim(), request);
  if (body.length > 0) return body;
  throw new HubError(
    "E_LINK_LOST",
    `${request.url}${request.path}: an empty answer; a KubeEdge 1.15 cloud does so when it refuses: its log says why`,
  );
}

/** A refusal in the hub's words, or what the status of another server means. */
function refusal(status: number, text: string, { url, path, tls }: JoinRequest): HubError {
  const reason = parseReason(text, true);
  if (reason.code !== "E_LINK_LOST") return new HubError(reason.code, reason.text);
  const said = `${url}${path} answered ${status}${text === "" ? "" : `: ${text}`}`;
  if (status === 404) {
    return new HubError("E_UNSUPPORTED", `${said}. Is this the hub's port for joining (10002)?`);
  }
  if (status >= 500) return new HubError("E_INTERNAL", said);
  const isRenewal = tls !== "unverified" && tls.cert !== undefined;
  if (isRenewal) return new HubError("E_IDENTITY", `${said}. Join again with a new token`);
  return new HubError("E_BAD_TOKEN", `${said}. Get a new token from the hub: hubctl token create`);
}

/** Why a request failed before there was an answer. */
function requestError(error: unknown, url: string): HubError {
  if (error instanceof HubError) return error;
  const { code = "", message } = error as NodeJS.ErrnoException;
  const text = `${url}: ${message || code || "no connection"}`;
  if (code === "CERT_NOT_YET_VALID" || code === "CERT_HAS_EXPIRED") {
    return untrusted(`${text}. Is this machine's clock right?`, error);
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return untrusted(
      `${text}. Use an address that is in the hub's certificate, or add this one at the hub`,
      error,
    );
  }
  if (/CERT|SIGNATURE|SIGNED|ISSUER|ERR_TLS|ERR_SSL/.test(code)) {
    return untrusted(`${text}. The server is not the hub that this machine joined, or joins`, error);
  }
  return new HubError("E_LINK_LOST", text, { cause: error });
}

/** Retryable: somebody may set a clock or replace a certificate. */
function untrusted(text: string, cause: unknown): HubError {
  return new HubError("E_IDENTITY", text, { cause, retryable: true });
}
