import { HubError, shown } from "./errors.ts";
import type { WireMessage } from "./wire-message.ts";

/**
 * KubeEdge's WebSocket text: the JSON of one message, byte for byte as Go's encoder writes it, and read as
 * strictly or leniently as Go's decoder reads it. Source: KubeEdge `model.Message`, encoding/json.
 */

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder();
const nothing = new Uint8Array(0);

/** @returns The text with its final newline, in UTF-8. `content` goes in as it is. */
export function writeText(wire: WireMessage): Uint8Array {
  const head = `{"header":{"msg_id":${quoted(wire.id)}${optional("parent_msg_id", wire.parentId)},"timestamp":${
    wire.timestamp
  }${optional("resourceversion", wire.resourceVersion)}${wire.sync ? ',"sync":true' : ""}${optional("type", wire.type)}}`;
  const route = [
    optional("source", wire.source),
    optional("destination", wire.destination),
    optional("group", wire.group),
    optional("operation", wire.operation),
    optional("resource", wire.resource),
  ].join("");
  const start = `${head},"route":{${route.slice(1)}},"content":`;
  if (wire.content.length === 0) return toUtf8.encode(`${start}null}\n`);
  const before = toUtf8.encode(start);
  const text = new Uint8Array(before.length + wire.content.length + 2);
  text.set(before);
  text.set(wire.content, before.length);
  text[text.length - 2] = 0x7d;
  text[text.length - 1] = 0x0a;
  return text;
}

/**
 * Reads one WebSocket message.
 *
 * As in Go: unknown keys and anything behind the first value are ignored, keys match in any case, invalid
 * UTF-8 becomes U+FFFD, `{}` and `null` are an empty message. The content's text is kept as it came, so
 * that large numbers survive.
 *
 * Throws `E_BAD_FRAME` for anything a Go peer closes the connection for.
 */
export function readText(chunk: Uint8Array): WireMessage {
  const text = fromUtf8.decode(chunk);
  const end = skipValue(text, 0);
  const value = parse(text.slice(0, end));
  if (value === null) return emptyMessage;
  if (typeof value !== "object" || Array.isArray(value)) throw bad("a message must be a JSON object", text);
  const top = lowerCased(value);
  const header = lowerCased(objectOf(top, "header"));
  const route = lowerCased(objectOf(top, "route"));
  const spans = members(text, 0);
  return {
    id: textOf(header, "msg_id"),
    parentId: textOf(header, "parent_msg_id"),
    timestamp: timestampOf(text, spans),
    resourceVersion: textOf(header, "resourceversion"),
    sync: flagOf(header, "sync"),
    type: textOf(header, "type"),
    source: textOf(route, "source"),
    destination: textOf(route, "destination"),
    group: textOf(route, "group"),
    operation: textOf(route, "operation"),
    resource: textOf(route, "resource"),
    content: contentOf(text, spans),
  };
}

const emptyMessage: WireMessage = {
  id: "",
  parentId: "",
  timestamp: 0,
  resourceVersion: "",
  sync: false,
  type: "",
  source: "",
  destination: "",
  group: "",
  operation: "",
  resource: "",
  content: nothing,
};

/** A JSON string as Go writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function optional(key: string, text: string): string {
  return text === "" ? "" : `,"${key}":${quoted(text)}`;
}

function bad(what: string, text: string): HubError {
  return new HubError("E_BAD_FRAME", `${what}, got ${shown(text)}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HubError(
      "E_BAD_FRAME",
      `a message must be JSON: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

type Members = Record<string, unknown>;

function lowerCased(value: object): Members {
  const found: Members = Object.create(null);
  for (const [key, member] of Object.entries(value)) found[key.toLowerCase()] = member;
  return found;
}

function objectOf(members: Members, key: string): object {
  const value = members[key];
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw bad(`${key} must be an object`, JSON.stringify(value));
  return value;
}

function textOf(members: Members, key: string): string {
  const value = members[key];
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw bad(`${key} must be a string`, JSON.stringify(value));
  return value;
}

function flagOf(members: Members, key: string): boolean {
  const value = members[key];
  if (value === undefined || value === null) return false;
  if (typeof value !== "boolean") throw bad(`${key} must be true or false`, JSON.stringify(value));
  return value;
}

/** Only a whole number in plain notation: 1.5, 1e3 and "1" cost the connection, as in Go. */
function timestampOf(text: string, top: Spans): number | bigint {
  const header = top.get("header");
  if (header === undefined || text[header.start] !== "{") return 0;
  const span = members(text, header.start).get("timestamp");
  if (span === undefined) return 0;
  const literal = text.slice(span.start, span.end);
  if (literal === "null") return 0;
  if (!/^-?\d+$/.test(literal)) throw bad("timestamp must be a whole number of milliseconds", literal);
  const near = Number(literal);
  if (Number.isSafeInteger(near)) return near;
  const exact = BigInt(literal);
  if (BigInt.asIntN(64, exact) !== exact) throw bad("timestamp must fit into 64 bits", literal);
  return exact;
}

function contentOf(text: string, top: Spans): Uint8Array {
  const span = top.get("content");
  if (span === undefined) return nothing;
  const literal = text.slice(span.start, span.end);
  return literal === "null" ? nothing : toUtf8.encode(literal);
}

// ── where the members of an object stand in the text, which JSON.parse has found well formed ─────────────

type Spans = Map<string, { start: number; end: number }>;

/** Key in lower case → place of its value; the last of several wins, as in Go. */
function members(text: string, from: number): Spans {
  const found: Spans = new Map();
  let at = skipSpace(text, from) + 1;
  for (;;) {
    at = skipSpace(text, at);
    if (text[at] !== '"') return found;
    const keyEnd = skipString(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    found.set(key.toLowerCase(), { start, end });
    at = skipSpace(text, end) + 1;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
  return at;
}

/** Behind the value that begins at or after `from`; only brackets and strings are looked at. */
function skipValue(text: string, from: number): number {
  let at = skipSpace(text, from);
  const first = text[at];
  if (first === '"') return skipString(text, at);
  if (first !== "{" && first !== "[") {
    while (at < text.length && !/[\s,}\]]/.test(text[at] as string)) at++;
    return at;
  }
  let depth = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = skipString(text, at);
      continue;
    }
    at++;
    if (code === 0x7b || code === 0x5b) depth++;
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at;
  }
  return at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    at += code === 0x5c ? 2 : 1;
  }
  return at;
}
