import protobuf from "protobufjs/minimal.js";
import type { ControlFrame, Received } from "./codec.ts";
import { type ErrorCode, HubError, isErrorCode } from "./errors.ts";
import type { Frame, Hello, Receipt, Refusal } from "./frame.ts";
import {
  endOf,
  newPackage,
  packageHeaderLength,
  packageTypeControl,
  readable,
  requireEnd,
  writeString,
} from "./packed-codec.ts";
import { parseVersion } from "./version.ts";

/** The control packages of dialect `native`: everything but messages. See message.proto for the bytes. */
const { Reader, Writer } = protobuf;
type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

// ── writing ──────────────────────────────────────────────────────────────────────────────────────────────

/** The package with acks of these. */
export function encodeAcks(received: readonly Received[], receipts: readonly Receipt[]): Uint8Array {
  return controlPackage(2, (out) => writeAck(received, receipts, out));
}

export function encodeNack(position: number, refusal: Refusal): Uint8Array {
  return controlPackage(3, (out) => writeNack(position, refusal, out));
}

function controlPackage(field: number, write: (out: Writer) => void): Uint8Array {
  const out = Writer.create();
  out.uint32((field << 3) | 2).fork();
  write(out);
  const payload = out.ldelim().finish();
  const bytes = newPackage(packageTypeControl, payload.length);
  bytes.set(payload, packageHeaderLength);
  return bytes;
}

export function encodeControl(frame: ControlFrame): Uint8Array {
  switch (frame.type) {
    case "hello":
      return controlPackage(1, (out) => writeHello(frame.hello, out));
    case "ping":
      return controlPackage(4, () => {});
    case "bye":
      return controlPackage(5, (out) => {
        writeString(1, frame.code, out);
        writeString(2, frame.text, out);
      });
    case "call":
      return controlPackage(6, (out) => {
        out.uint32(8).uint64(frame.call);
        writeString(2, frame.method, out);
        out.uint32(26).bytes(frame.body);
      });
    case "reply":
      return controlPackage(7, (out) => {
        out.uint32(8).uint64(frame.call).uint32(18).bytes(frame.body);
        if (frame.error === undefined) return;
        writeString(3, frame.error.code, out);
        writeString(4, frame.error.text, out);
        out.uint32(40).bool(frame.error.retryable);
      });
    case "digest":
    case "differs":
    case "held":
      return controlPackage(resumeFields[frame.type], (out) => out.uint32(10).bytes(frame.body));
  }
}

/** Where a node's word about what it has stands in a control package. */
const resumeFields = { digest: 12, differs: 13, held: 14 } as const;

function writeHello(hello: Hello, out: Writer): void {
  writeString(1, hello.software, out);
  writeString(2, hello.storeId, out);
  out.uint32(24).uint32(hello.windowMessages).uint32(32).uint64(hello.windowBytes);
  out.uint32(40).uint64(hello.maxMessageBytes).uint32(48).uint64(hello.wallTime);
  for (const feature of hello.features ?? []) writeString(7, feature, out);
  if (hello.resumes) out.uint32(64).bool(true);
  if (hello.held === undefined) return;
  writeString(9, hello.held.storeId, out);
  out.uint32(82).bytes(hello.held.digest);
}

/**
 * Runs of neighbouring positions: acks mostly come in order, so a whole window is one run. A repeated
 * message may have been taken twice; it is named once.
 */
function writeAck(received: readonly Received[], receipts: readonly Receipt[], out: Writer): void {
  const positions = [...new Set(received.map((one) => one.position))].sort((a, b) => a - b);
  out.uint32(10).fork();
  let end = 0;
  for (let i = 0; i < positions.length; ) {
    const start = positions[i] as number;
    let next = i + 1;
    while (next < positions.length && positions[next] === start + next - i) next++;
    out.uint64(start - end).uint32(next - i);
    end = start + next - i;
    i = next;
  }
  out.ldelim();
  for (const receipt of receipts) {
    out.uint32(18).fork().uint32(8).uint64(receipt.position);
    if (receipt.stale) out.uint32(16).bool(true);
    writeString(3, receipt.version ?? "", out);
    out.ldelim();
  }
}

function writeNack(position: number, refusal: Refusal, out: Writer): void {
  out.uint32(8).uint64(position);
  writeString(2, refusal.code, out);
  writeString(3, refusal.text, out);
  if (refusal.retryable) out.uint32(32).bool(true);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────

/** A field of a flat sub-message: number, text or bytes by its wire type. */
type Field = number | Uint8Array;

/** Throws `E_BAD_FRAME`. */
export function readControl(payload: Uint8Array): Frame {
  try {
    const reader = Reader.create(payload);
    const tag = reader.tag();
    if ((tag & 7) !== 2) throw new HubError("E_BAD_FRAME", "a control package must hold one message");
    const end = endOf(reader, reader.uint32());
    return controlFrame(tag >>> 3, reader, end);
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    throw new HubError(
      "E_BAD_FRAME",
      `not a control package: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
}

function controlFrame(field: number, reader: Reader, end: number): Frame {
  if (field === 2) return readAck(reader, end);
  if (field === 4) return { type: "ping" };
  const features: Uint8Array[] = [];
  const fields = readFields(reader, end, field === 1 ? { field: 7, values: features } : undefined);
  const number = (at: number): number =>
    typeof fields.get(at) === "number" ? (fields.get(at) as number) : 0;
  const bytes = (at: number): Uint8Array =>
    fields.get(at) instanceof Uint8Array ? (fields.get(at) as Uint8Array) : empty;
  const text = (at: number): string => utf8.decode(bytes(at));
  switch (field) {
    case 1:
      return { type: "hello", hello: { ...greeting({ number, bytes, text }), ...known(features) } };
    case 3:
      return {
        type: "nack",
        position: number(1),
        code: codeOf(text(2)),
        text: text(3),
        retryable: number(4) !== 0,
      };
    case 5:
      return { type: "bye", code: codeOf(text(1)), text: text(2) };
    case 6:
      return { type: "call", call: number(1), method: text(2), body: bytes(3) };
    case 7: {
      const code = text(3);
      const error =
        code === "" ? undefined : { code: codeOf(code), text: text(4), retryable: number(5) !== 0 };
      return { type: "reply", call: number(1), body: bytes(2), error };
    }
    case resumeFields.digest:
      return { type: "digest", body: bytes(1) };
    case resumeFields.differs:
      return { type: "differs", body: bytes(1) };
    case resumeFields.held:
      return { type: "held", body: bytes(1) };
    default:
      throw new HubError("E_BAD_FRAME", `unknown control message ${field}`);
  }
}

interface Fields {
  number(at: number): number;
  bytes(at: number): Uint8Array;
  text(at: number): string;
}

function greeting({ number, bytes, text }: Fields): Hello {
  const digest = bytes(10);
  return {
    software: text(1),
    storeId: text(2),
    windowMessages: number(3),
    windowBytes: number(4),
    maxMessageBytes: number(5),
    wallTime: number(6),
    ...(number(8) !== 0 && { resumes: true }),
    ...(digest.length > 0 && { held: { storeId: text(9), digest } }),
  };
}

function known(features: readonly Uint8Array[]): Pick<Hello, "features"> {
  return features.length > 0 ? { features: features.map((feature) => utf8.decode(feature)) } : {};
}

const empty = new Uint8Array(0);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function codeOf(text: string): ErrorCode {
  return isErrorCode(text) ? text : "E_INTERNAL";
}

/** What a peer can have learned until now, and more. */
const maxRepeated = 64;

/** @param repeated A field of which all values are wanted, and where they go. */
function readFields(
  reader: Reader,
  end: number,
  repeated?: { readonly field: number; readonly values: Uint8Array[] },
): Map<number, Field> {
  const fields = new Map<number, Field>();
  while (reader.pos < end) {
    const tag = reader.tag();
    const field = tag >>> 3;
    if ((tag & 7) === 0 && field > 0) fields.set(field, Number(readable(reader.uint64())));
    else if ((tag & 7) === 2 && field > 0) {
      const value = reader.bytes();
      fields.set(field, value);
      if (field === repeated?.field && repeated.values.length < maxRepeated) repeated.values.push(value);
    } else reader.skipType(tag & 7, 0, field);
  }
  requireEnd(reader, end);
  return fields;
}

/** So many messages the acks of one chunk may name: more than any window. */
export const maxAcked = 131_072;

export function tooManyAcked(): HubError {
  return new HubError("E_BAD_FRAME", "an ack names too many messages");
}

function readAck(reader: Reader, end: number): Frame {
  const positions: number[] = [];
  const receipts: Receipt[] = [];
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === 10) readRuns(reader, endOf(reader, reader.uint32()), positions);
    else if (tag === 18) receipts.push(readReceipt(reader, endOf(reader, reader.uint32())));
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  requireEnd(reader, end);
  return { type: "ack", positions, receipts };
}

function readRuns(reader: Reader, end: number, positions: number[]): void {
  let at = 0;
  while (reader.pos < end) {
    at += Number(readable(reader.uint64()));
    const length = reader.uint32();
    if (positions.length + length > maxAcked) throw tooManyAcked();
    for (let i = 0; i < length; i++) positions.push(at++);
  }
  requireEnd(reader, end);
}

function readReceipt(reader: Reader, end: number): Receipt {
  const fields = readFields(reader, end);
  const version = fields.get(3);
  return {
    position: Number(fields.get(1) ?? 0),
    stale: fields.get(2) === 1,
    version: version instanceof Uint8Array ? parseVersion(utf8.decode(version)) : undefined,
  };
}
