import protobuf from "protobufjs/minimal.js";
import { type Delivery, event, numberedState, state, volatile } from "./delivery.ts";
import { HubError } from "./errors.ts";
import type { Message, NodeId } from "./message.ts";
import { fromWire, toWire, type WireMessage } from "./wire-message.ts";

/**
 * viaduct's packed form of a message, and ours on top of it: a ten-byte package header, then the protobuf
 * message of `message.proto`. Source: KubeEdge viaduct packer and translator.
 */
const { Reader, Writer } = protobuf;
type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

export const packageHeaderLength = 10;
export const packageTypeMessage = 1;
export const packageTypeControl = 4;
/** Of the header's flags: the payload is compressed. */
export const compressedFlag = 0x80;

/** Field number and wire type as one number, as protobuf writes it: 0 varint, 2 length-delimited. */
const varint = (field: number): number => field << 3;
const bytes = (field: number): number => (field << 3) | 2;
const firstLinkField = 30;

/** Content in packed form; `unknown` is what a viaduct peer writes: it does not say which kind its bytes are. */
export type PackedContent = { readonly kind: "unknown" | "json" | "string"; readonly bytes: Uint8Array };

const contentKinds = ["unknown", "json", "string"] as const;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const toUtf8 = new TextEncoder();
const nothing = new Uint8Array(0);

/**
 * Content as viaduct packs it: null is absent, a JSON string loses its quotes, the rest stays JSON text.
 * Throws `E_BAD_MESSAGE` for what begins like a string and is none.
 */
export function packContent(content: Uint8Array): PackedContent {
  if (content.length === 0 || isNull(content)) return { kind: "unknown", bytes: nothing };
  if (content[0] !== 0x22) return { kind: "json", bytes: content };
  try {
    const text: unknown = JSON.parse(utf8.decode(content));
    return { kind: "string", bytes: toUtf8.encode(String(text)) };
  } catch (cause) {
    throw new HubError("E_BAD_MESSAGE", "content is not JSON", { cause });
  }
}

/** The JSON text of packed content; bytes of unknown kind are taken as JSON if they are, else as text. */
export function unpackContent(content: PackedContent): Uint8Array {
  if (content.kind === "json") return content.bytes;
  if (content.kind === "string") return toUtf8.encode(JSON.stringify(utf8.decode(content.bytes)));
  if (content.bytes.length === 0) return content.bytes;
  const text = lenientUtf8.decode(content.bytes);
  try {
    JSON.parse(text);
    return content.bytes;
  } catch {
    return toUtf8.encode(JSON.stringify(text));
  }
}

/** What of a link is written behind a message, never stored with it. */
export interface LinkFields {
  readonly position: number;
  readonly resume: boolean;
  /** Only on links that carry messages of many nodes. */
  readonly node: NodeId | undefined;
}

/** Packs the message as it is stored: the protobuf message without the link's fields. */
export function packMessage(message: Message): Uint8Array {
  if (message.packed !== undefined) return message.packed;
  return packWire(toWire(message), packContent(message.content), message.delivery);
}

/** Exactly viaduct's protobuf bytes if `delivery` is undefined and the content's kind unknown. */
export function packWire(wire: WireMessage, content: PackedContent, delivery?: Delivery): Uint8Array {
  const out = Writer.create();
  writeMessageHeader(wire, out.uint32(bytes(1)).fork()).ldelim();
  writeRouter(wire, out.uint32(bytes(2)).fork()).ldelim();
  if (content.bytes.length > 0) out.uint32(bytes(3)).bytes(content.bytes);
  if (content.kind !== "unknown") out.uint32(varint(16)).uint32(contentKinds.indexOf(content.kind));
  if (delivery !== undefined) writeDelivery(delivery, out);
  return out.finish();
}

/** A whole package: header, stored message, link fields. @param flags Of the header. */
export function packageOf(packed: Uint8Array, { position, node, resume }: LinkFields, flags = 0): Uint8Array {
  // By hand: this is written for each message that is sent.
  const name = node === undefined ? undefined : toUtf8.encode(node);
  const positionLength = position === 0 ? 0 : 2 + varintLength(position);
  const nodeLength = name === undefined ? 0 : 2 + varintLength(name.length) + name.length;
  const length = packed.length + positionLength + nodeLength + (resume ? 3 : 0);
  const out = newPackage(packageTypeMessage, length, flags);
  out.set(packed, packageHeaderLength);
  let at = packageHeaderLength + packed.length;
  if (position !== 0) at = writeVarint(out, writeVarint(out, at, varint(30)), position);
  if (name !== undefined) {
    at = writeVarint(out, writeVarint(out, at, bytes(31)), name.length);
    out.set(name, at);
    at += name.length;
  }
  if (resume) writeVarint(out, writeVarint(out, at, varint(32)), 1);
  return out;
}

/** Bytes that a number of up to 53 bits takes as protobuf's varint. */
function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest /= 0x80) length++;
  return length;
}

/** @returns Where the next field begins. */
function writeVarint(out: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out[at++] = (rest % 0x80) | 0x80;
  out[at] = rest;
  return at + 1;
}

/** A package with its header written and room for the payload. */
export function newPackage(type: number, payloadLength: number, flags = 0): Uint8Array {
  const out = Writer.alloc(packageHeaderLength + payloadLength);
  out[0] = 1;
  out[1] = 1;
  out[2] = 1;
  out[3] = 0;
  out[4] = type;
  out[5] = flags;
  out[6] = payloadLength >>> 24;
  out[7] = (payloadLength >>> 16) & 0xff;
  out[8] = (payloadLength >>> 8) & 0xff;
  out[9] = payloadLength & 0xff;
  return out;
}

/** What the sender says of the delivery, unchecked: the fields of message.proto, 0 where it says nothing. */
export interface PackedDelivery {
  readonly kind: number;
  readonly priority: number;
  readonly ttlMs: number;
}

export interface Unpacked {
  readonly wire: WireMessage;
  readonly contentKind: PackedContent["kind"];
  readonly delivery: PackedDelivery;
  readonly link: { position: number; resume: boolean; node: string };
  /** The part without link fields; `undefined` if the sender did not write them last. */
  readonly packed: Uint8Array | undefined;
  /** In place of the content: what makes it out of an older version's, see short-codec.ts. */
  readonly delta: Uint8Array | undefined;
}

/**
 * Reads a protobuf message of package type 1.
 *
 * Throws `E_BAD_FRAME` for bytes that are no such message, for text that is not UTF-8, and where header or
 * router is missing (which a Go peer does not survive).
 */
export function unpack(payload: Uint8Array): Unpacked {
  try {
    return readMessage(payload);
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    throw new HubError(
      "E_BAD_FRAME",
      `not a packed message: ${cause instanceof Error ? cause.message : cause}`,
      {
        cause,
      },
    );
  }
}

/** The checked message of a stored packed form. Throws as {@link unpack} and `fromWire`. */
export function unpackMessage(packed: Uint8Array, node: NodeId): Message {
  const read = unpack(packed);
  return fromWire(read.wire, node, { delivery: usableDelivery(read.delivery), packed });
}

function isNull(content: Uint8Array): boolean {
  return (
    content.length === 4 &&
    content[0] === 0x6e &&
    content[1] === 0x75 &&
    content[2] === 0x6c &&
    content[3] === 0x6c
  );
}

function writeMessageHeader(wire: WireMessage, out: Writer): Writer {
  writeString(1, wire.id, out);
  writeString(2, wire.parentId, out);
  if (wire.timestamp !== 0 && wire.timestamp !== 0n) out.uint32(varint(3)).sint64(writable(wire.timestamp));
  if (wire.sync) out.uint32(varint(4)).bool(true);
  writeString(16, wire.resourceVersion, out);
  return out;
}

function writeRouter(wire: WireMessage, out: Writer): Writer {
  writeString(1, wire.source, out);
  writeString(2, wire.group, out);
  writeString(3, wire.operation, out);
  writeString(4, wire.resource, out);
  return out;
}

/**
 * A text field, left out if empty. Halves of surrogate pairs, which UTF-8 cannot carry, become U+FFFD, as in
 * Go; a reader would refuse them.
 */
export function writeString(field: number, text: string, out: Writer): void {
  if (text !== "") out.uint32(bytes(field)).string(text.toWellFormed());
}

function writeDelivery(delivery: Delivery, out: Writer): void {
  out.uint32(varint(17)).uint32(deliveryNumber(delivery));
  if (delivery.kind !== "event") return;
  if (delivery.priority !== 0) out.uint32(varint(18)).sint32(delivery.priority);
  if (delivery.ttlMs !== undefined) out.uint32(varint(19)).uint64(delivery.ttlMs);
}

/** protobufjs takes 64-bit numbers beyond 2^53 as two halves. */
function writable(value: number | bigint): number | protobuf.Long {
  if (typeof value === "number") return value;
  const low = Number(BigInt.asIntN(32, value));
  const high = Number(BigInt.asIntN(32, value >> 32n));
  return { low, high, unsigned: false } as protobuf.Long;
}

/**
 * A 64-bit number as a number, or as a bigint where a number cannot hold it. Takes only the halves of what protobufjs
 * reads: the arithmetic of the package `long` is WebAssembly, whose compiler is 4 MiB of an agent's memory.
 */
export function readable({ low, high, unsigned }: protobuf.Long): number | bigint {
  const top = unsigned ? high >>> 0 : high;
  const near = top * 2 ** 32 + (low >>> 0);
  return Number.isSafeInteger(near) ? near : (BigInt(top) << 32n) | BigInt(low >>> 0);
}

function readMessage(payload: Uint8Array): Unpacked {
  const reader = Reader.create(payload);
  let header: ReturnType<typeof readHeader> | undefined;
  let router: ReturnType<typeof readRouter> | undefined;
  let content: Uint8Array = nothing;
  let contentKind = 0;
  let delta: Uint8Array | undefined;
  const delivery = { kind: 0, priority: 0, ttlMs: 0 };
  const link = { position: 0, resume: false, node: "" };
  let storedEnd = -1;
  let linkFieldsLast = true;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.tag();
    if (tag >>> 3 >= firstLinkField && tag >>> 3 <= 32) {
      if (storedEnd < 0) storedEnd = start;
    } else if (storedEnd >= 0) {
      linkFieldsLast = false;
    }
    switch (tag) {
      case bytes(1):
        header = readHeader(reader, reader.uint32());
        break;
      case bytes(2):
        router = readRouter(reader, reader.uint32());
        break;
      case bytes(3):
        content = reader.bytes();
        break;
      case varint(16):
        contentKind = reader.uint32();
        break;
      case varint(17):
        delivery.kind = reader.uint32();
        break;
      case varint(18):
        delivery.priority = reader.sint32();
        break;
      case varint(19):
        delivery.ttlMs = Number(readable(reader.uint64()));
        break;
      case bytes(20):
        delta = reader.bytes();
        break;
      case varint(30):
        link.position = Number(readable(reader.uint64()));
        break;
      case bytes(31):
        link.node = reader.stringVerify();
        break;
      case varint(32):
        link.resume = reader.bool();
        break;
      default:
        reader.skipType(tag & 7, 0, tag >>> 3);
    }
  }
  if (header === undefined || router === undefined) {
    throw new HubError(
      "E_BAD_FRAME",
      `packed message without its ${header === undefined ? "header" : "router"}`,
    );
  }
  const kind = contentKinds[contentKind] ?? "unknown";
  const packed = !linkFieldsLast ? undefined : storedEnd < 0 ? payload : payload.subarray(0, storedEnd);
  return {
    wire: {
      ...header,
      ...router,
      type: "",
      destination: "",
      content: unpackContent({ kind, bytes: content }),
    },
    contentKind: kind,
    delivery,
    link,
    packed,
    delta,
  };
}

function readHeader(reader: Reader, length: number) {
  const end = endOf(reader, length);
  const header = { id: "", parentId: "", timestamp: 0 as number | bigint, sync: false, resourceVersion: "" };
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === bytes(1)) header.id = reader.stringVerify();
    else if (tag === bytes(2)) header.parentId = reader.stringVerify();
    else if (tag === varint(3)) header.timestamp = readable(reader.sint64());
    else if (tag === varint(4)) header.sync = reader.bool();
    else if (tag === bytes(16)) header.resourceVersion = reader.stringVerify();
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  requireEnd(reader, end);
  return header;
}

function readRouter(reader: Reader, length: number) {
  const end = endOf(reader, length);
  const router = { source: "", group: "", operation: "", resource: "" };
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === bytes(1)) router.source = reader.stringVerify();
    else if (tag === bytes(2)) router.group = reader.stringVerify();
    else if (tag === bytes(3)) router.operation = reader.stringVerify();
    else if (tag === bytes(4)) router.resource = reader.stringVerify();
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  requireEnd(reader, end);
  return router;
}

/** Where a sub-message ends. */
export function endOf(reader: Reader, length: number): number {
  const end = reader.pos + length;
  if (end > reader.len) throw new HubError("E_BAD_FRAME", "a sub-message ends behind its message");
  return end;
}

/** All of a sub-message has been read, and no more than that. */
export function requireEnd(reader: Reader, end: number): void {
  if (reader.pos !== end) throw new HubError("E_BAD_FRAME", "a field ends behind its message");
}

function deliveryNumber(delivery: Delivery): number {
  if (delivery.kind === "state") return delivery.numbered ? 4 : 1;
  return delivery.kind === "event" ? 2 : 3;
}

/**
 * What the sender said of the delivery; `undefined` if nothing, or a kind that only newer peers know.
 * Throws `E_BAD_MESSAGE` for a priority or time to live that cannot be used.
 */
export function usableDelivery({ kind, priority, ttlMs }: PackedDelivery): Delivery | undefined {
  if (kind === 1) return state;
  if (kind === 2) return event({ priority, ...(ttlMs > 0 ? { ttlMs } : {}) });
  if (kind === 3) return volatile;
  if (kind === 4) return numberedState;
  return undefined;
}
