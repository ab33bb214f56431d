import { HubError, shown } from "./errors.ts";
import type { WireMessage } from "./wire-message.ts";

/**
 * KubeEdge's WebSocket text: the JSON of one message, byte for byte as Go's encoder writes it, and read as
 * strictly or leniently as Go's decoder reads it. Source: KubeEdge `model.Message`, encoding/json.
 */

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
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
 * As in Go: unknown keys and anything behind the first value are ignored, keys match in any case, of several
 * values of a field the last one that is not null counts, invalid UTF-8 becomes U+FFFD, `{}` and `null` are an
 * empty message. The content's text is kept as it came, so that large numbers survive.
 *
 * Throws `E_BAD_FRAME` for anything a Go peer closes the connection for.
 */
export function readText(chunk: Uint8Array): WireMessage {
  const text = fromUtf8.decode(chunk);
  const start = skipSpace(text, 0);
  const end = text.startsWith("null", start) ? start + 4 : skipValue(text, start);
  requireJson(text.slice(0, end));
  const wire: Draft = { ...emptyMessage };
  if (text[start] === "{") readMembers(text, start, (key, literal) => topFields.get(key)?.(wire, literal));
  else if (text[start] !== "n") throw bad("a message must be a JSON object", text.slice(start, end));
  return wire;
}

type Draft = { -readonly [Field in keyof WireMessage]: WireMessage[Field] };
/** Reads the literal of one field, which `requireJson` has found well formed. */
type ReadField = (wire: Draft, literal: string) => void;
type TextField = Exclude<keyof WireMessage, "timestamp" | "sync" | "content">;

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

const headerFields: ReadonlyMap<string, ReadField> = new Map([
  textField("msg_id", "id"),
  textField("parent_msg_id", "parentId"),
  [
    "timestamp",
    (wire, literal) => {
      wire.timestamp = timestampOf(literal) ?? wire.timestamp;
    },
  ],
  textField("resourceversion", "resourceVersion"),
  [
    "sync",
    (wire, literal) => {
      wire.sync = flagOf(literal) ?? wire.sync;
    },
  ],
  textField("type", "type"),
]);

const routeFields: ReadonlyMap<string, ReadField> = new Map([
  textField("source", "source"),
  textField("destination", "destination"),
  textField("group", "group"),
  textField("operation", "operation"),
  textField("resource", "resource"),
]);

const topFields: ReadonlyMap<string, ReadField> = new Map([
  objectField("header", headerFields),
  objectField("route", routeFields),
  [
    "content",
    (wire, literal) => {
      wire.content = literal === "null" ? nothing : toUtf8.encode(literal);
    },
  ],
]);

function textField(key: string, field: TextField): [string, ReadField] {
  return [
    key,
    (wire, literal) => {
      if (literal === "null") return;
      if (literal[0] !== '"') throw bad(`${key} must be a string`, literal);
      wire[field] = stringOf(literal);
    },
  ];
}

function objectField(key: string, fields: ReadonlyMap<string, ReadField>): [string, ReadField] {
  return [
    key,
    (wire, literal) => {
      if (literal === "null") return;
      if (literal[0] !== "{") throw bad(`${key} must be an object`, literal);
      readMembers(literal, 0, (name, value) => fields.get(name)?.(wire, value));
    },
  ];
}

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

function bad(what: string, literal: string): HubError {
  return new HubError("E_BAD_FRAME", `${what}, got ${shown(literal.slice(0, 100))}`);
}

function requireJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new HubError(
      "E_BAD_FRAME",
      `a message must be JSON: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

/** The text of a string literal; halves of surrogate pairs become U+FFFD. */
function stringOf(literal: string): string {
  const text = literal.includes("\\") ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  return text.toWellFormed();
}

function flagOf(literal: string): boolean | undefined {
  if (literal === "null") return undefined;
  if (literal !== "true" && literal !== "false") throw bad("sync must be true or false", literal);
  return literal === "true";
}

/** Only a whole number in plain notation: 1.5, 1e3 and "1" cost the connection, as in Go. */
function timestampOf(literal: string): number | bigint | undefined {
  if (literal === "null") return undefined;
  if (!/^-?\d{1,19}$/.test(literal)) throw bad("timestamp must be a whole number of milliseconds", literal);
  const exact = BigInt(literal);
  if (BigInt.asIntN(64, exact) !== exact) throw bad("timestamp must fit into 64 bits", literal);
  const near = Number(exact);
  return Number.isSafeInteger(near) ? near : exact;
}

// ── walking a text that is known to be well formed ───────────────────────────────────────────────────────

/** Each member of the object that begins at `from`: its key in lower case, the text of its value. */
function readMembers(text: string, from: number, take: (key: string, literal: string) => void): void {
  let at = skipSpace(text, from + 1);
  while (text[at] === '"') {
    const keyEnd = skipString(text, at);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, start);
    take(stringOf(text.slice(at, keyEnd)).toLowerCase(), text.slice(start, end));
    at = skipSpace(text, skipSpace(text, end) + 1);
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
