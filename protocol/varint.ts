/** Unsigned numbers as protobuf writes them, seven bits a byte, for the formats that are ours alone. */
import { HubError } from "./errors.ts";

/** The longest number read: five bytes, 35 bits. */
const maxLength = 5;

/** Appends a number below 2^35. */
export function writeVarint(value: number, out: number[]): void {
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
}

/** Reads numbers from bytes. Throws `E_BAD_FRAME` where there is none. */
export class VarintReader {
  readonly #bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.position >= this.#bytes.length;
  }

  next(): number {
    let value = 0;
    for (let i = 0, weight = 1; i < maxLength; i++, weight *= 0x80) {
      const byte = this.#bytes[this.position++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) return value;
    }
    throw new HubError("E_BAD_FRAME", "a number in a patch does not end");
  }
}
