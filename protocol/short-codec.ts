import protobuf from "protobufjs/minimal.js";
import { HubError } from "./errors.ts";
import {
  compressedFlag,
  endOf,
  type LinkFields,
  packageOf,
  packWire,
  readable,
  requireEnd,
  type Unpacked,
  usableDelivery,
  writeString,
} from "./packed-codec.ts";

/** The short forms of a message package: compressed, and as a delta. See message.proto for the bytes. */
const { Reader, Writer } = protobuf;

const nothing = new Uint8Array(0);

/** A package of type 1 with a compressed message. @param length Of the message. */
export function compressedPackage(deflated: Uint8Array, length: number, link: LinkFields): Uint8Array {
  const body = Writer.create()
    .uint32(40 << 3)
    .uint32(length)
    .uint32((41 << 3) | 2)
    .bytes(deflated)
    .finish();
  return packageOf(body, link, compressedFlag);
}

export interface CompressedMessage {
  readonly length: number;
  readonly deflated: Uint8Array;
  readonly link: { readonly position: number; readonly resume: boolean; readonly node: string };
}

/** Throws `E_BAD_FRAME`. */
export function readCompressed(payload: Uint8Array): CompressedMessage {
  return readBytes("a compressed message", () => {
    const reader = Reader.create(payload);
    const link = { position: 0, resume: false, node: "" };
    let length = 0;
    let deflated: Uint8Array = nothing;
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      if (tag === 30 << 3) link.position = Number(readable(reader.uint64()));
      else if (tag === ((31 << 3) | 2)) link.node = reader.stringVerify();
      else if (tag === 32 << 3) link.resume = reader.bool();
      else if (tag === 40 << 3) length = reader.uint32();
      else if (tag === ((41 << 3) | 2)) deflated = reader.bytes();
      else reader.skipType(tag & 7, 0, tag >>> 3);
    }
    return { length, deflated, link };
  });
}

/** In place of a content: what makes it out of the one with version `base`. */
export interface Delta {
  readonly base: string;
  readonly digest: Uint8Array;
  readonly length: number;
  readonly patch: Uint8Array;
}

type Writable = { -readonly [Field in keyof Delta]: Delta[Field] };

/** A message of state without its content, with a delta instead. */
export function packDelta({ wire, delivery }: Unpacked, delta: Delta): Uint8Array {
  const packed = packWire(wire, { kind: "json", bytes: nothing }, usableDelivery(delivery));
  const out = Writer.create()
    .uint32((20 << 3) | 2)
    .fork();
  writeString(1, delta.base, out);
  out
    .uint32((2 << 3) | 2)
    .bytes(delta.digest)
    .uint32(3 << 3)
    .uint32(delta.length);
  out.uint32((4 << 3) | 2).bytes(delta.patch);
  const field = out.ldelim().finish();
  const all = new Uint8Array(packed.length + field.length);
  all.set(packed);
  all.set(field, packed.length);
  return all;
}

/** Throws `E_BAD_FRAME`. */
export function readDelta(bytes: Uint8Array): Delta {
  return readBytes("a delta", () => {
    const reader = Reader.create(bytes);
    const end = endOf(reader, bytes.length);
    const delta: Writable = { base: "", digest: nothing, length: 0, patch: nothing };
    while (reader.pos < end) {
      const tag = reader.tag();
      if (tag === ((1 << 3) | 2)) delta.base = reader.stringVerify();
      else if (tag === ((2 << 3) | 2)) delta.digest = reader.bytes();
      else if (tag === 3 << 3) delta.length = reader.uint32();
      else if (tag === ((4 << 3) | 2)) delta.patch = reader.bytes();
      else reader.skipType(tag & 7, 0, tag >>> 3);
    }
    requireEnd(reader, end);
    return delta;
  });
}

function readBytes<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof HubError) throw cause;
    throw new HubError("E_BAD_FRAME", `not ${what}: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}
