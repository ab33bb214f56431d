import { hash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type Compression, type Digest, kubernetesDictionary } from "../protocol/index.ts";

/**
 * The best level costs short messages next to nothing, and long ones four times the time of the fastest. Short ones also
 * do with a third of the memory: a window for the dictionary and themselves.
 */
const shortBytes = 4 << 10;
const forShort = { level: 6, windowBits: 14, memLevel: 6, dictionary: kubernetesDictionary };
const forLong = { level: 1, dictionary: kubernetesDictionary };
/** zlib takes no smaller pieces for its output. */
const leastPiece = 64;

/** The compression of `deflate.1`, at once: its input is short, and handing it to another thread takes longer. */
export const deflate: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, bytes.length <= shortBytes ? forShort : forLong),
  inflate: (bytes, length) =>
    inflateRawSync(bytes, {
      dictionary: kubernetesDictionary,
      maxOutputLength: Math.max(length, 1),
      chunkSize: Math.max(length, leastPiece),
    }),
};

/** The digest of `delta.1`: the first eight bytes of the SHA-256. */
export const contentDigest: Digest = (content) => hash("sha256", content, "buffer").subarray(0, 8);
