import { HubError } from "./errors.ts";
import { parseVersion, type ResourceVersion } from "./version.ts";

/**
 * How two sides find out cheaply where they differ over what a node has. Each puts its resources into the same buckets
 * by a hash of the path, and keeps of a bucket one hash of all that is in it; only what lies in buckets that differ is
 * named. No secret depends on the hash: a node that lies about it harms itself. Source: docs/delivery.md §5.
 */

/** Buckets of a {@link BucketDigest}, at most. */
const maxBuckets = 1_024;
/** So many resources share a bucket, about: those are named when one of them differs. */
const perBucket = 16;
/** A part of the list is about so long: acks and other messages go in between. */
const partBytes = 32 << 10;

/** A resource and the version a node has of it. */
export interface HeldVersion {
  readonly resource: string;
  readonly version: ResourceVersion;
}

/** Two numbers of 32 bits for each bucket, one behind the other. Their count is a power of two. */
export type Buckets = Uint32Array;

/** How many buckets a node with so many resources uses. */
export function bucketsFor(resources: number): number {
  let buckets = 1;
  while (buckets < maxBuckets && buckets * perBucket < resources) buckets *= 2;
  return buckets;
}

/** What a set of resources looks like. The order in which they are added makes no difference. */
export class BucketDigest {
  readonly buckets: Buckets;
  readonly #mask: number;

  /** @param count A power of two. */
  constructor(count: number) {
    this.buckets = new Uint32Array(2 * count);
    this.#mask = count - 1;
  }

  add(resource: string, version: string): void {
    const path = hashOf(resource, seeds);
    const bucket = path[0] & this.#mask;
    const [first, second] = hashOf(version, path);
    this.buckets[2 * bucket] = (this.buckets[2 * bucket] as number) ^ first;
    this.buckets[2 * bucket + 1] = (this.buckets[2 * bucket + 1] as number) ^ second;
  }
}

/** Which bucket of so many a resource is in. */
export function bucketOf(resource: string, count: number): number {
  return hashOf(resource, seeds)[0] & (count - 1);
}

/** Numbers of the buckets that are not the same. Both have as many. */
export function differing(a: Buckets, b: Buckets): number[] {
  const found: number[] = [];
  for (let bucket = 0; 2 * bucket < a.length; bucket++)
    if (a[2 * bucket] !== b[2 * bucket] || a[2 * bucket + 1] !== b[2 * bucket + 1]) found.push(bucket);
  return found;
}

// ── the hash ─────────────────────────────────────────────────────────────────────────────────────────────

type Pair = readonly [number, number];
const seeds: Pair = [0x3c6ef372, 0xa54ff53a];

/** Two multiplicative hashes of a text side by side, each mixed with the other at the end. */
function hashOf(text: string, from: Pair): Pair {
  let [a, b] = from;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x85ebca6b);
  }
  const mixedA = Math.imul(a ^ (a >>> 15), 0x2c1b3c6d) ^ Math.imul(b ^ (b >>> 13), 0x297a2d39);
  const mixedB = Math.imul(b ^ (b >>> 16), 0x7feb352d) ^ Math.imul(mixedA ^ (mixedA >>> 14), 0x846ca68b);
  return [(mixedA ^ (mixedA >>> 16)) >>> 0, (mixedB ^ (mixedB >>> 15)) >>> 0];
}

// ── the bytes ────────────────────────────────────────────────────────────────────────────────────────────

/** Buckets as bytes: each number little endian. */
export function digestBytes(buckets: Buckets): Uint8Array {
  const bytes = new Uint8Array(4 * buckets.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of buckets.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

/** Throws `E_BAD_MESSAGE` unless it is a power of two of buckets, 1,024 at most. */
export function readDigest(bytes: Uint8Array): Buckets {
  const count = bytes.length / 8;
  if (count < 1 || count > maxBuckets || !Number.isInteger(Math.log2(count)))
    throw bad(`a digest of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: 2 * count }, (_, i) => view.getUint32(4 * i, true));
}

/** Numbers of buckets as bytes: two each, little endian. */
export function bucketListBytes(buckets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * buckets.length);
  const view = new DataView(bytes.buffer);
  for (const [i, bucket] of buckets.entries()) view.setUint16(2 * i, bucket, true);
  return bytes;
}

/** Throws `E_BAD_MESSAGE` for anything but different buckets that there are. */
export function readBucketList(bytes: Uint8Array, count: number): number[] {
  if (bytes.length % 2 !== 0 || bytes.length > 2 * count)
    throw bad(`a list of buckets of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const buckets = Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true));
  if (new Set(buckets).size < buckets.length || buckets.some((one) => one >= count))
    throw bad("a list of buckets that names one twice, or one that there is not");
  return buckets;
}

/** All of what a node has in some buckets: how many of these, their numbers, then a line for each resource. */
export interface HeldPart {
  readonly buckets: readonly number[];
  readonly held: readonly HeldVersion[];
}

/**
 * What a node has in these buckets, in parts of whole buckets.
 *
 * @param held What it has, also in others.
 */
export function* heldParts(
  held: Iterable<HeldVersion>,
  wanted: readonly number[],
  count: number,
): Generator<Uint8Array> {
  const lines = new Map<number, string[]>(wanted.map((bucket) => [bucket, []]));
  for (const { resource, version } of held)
    lines.get(bucketOf(resource, count))?.push(`${resource} ${version}\n`);
  let buckets: number[] = [];
  let text = "";
  for (const [bucket, own] of lines) {
    buckets.push(bucket);
    text += own.join("");
    if (text.length < partBytes) continue;
    yield partBytesOf(buckets, text);
    buckets = [];
    text = "";
  }
  if (buckets.length > 0) yield partBytesOf(buckets, text);
}

function partBytesOf(buckets: readonly number[], text: string): Uint8Array {
  const lines = new TextEncoder().encode(text);
  const head = bucketListBytes([buckets.length, ...buckets]);
  const bytes = new Uint8Array(head.length + lines.length);
  bytes.set(head);
  bytes.set(lines, head.length);
  return bytes;
}

/**
 * Reads a part. Throws `E_BAD_MESSAGE` if it names no bucket or others than `awaited`, a resource twice or in a bucket where it
 * does not belong, or more than `maxHeld`.
 */
export function readHeldPart(
  bytes: Uint8Array,
  { awaited, count, maxHeld }: { awaited: ReadonlySet<number>; count: number; maxHeld: number },
): HeldPart {
  if (bytes.length < 2) throw bad("an empty list of resources");
  const size = new DataView(bytes.buffer, bytes.byteOffset, 2).getUint16(0, true);
  const buckets = readBucketList(bytes.subarray(2, 2 + 2 * size), count);
  if (size === 0 || buckets.length !== size || buckets.some((one) => !awaited.has(one)))
    throw bad("a list of buckets that nobody asked for");
  const own = new Set(buckets);
  const seen = new Set<string>();
  const lines = new TextDecoder().decode(bytes.subarray(2 + 2 * size)).split("\n");
  if (lines.pop() !== "") throw bad("a list of resources that does not end");
  if (lines.length > maxHeld) throw bad(`more than ${maxHeld} resources`);
  const held = lines.map((line) => {
    const end = line.lastIndexOf(" ");
    const resource = line.slice(0, Math.max(end, 0));
    const version = parseVersion(line.slice(end + 1));
    if (resource === "" || resource.length > 1_024 || version === undefined)
      throw bad("a resource that cannot be read");
    if (seen.has(resource) || !own.has(bucketOf(resource, count)))
      throw bad("a resource where it does not belong");
    seen.add(resource);
    return { resource, version };
  });
  return { buckets, held };
}

function bad(what: string): HubError {
  return new HubError("E_BAD_MESSAGE", `${what} from a node that says what it has`);
}
