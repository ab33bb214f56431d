/** What a side of a native link can do to keep messages small; the other side is told in the hello. */

/** Names a way to compress, dictionary included. Raw deflate, window 32 KiB, with `kubernetesDictionary`. */
export const deflateFeature = "deflate.1";
/** Says that its speaker takes deltas: see `Delta` in message.proto. */
export const deltaFeature = "delta.1";

/** Compresses and inflates whole runs of bytes; from `platform/`. */
export interface Compression {
  deflate(bytes: Uint8Array): Uint8Array;
  /** Never makes more than `length` bytes. Throws for what is damaged, or makes more. */
  inflate(bytes: Uint8Array, length: number): Uint8Array;
}

/** Tells contents apart: eight bytes that change with any change of theirs; from `platform/`. */
export type Digest = (content: Uint8Array) => Uint8Array;

/** The content of one version of a resource: JSON text. */
export interface HeldContent {
  readonly version: string;
  readonly content: Uint8Array;
}

/** What a sender knows its peer to hold, because it has acked it. Bounded: what is missing here is sent in full. */
export interface HeldContents {
  get(resource: string): HeldContent | undefined;
  /** @param content Stays the caller's. */
  put(resource: string, version: string, content: Uint8Array): void;
  forget(resource: string): void;
}

/** What a codec is given beyond the dialect. All of it is optional; without it messages are as large as they are. */
export interface ShortForms {
  readonly compression?: Compression | undefined;
  readonly deltas?:
    | {
        readonly digest: Digest;
        /** Of a sender: what the peer holds. */
        readonly held?: HeldContents;
        /** Of a receiver: what is stored of a resource, if it is of the peer's store. */
        readonly stored?: (resource: string, origin: string) => HeldContent | undefined;
      }
    | undefined;
}

/** Smaller packed messages are sent as they are: compressing them takes longer than it saves. */
export const leastCompressed = 512;
/** Larger ones too: compressing them would hold other links up. */
export const mostCompressed = 256 << 10;
/** A delta is mostly words that the dictionary has. */
export const leastCompressedDelta = 64;
/** Smaller contents are sent whole. */
export const leastDelta = 512;
/** Larger ones too: comparing them would hold other links up. */
export const mostDelta = 256 << 10;

/**
 * So large a package may be when it is inflated: bytes that come cheap must not cost the receiver dear. A sender that
 * can do better than that sends the package as it is.
 */
export function mostInflated(compressedBytes: number): number {
  return Math.min(4_096 + 64 * compressedBytes, 1 << 20);
}
