import {
  BucketDigest,
  bucketsFor,
  digestBytes,
  type Frame,
  type HeldVersion,
  heldParts,
  readBucketList,
} from "../protocol/index.ts";

/** What of the node's store is told to the hub. */
export interface HeldSource {
  /** How many of a hub's resources the node has, with their versions. */
  countHeld(origin: string): number;
  held(origin: string): Iterable<HeldVersion>;
}

/** Tells a hub what this node has of it: the digest first, and what lies in the buckets that differ. */
export class Resumption {
  /** Of the store that numbered the versions. */
  readonly origin: string;
  readonly #source: HeldSource;
  readonly #count: number;

  /** @param origin The hub's store. */
  constructor(source: HeldSource, origin: string) {
    this.#source = source;
    this.origin = origin;
    this.#count = bucketsFor(source.countHeld(origin));
  }

  /** As the body of a digest. */
  digest(): Uint8Array {
    const digest = new BucketDigest(this.#count);
    for (const { resource, version } of this.#source.held(this.origin)) digest.add(resource, version);
    return digestBytes(digest.buckets);
  }

  /** Throws `E_BAD_MESSAGE` for buckets that there are not. */
  *answer({ body }: Extract<Frame, { type: "differs" }>): Generator<Extract<Frame, { type: "held" }>> {
    const wanted = readBucketList(body, this.#count);
    for (const part of heldParts(this.#source.held(this.origin), wanted, this.#count))
      yield { type: "held", body: part };
  }
}
