import { HubError } from "../protocol/index.ts";

/**
 * How transport messages lie on a stream that has no borders of its own (docs/transports.md §2). Each frame begins with
 * four bytes, big endian: its kind in the upper four bits, and a number in the others. Pure.
 *
 * ```
 *   kind  number                    followed by
 *   0     bytes of a part           a part of a message; more of it follows
 *   1     bytes of a part           the last part of a message
 *   2     bytes the peer may send   nothing: credit
 *   3     bytes of JSON             the client's request
 *   4     bytes of JSON             the server's answer
 *   5     bytes of text             `E_CODE: text`: the sender ends the connection
 *   6–8   bytes                     a word of the handshake: hello, challenge, proof
 * ```
 */
export type StreamFrame =
  | { readonly kind: "part"; readonly bytes: Uint8Array; readonly last: boolean }
  | { readonly kind: "credit"; readonly bytes: number }
  | { readonly kind: Word; readonly bytes: Uint8Array };
/** What a frame of its own says. The last three: protocol/handshake.ts, where TLS does not say who the client is. */
export type Word = "request" | "answer" | "bye" | "hello" | "challenge" | "proof";

/** Bytes before what a frame carries; they count against the credit too. */
export const headerBytes = 4;
/** The longest that a frame carries: with its header 16 KiB. */
export const maxFrameBytes = (16 << 10) - headerBytes;

const kinds = ["part", "part", "credit", "request", "answer", "bye", "hello", "challenge", "proof"] as const;
const largestNumber = (1 << 28) - 1;

/** Writes the first bytes of a frame at `at`. */
export function writeHeader(into: Buffer, at: number, kind: number, number: number): number {
  return into.writeUInt32BE(kind * 0x1000_0000 + Math.min(number, largestNumber), at);
}

export function partKind(last: boolean): number {
  return last ? 1 : 0;
}

export const creditKind = 2;

/** A frame of its own. */
export function encodeFrame(kind: Word, content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as string).subarray(0, maxFrameBytes);
  const frame = Buffer.allocUnsafe(headerBytes + bytes.length);
  writeHeader(frame, 0, kinds.indexOf(kind), bytes.length);
  frame.set(bytes, headerBytes);
  return frame;
}

/** Cuts a stream into frames. What it holds back is less than one frame. */
export class StreamFrameReader {
  readonly #most: number;
  #rest: Buffer | undefined;

  /** @param most Cut off no more frames at a time; the others stay here. */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  /** What has been pushed and not been returned. */
  takeRest(): Uint8Array | undefined {
    const rest = this.#rest;
    this.#rest = undefined;
    return rest;
  }

  /** @returns The frames that are complete now. Throws `E_BAD_FRAME`. */
  push(chunk: Uint8Array): StreamFrame[] {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#rest) bytes = Buffer.concat([this.#rest, bytes]);
    const frames: StreamFrame[] = [];
    let at = 0;
    while (bytes.length - at >= headerBytes && frames.length < this.#most) {
      const word = bytes.readUInt32BE(at);
      const kind = kinds[word >>> 28];
      const number = word & largestNumber;
      if (kind === undefined)
        throw new HubError("E_BAD_FRAME", `a frame of kind ${word >>> 28} on the stream; there is none`);
      if (kind === "credit") {
        frames.push({ kind, bytes: number });
        at += headerBytes;
        continue;
      }
      if (number > maxFrameBytes)
        throw new HubError("E_BAD_FRAME", `a frame of ${number} bytes; the longest has ${maxFrameBytes}`);
      const end = at + headerBytes + number;
      if (end > bytes.length) break;
      const content = bytes.subarray(at + headerBytes, end);
      frames.push(
        kind === "part"
          ? { kind, bytes: content, last: word >>> 28 === partKind(true) }
          : { kind, bytes: content },
      );
      at = end;
    }
    // A copy: the chunk's memory belongs to whoever brought it.
    this.#rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
    return frames;
  }
}

/** Puts the parts of a message together, up to a limit. */
export class PartCollector {
  readonly #maxBytes: number;
  #held: Buffer | undefined;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns The message, if this part was its last. Throws `E_TOO_LARGE` before it holds more than the limit. */
  add(part: Uint8Array, last: boolean): Uint8Array | undefined {
    const length = this.#length + part.length;
    if (length > this.#maxBytes)
      throw new HubError("E_TOO_LARGE", `a message of more than ${this.#maxBytes} bytes`);
    if (last && this.#length === 0) return part;
    if (this.#held === undefined || this.#held.length < length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(Math.max(2 * length, maxFrameBytes), this.#maxBytes));
      if (this.#held) this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    this.#held.set(part, this.#length);
    this.#length = length;
    if (!last) return undefined;
    const message = this.#held.subarray(0, length);
    this.#held = undefined;
    this.#length = 0;
    return message;
  }
}
