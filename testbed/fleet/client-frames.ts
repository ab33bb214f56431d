/** WebSocket frames as a client writes and reads them, for peers that must cost less than a library. RFC 6455 §5.2. */

export const opcodes = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A client's frame; its mask is zero, which is a mask. */
export function clientFrame(payload: Buffer, opcode: number = opcodes.binary): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = 0x80 | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  return Buffer.concat([head, payload]);
}

/** Cuts what a server sends into the payloads of its frames, which it does not fragment. */
export class FrameReader {
  #rest: Buffer | undefined;

  /** @param frame Told of each whole frame; the payload is good until it returns. */
  push(chunk: Buffer, frame: (payload: Buffer, opcode: number) => void): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      const span = spanAt(bytes, at);
      if (span === undefined) break;
      frame(bytes.subarray(span.start, span.end), (bytes[at] as number) & 0x0f);
      at = span.end;
    }
    this.#rest = at === bytes.length ? undefined : bytes.subarray(at);
  }
}

/** Where the payload of the frame lies that begins here; `undefined`: not all of it is there. */
function spanAt(bytes: Buffer, at: number): { start: number; end: number } | undefined {
  if (bytes.length < at + 2) return undefined;
  const short = (bytes[at + 1] as number) & 0x7f;
  const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
  if (bytes.length < start) return undefined;
  const length =
    short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
  return bytes.length < start + length ? undefined : { start, end: start + length };
}
