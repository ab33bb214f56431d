import { HubError } from "./errors.ts";
import { compressedFlag, packageHeaderLength } from "./packed-codec.ts";

export interface Package {
  readonly type: number;
  /** viaduct's flag: the payload is compressed. */
  readonly compressed: boolean;
  readonly payload: Uint8Array;
}

/** Cuts a stream of packages, fed in any chunks; holds back at most one incomplete package. */
export class PackageReader {
  readonly #maxPayload: number;
  /** `undefined`: nothing is held, as on most links most of the time. */
  #chunks: Uint8Array[] | undefined;
  #held = 0;
  /** Bytes needed before anything can be read. */
  #needed = packageHeaderLength;

  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload;
  }

  /** Bytes of an incomplete package. */
  get held(): number {
    return this.#held;
  }

  /** Throws `E_TOO_LARGE` as soon as a header announces more than the limit. */
  push(chunk: Uint8Array): Package[] {
    this.#held += chunk.length;
    this.#chunks?.push(chunk);
    if (this.#held < this.#needed) {
      if (chunk.length > 0) this.#chunks ??= [chunk];
      return [];
    }
    const bytes = this.#chunks === undefined ? chunk : joined(this.#chunks, this.#held);
    const found: Package[] = [];
    let at = 0;
    this.#needed = packageHeaderLength;
    while (bytes.length - at >= packageHeaderLength) {
      const length = this.#payloadLength(bytes, at);
      const end = at + packageHeaderLength + length;
      if (end > bytes.length) {
        this.#needed = end - at;
        break;
      }
      found.push({
        type: bytes[at + 4] as number,
        compressed: ((bytes[at + 5] as number) & compressedFlag) !== 0,
        payload: bytes.subarray(at + packageHeaderLength, end),
      });
      at = end;
    }
    this.#chunks = at === bytes.length ? undefined : [bytes.subarray(at)];
    this.#held = bytes.length - at;
    return found;
  }

  #payloadLength(bytes: Uint8Array, at: number): number {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at + 6, 4).getUint32(0);
    if (length > this.#maxPayload) {
      throw new HubError(
        "E_TOO_LARGE",
        `a package may have at most ${this.#maxPayload} bytes, this one has ${length}`,
      );
    }
    return length;
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
