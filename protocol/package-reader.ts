import { HubError } from "./errors.ts";
import { compressedFlag, packageHeaderLength } from "./packed-codec.ts";

export interface Package {
  readonly type: number;
  /** viaduct's flag: the payload is compressed. */
  readonly compressed: boolean;
  readonly payload: Uint8Array;
}

/** Neighbours that are no longer than this together are held as one: a piece takes room beside its bytes. */
const joinedBytes = 256;

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

  /** In how many pieces they are held; {@link joinedBytes} bounds that. */
  get pieces(): number {
    return this.#chunks?.length ?? 0;
  }

  /** Throws `E_TOO_LARGE` as soon as a header announces more than the limit. */
  push(chunk: Uint8Array): Package[] {
    this.#hold(chunk);
    if (this.#held < this.#needed) return [];
    const chunks = this.#chunks ?? [];
    const bytes = chunks.length === 1 ? (chunks[0] as Uint8Array) : joined(chunks, this.#held);
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

  #hold(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks ??= [];
    const last = this.#chunks.at(-1);
    this.#held += chunk.length;
    if (last === undefined || last.length + chunk.length > joinedBytes) this.#chunks.push(chunk);
    else this.#chunks[this.#chunks.length - 1] = joined([last, chunk], last.length + chunk.length);
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
