import { HubError } from "./errors.ts";
import { VarintReader, writeVarint } from "./varint.ts";

/**
 * A patch makes one run of bytes out of another: copies of stretches of the base, and bytes of its own.
 *
 * ```
 * step    = head, what it needs            head = 2 × length + (0: copy, 1: insert); length ≥ 1
 * copy    : offset                         zigzag, from the end of the copy before it (0 at first)
 * insert  : length bytes
 * ```
 *
 * All numbers are varints. The format is described in docs/protocol.md.
 */

/** Equal stretches are looked for in blocks of so many bytes. */
const block = 16;

/** The steps that make `target` out of `base`; not always the fewest. Takes time in proportion to both. */
export function makePatch(base: Uint8Array, target: Uint8Array): Uint8Array {
  const patch = new PatchWriter(target);
  const shorter = Math.min(base.length, target.length);
  let head = 0;
  while (head < shorter && base[head] === target[head]) head++;
  let tail = 0;
  while (tail < shorter - head && base[base.length - 1 - tail] === target[target.length - 1 - tail]) tail++;
  patch.copy(0, head);
  const inBase = { from: head, to: base.length - tail };
  const inTarget = { from: head, to: target.length - tail };
  matchBlocks({ bytes: base, ...inBase }, { bytes: target, ...inTarget }, patch);
  patch.insertUpTo(inTarget.to);
  patch.copy(base.length - tail, tail);
  return patch.finish();
}

interface Span {
  readonly from: number;
  readonly to: number;
}

interface Stretch extends Span {
  readonly bytes: Uint8Array;
}

function matchBlocks(base: Stretch, target: Stretch, patch: PatchWriter): void {
  if (base.to - base.from < block || target.to - target.from < block) return;
  const blocks = indexOf(base);
  let at = target.from;
  while (at + block <= target.to) {
    const found = (blocks[hashAt(target.bytes, at) & (blocks.length - 1)] as number) - 1;
    if (found < 0 || !sameBlock(base.bytes, found, target.bytes, at)) {
      at++;
      continue;
    }
    let start = found;
    while (start > base.from && at > patch.written && base.bytes[start - 1] === target.bytes[at - 1]) {
      start--;
      at--;
    }
    const most = Math.min(base.to - start, target.to - at);
    let length = block;
    while (length < most && base.bytes[start + length] === target.bytes[at + length]) length++;
    patch.insertUpTo(at);
    patch.copy(start, length);
    at += length;
  }
}

/** Where a block with a hash stands in the base, plus one; of several with one hash the first. */
function indexOf({ bytes, from, to }: Stretch): Int32Array {
  const count = Math.floor((to - from) / block);
  const blocks = new Int32Array(2 ** Math.ceil(Math.log2(2 * count + 2)));
  for (let at = from; at + block <= to; at += block) {
    const slot = hashAt(bytes, at) & (blocks.length - 1);
    if (blocks[slot] === 0) blocks[slot] = at + 1;
  }
  return blocks;
}

function hashAt(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let i = at; i < at + block; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash ^ (hash >>> 15);
}

function sameBlock(a: Uint8Array, atA: number, b: Uint8Array, atB: number): boolean {
  for (let i = 0; i < block; i++) if (a[atA + i] !== b[atB + i]) return false;
  return true;
}

class PatchWriter {
  readonly #target: Uint8Array;
  readonly #out: number[] = [];
  /** So much of the target is written. */
  written = 0;
  #copiedTo = 0;

  constructor(target: Uint8Array) {
    this.#target = target;
  }

  copy(from: number, length: number): void {
    if (length === 0) return;
    writeVarint(2 * length, this.#out);
    const offset = from - this.#copiedTo;
    writeVarint(offset < 0 ? -2 * offset - 1 : 2 * offset, this.#out);
    this.#copiedTo = from + length;
    this.written += length;
  }

  insertUpTo(end: number): void {
    if (end === this.written) return;
    writeVarint(2 * (end - this.written) + 1, this.#out);
    for (; this.written < end; this.written++) this.#out.push(this.#target[this.written] as number);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#out);
  }
}

/**
 * What the patch makes of the base.
 *
 * @param length Of the result; the caller has checked it against its limit.
 * @returns `undefined`: the patch is of another base, it copies what this one does not have.
 * Throws `E_BAD_FRAME` for what is no patch of that length, whatever the base.
 */
export function applyPatch(
  base: Uint8Array | undefined,
  patch: Uint8Array,
  length: number,
): Uint8Array | undefined {
  const fits = walk(patch, length, base?.length ?? 0);
  if (base === undefined || !fits) return undefined;
  const result = new Uint8Array(length);
  walk(patch, length, base.length, (source, { from, to }, at) =>
    result.set((source === "patch" ? patch : base).subarray(from, to), at),
  );
  return result;
}

/** Goes through all steps. @returns Whether all copies are inside the base. */
function walk(
  patch: Uint8Array,
  length: number,
  baseLength: number,
  step?: (source: "base" | "patch", span: Span, at: number) => void,
): boolean {
  const reader = new VarintReader(patch);
  let written = 0;
  let copiedTo = 0;
  let fits = true;
  while (!reader.atEnd) {
    const head = reader.next();
    const size = Math.floor(head / 2);
    if (size === 0 || written + size > length) throw notOfThatLength();
    if (head % 2 === 1) {
      const from = reader.position;
      reader.position += size;
      if (reader.position > patch.length) throw new HubError("E_BAD_FRAME", "a patch ends within a step");
      step?.("patch", { from, to: from + size }, written);
    } else {
      const offset = reader.next();
      const from = copiedTo + (offset % 2 === 1 ? -(offset + 1) / 2 : offset / 2);
      copiedTo = from + size;
      fits &&= from >= 0 && copiedTo <= baseLength;
      if (fits) step?.("base", { from, to: copiedTo }, written);
    }
    written += size;
  }
  if (written !== length) throw notOfThatLength();
  return fits;
}

function notOfThatLength(): HubError {
  return new HubError("E_BAD_FRAME", "a patch makes more or less than it says");
}
