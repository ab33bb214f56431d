import { ApiError } from "../../kubernetes/index.ts";
import { type MessageFields, messages } from "./protobuf-messages.ts";

/**
 * Bodies in Kubernetes' protobuf, which kubectl and Go clients send for some kinds without asking. Only kinds whose
 * fields are all known are read; others are refused, so that nothing is lost unseen. Pure. Source: runtime.Unknown.
 */

const magic = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const maxDepth = 32;

/** Throws `UnsupportedMediaType` for kinds that are not read, `BadRequest` for what is no protobuf. */
export function readProtobuf(body: Uint8Array): Record<string, unknown> {
  if (!magic.equals(body.subarray(0, 4))) throw malformed();
  let [apiVersion, kind] = ["", ""];
  let raw: Uint8Array = new Uint8Array();
  for (const { field, bytes } of fieldsOf(body.subarray(4))) {
    if (bytes === undefined) continue;
    if (field === 2) raw = bytes;
    if (field !== 1) continue;
    for (const of of fieldsOf(bytes)) {
      if (of.field === 1 && of.bytes) apiVersion = textOf(of.bytes);
      if (of.field === 2 && of.bytes) kind = textOf(of.bytes);
    }
  }
  const fields = Object.hasOwn(messages, kind) ? messages[kind] : undefined;
  if (fields === undefined) throw unknownKind(kind);
  return { apiVersion, kind, ...messageOf(raw, fields, { kind, depth: 0 }) };
}

interface Place {
  readonly kind: string;
  readonly depth: number;
}

interface WireField {
  readonly field: number;
  /** Of a number. */
  readonly value: bigint;
  /** Of everything else. */
  readonly bytes: Uint8Array | undefined;
}

function messageOf(bytes: Uint8Array, fields: MessageFields, place: Place): Record<string, unknown> {
  if (place.depth > maxDepth) throw malformed();
  const message: Record<string, unknown> = {};
  for (const wire of fieldsOf(bytes)) {
    const known = fields[wire.field];
    if (known === undefined) {
      // An empty message says nothing.
      if (wire.bytes?.length === 0) continue;
      throw unknownKind(place.kind);
    }
    const [name, type] = known;
    add(message, name, { type, value: readValue(wire, type.replace(/^(list|map) /, ""), place), wire });
  }
  return message;
}

function add(
  message: Record<string, unknown>,
  name: string,
  { type, value, wire }: { type: string; value: unknown; wire: WireField },
): void {
  if (type.startsWith("list ")) {
    const list = (message[name] ?? []) as unknown[];
    list.push(value);
    message[name] = list;
  } else if (type.startsWith("map ")) {
    const map = (message[name] ?? {}) as Record<string, unknown>;
    const [key, inner] = entryOf(wire.bytes ?? new Uint8Array(), type.slice(4));
    if (key !== "__proto__") map[key] = inner;
    message[name] = map;
  } else if (value !== undefined && value !== "") message[name] = value;
}

function entryOf(bytes: Uint8Array, type: string): [key: string, value: unknown] {
  let [key, value]: [string, unknown] = ["", type === "text" ? "" : undefined];
  for (const wire of fieldsOf(bytes)) {
    if (wire.field === 1) key = textOf(wire.bytes ?? new Uint8Array());
    if (wire.field === 2) value = readValue(wire, type, { kind: "map", depth: maxDepth - 4 });
  }
  return [key, value ?? ""];
}

function readValue({ value, bytes }: WireField, type: string, { kind, depth }: Place): unknown {
  switch (type) {
    case "number":
      return value === 0n ? undefined : Number(BigInt.asIntN(64, value));
    case "given number":
      return Number(BigInt.asIntN(64, value));
    case "flag":
      return value === 0n ? undefined : true;
    case "given flag":
      return value !== 0n;
    default:
  }
  if (bytes === undefined) throw malformed();
  switch (type) {
    case "text":
      return textOf(bytes);
    case "bytes":
      return Buffer.from(bytes).toString("base64");
    case "time": {
      const seconds = fieldsOf(bytes).find(({ field }) => field === 1)?.value;
      return seconds === undefined
        ? undefined
        : new Date(Number(seconds) * 1_000).toISOString().replace(".000", "");
    }
    default: {
      const fields = messages[type];
      if (fields === undefined) throw unknownKind(kind);
      return messageOf(bytes, fields, { kind, depth: depth + 1 });
    }
  }
}

function fieldsOf(bytes: Uint8Array): WireField[] {
  const found: WireField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag, afterTag] = varint(bytes, at);
    const field = Number(tag >> 3n);
    const [value, afterValue] = varint(bytes, afterTag);
    switch (Number(tag & 7n)) {
      case 0:
        found.push({ field, value, bytes: undefined });
        at = afterValue;
        break;
      case 2:
        at = afterValue + Number(value);
        if (at > bytes.length) throw malformed();
        found.push({ field, value: 0n, bytes: bytes.subarray(afterValue, at) });
        break;
      default:
        throw malformed();
    }
  }
  return found;
}

function varint(bytes: Uint8Array, from: number): [value: bigint, next: number] {
  let value = 0n;
  for (let at = from; at < from + 10; at++) {
    const byte = bytes[at];
    if (byte === undefined) throw malformed();
    value |= BigInt(byte & 0x7f) << BigInt((at - from) * 7);
    if (byte < 0x80) return [value, at + 1];
  }
  throw malformed();
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

function malformed(): ApiError {
  return new ApiError("BadRequest", "the body of the request is no Kubernetes protobuf");
}

function unknownKind(kind: string): ApiError {
  const name = /^\w{1,80}$/.test(kind) ? kind : "of this kind";
  const text = `objects ${name} are not read in protobuf here - accepted media types include: application/json, application/yaml`;
  return new ApiError("UnsupportedMediaType", text);
}
