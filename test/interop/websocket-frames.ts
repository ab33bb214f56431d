import { randomBytes } from "node:crypto";

/** WebSocket frames as bytes (RFC 6455 §5), for tests that send what no well-behaved library would. */

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly opcode: number;
  /** False: more fragments of the message follow. */
  readonly fin: boolean;
  readonly isMasked: boolean;
  readonly payload: Buffer;
}

/** The bytes of one frame. */
export function frameBytes({ opcode, fin, isMasked, payload }: Frame): Buffer {
  const first = (fin ? 0x80 : 0) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const head = Buffer.alloc(payload.length < 126 ? 2 : payload.length < 65_536 ? 4 : 10);
  head[0] = first;
  if (head.length === 2) head[1] = mask | payload.length;
  else if (head.length === 4) {
    head[1] = mask | 126;
    head.writeUInt16BE(payload.length, 2);
  } else {
    head[1] = mask | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  if (!isMasked) return Buffer.concat([head, payload]);
  const key = randomBytes(4);
  return Buffer.concat([head, key, masked(payload, key)]);
}

/** Masks or unmasks a payload. */
export function masked(payload: Buffer, key: Uint8Array): Buffer {
  const result = Buffer.allocUnsafe(payload.length);
  for (let i = 0; i < payload.length; i++) result[i] = (payload[i] as number) ^ (key[i & 3] as number);
  return result;
}

/** Usable bytes of the write buffers of Go's WebSocket library, as KubeEdge sets them. */
const clientBuffer = 4096;
const serverBuffer = 4082;

/**
 * One text message in the frames in which Go writes it. The edge cuts it into pieces of its buffer; the cloud too,
 * but sends what is larger than two buffers as one unfinished frame and an empty one. Source: wire protocol §2.5.
 */
export function framesAsGo(payload: Buffer, side: "edge" | "cloud"): Frame[] {
  const isMasked = side === "edge";
  const size = isMasked ? clientBuffer : serverBuffer;
  const pieces =
    !isMasked && payload.length > 2 * clientBuffer ? [payload, Buffer.alloc(0)] : cut(payload, size);
  return pieces.map((piece, i) => ({
    opcode: i === 0 ? opcodes.text : opcodes.continuation,
    fin: i === pieces.length - 1,
    isMasked,
    payload: piece,
  }));
}

function cut(payload: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < payload.length || at === 0; at += size) pieces.push(payload.subarray(at, at + size));
  return pieces;
}

/** Reads frames out of a stream of bytes. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Uint8Array): Frame[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    const bytes = this.#rest;
    const [first = 0, second = 0] = bytes;
    const short = second & 0x7f;
    const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
    const isMasked = (second & 0x80) !== 0;
    const start = 2 + lengthBytes + (isMasked ? 4 : 0);
    if (bytes.length < start) return undefined;
    const length =
      lengthBytes === 8
        ? Number(bytes.readBigUInt64BE(2))
        : lengthBytes === 2
          ? bytes.readUInt16BE(2)
          : short;
    if (bytes.length < start + length) return undefined;
    this.#rest = bytes.subarray(start + length);
    const payload = bytes.subarray(start, start + length);
    return {
      opcode: first & 0x0f,
      fin: (first & 0x80) !== 0,
      isMasked,
      payload: isMasked ? masked(payload, bytes.subarray(start - 4, start)) : payload,
    };
  }
}
