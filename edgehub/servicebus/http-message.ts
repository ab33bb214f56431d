import { contentOf, type Message, shown } from "../../protocol/index.ts";

/** HTTP requests and answers as the router in the cloud writes them. Source: KubeEdge servicebus, REST → ServiceBus. */

/** Header name → values. */
export type Headers = Readonly<Record<string, readonly string[]>>;

/** A call to a service on this node. */
export interface ServiceCall {
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Says that the body was cut, and at how many bytes. */
export const truncatedHeader = "X-Truncated-At";

/** They belong to one connection, not to the message. Source: RFC 9110 §7.6.1. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What this side says itself when it calls. */
const ownOfCaller: ReadonlySet<string> = new Set(["content-length", "expect", "host"]);

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const base64 = /^[A-Za-z0-9+/]*={0,2}$/;
const utf8 = new TextEncoder();

/** May a call with this method be executed a second time? */
export function isIdempotent(method: string): boolean {
  return idempotent.has(method);
}

/**
 * Reads a message `<port>:<path>` with content `{header, body, method, url}`; the body is base64.
 *
 * @returns The call, or the answer that refuses it.
 */
export function readCall(
  message: Pick<Message, "resource" | "content" | "operation">,
  maxBodyBytes: number,
): { readonly call: ServiceCall } | { readonly refusal: ServiceAnswer } {
  const place = placeOf(message.resource.path);
  if (place === undefined) {
    const text = `the resource must be <port>:<path>, got ${shown(message.resource.path)}`;
    return { refusal: errorAnswer(400, text) };
  }
  const content = requestOf(message);
  if (content === undefined) return { refusal: errorAnswer(400, "the content is not an HTTP request") };
  const { method, headers, body } = content;
  if (!token.test(method) || method === "CONNECT")
    return { refusal: errorAnswer(400, `this method cannot be called: ${shown(method)}`) };
  if (body.length > maxBodyBytes)
    return { refusal: errorAnswer(413, `the body has more than ${maxBodyBytes} bytes`) };
  return { call: { ...place, method, headers: requestHeaders(headers), body } };
}

/** The answer of this agent instead of the service's. */
export function errorAnswer(status: number, text: string): ServiceAnswer {
  return { status, headers: { Server: ["kubeedge-edgecore"] }, body: utf8.encode(text) };
}

/** Content of the message that carries an answer: `{header, status_code, body}`, the body in base64. */
export function answerContent({ status, headers, body }: ServiceAnswer): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString("base64");
  return utf8.encode(JSON.stringify({ header: headers, status_code: status, body: text }));
}

/**
 * Headers of a service's answer for the cloud: those of the connection are gone, names are written as Go does.
 *
 * @param raw Names and values in turn, as `IncomingMessage.rawHeaders`.
 * @param cutAt So many bytes of the body are left; `undefined`: all of it.
 */
export function answerHeaders(raw: readonly string[], cutAt?: number): Headers {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] as string, raw[i + 1] as string]);
  const dropped = namedByConnection(pairs);
  const headers = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    if (dropped.has(name.toLowerCase())) continue;
    const key = canonicalName(name);
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  if (cutAt !== undefined)
    for (const key of ["Content-Length", truncatedHeader]) headers.set(key, [String(cutAt)]);
  return Object.fromEntries(headers);
}

function requestHeaders(given: Headers): Headers {
  const pairs = Object.entries(given).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value]),
  );
  const dropped = namedByConnection(pairs);
  const kept = Object.entries(given).filter(
    ([name]) => !dropped.has(name.toLowerCase()) && !ownOfCaller.has(name.toLowerCase()),
  );
  const accepts = kept.some(([name]) => name.toLowerCase() === "accept");
  return Object.fromEntries(accepts ? kept : [...kept, ["Accept", ["*/*"]]]);
}

/** Hop-by-hop headers, and those that `Connection` names. */
function namedByConnection(pairs: readonly (readonly [string, string])[]): ReadonlySet<string> {
  const named = pairs
    .filter(([name]) => name.toLowerCase() === "connection")
    .flatMap(([, value]) => value.split(",").map((one) => one.trim().toLowerCase()));
  return new Set([...hopByHop, ...named]);
}

function placeOf(path: string): { port: number; path: string } | undefined {
  const colon = path.indexOf(":");
  const port = path.slice(0, colon);
  if (colon < 1 || !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) return undefined;
  const rest = path.slice(colon + 1);
  return { port: Number(port), path: rest.startsWith("/") ? rest : `/${rest}` };
}

function requestOf(
  message: Pick<Message, "content" | "operation">,
): { method: string; headers: Headers; body: Uint8Array } | undefined {
  let content: unknown;
  try {
    content = contentOf(message);
  } catch {
    return undefined;
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) return undefined;
  const { header = null, body = null, method } = content as Readonly<Record<string, unknown>>;
  const headers = headersOf(header);
  if (headers === undefined || (method !== undefined && typeof method !== "string")) return undefined;
  if (body !== null && (typeof body !== "string" || !base64.test(body))) return undefined;
  return {
    method: (method || message.operation).toUpperCase(),
    headers,
    body: body === null ? new Uint8Array(0) : Buffer.from(body, "base64"),
  };
}

function headersOf(value: unknown): Headers | undefined {
  if (value === null) return {};
  if (typeof value !== "object" || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const usable = entries.every(
    ([name, values]) =>
      token.test(name) && Array.isArray(values) && values.every((one) => typeof one === "string"),
  );
  return usable ? (Object.fromEntries(entries) as Headers) : undefined;
}

/** `content-type` as `Content-Type`. Source: Go's CanonicalMIMEHeaderKey. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}
