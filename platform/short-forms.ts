import { hash } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { type Compression, type Digest, kubernetesDictionary } from "../protocol/index.ts";

/** Higher levels take three times as long for a twentieth less: docs/decisions/0012-deflate-and-deltas.md. */
const level = 3;
/** zlib takes no smaller pieces for its output. */
const leastPiece = 64;

/** The compression of `deflate.1`, at once: its input is short, and handing it to another thread takes longer. */
export const deflate: Compression = {
  deflate: (bytes) => deflateRawSync(bytes, { level, dictionary: kubernetesDictionary }),
  inflate: (bytes, length) =>
    inflateRawSync(bytes, {
      dictionary: kubernetesDictionary,
      maxOutputLength: Math.max(length, 1),
      chunkSize: Math.max(length, leastPiece),
    }),
};

/** The digest of `delta.1`: the first eight bytes of the SHA-256. */
export const contentDigest: Digest = (content) => hash("sha256", content, "buffer").subarray(0, 8);
