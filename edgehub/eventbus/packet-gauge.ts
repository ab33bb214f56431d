/** CONNECT with its will, and PUBLISH. */
const carriers: ReadonlySet<number> = new Set([1, 3]);
/** Of the other packets: as many subscriptions as a client may have, of usual length. */
const maxControlBytes = 128 << 10;

/**
 * Follows a stream of MQTT packets by their lengths alone, so that an oversized one is noticed at its first bytes
 * and never buffered. Source: MQTT 3.1.1 §2.2.
 */
export class PacketGauge {
  readonly #maxBytes: number;
  /** Bytes of the current packet that are still to come; 0: a header is next. */
  #left = 0;
  /** Bytes of the header read so far. */
  #header = 0;
  #length = 0;
  #most = 0;

  /** @param maxBytes Of a packet with a payload, behind its fixed header. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns False if a packet in it is too large, or has a length that cannot be. */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, chunk.length - at);
        this.#left -= step;
        at += step;
      } else if (!this.#readHeader(chunk[at++] as number)) return false;
    }
    return true;
  }

  /** The packet's type, then its length: seven bits a byte, the lowest first, at most four bytes. */
  #readHeader(byte: number): boolean {
    if (this.#header === 0) {
      this.#header = 1;
      this.#length = 0;
      this.#most = carriers.has(byte >> 4) ? this.#maxBytes : Math.min(this.#maxBytes, maxControlBytes);
      return true;
    }
    this.#length += (byte & 0x7f) * 128 ** (this.#header - 1);
    const isLast = byte < 0x80;
    if (this.#length > this.#most || (!isLast && this.#header === 4)) return false;
    this.#header = isLast ? 0 : this.#header + 1;
    if (isLast) this.#left = this.#length;
    return true;
  }
}
