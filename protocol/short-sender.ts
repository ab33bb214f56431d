import type { ErrorCode } from "./errors.ts";
import type { Hello, StoredMessage } from "./frame.ts";
import { type LinkFields, packageOf, type Unpacked, unpack } from "./packed-codec.ts";
import { makePatch } from "./patch.ts";
import { compressedPackage, packDelta } from "./short-codec.ts";
import {
  deflateFeature,
  deltaFeature,
  leastCompressed,
  leastCompressedDelta,
  leastDelta,
  mostCompressed,
  mostDelta,
  mostInflated,
  type ShortForms,
} from "./short-forms.ts";

/** A message as it goes over this link. */
interface Form {
  readonly isDelta: boolean;
  /** Of the message, if `bytes` are compressed. */
  readonly inflated: number | undefined;
  readonly bytes: Uint8Array;
}

/** A delta that saves less than this share is not worth its risk of being sent again in full. */
const worthwhile = 0.75;

/**
 * The sending half of the short forms on one link: picks the smallest form that the peer can read, once for each
 * message, and knows what the peer holds.
 */
export class ShortSender {
  readonly #forms: ShortForms;
  /** Messages in flight whose form is another than the stored one; there once it is needed. */
  #chosen: Map<number, Form> | undefined;
  #deflates = false;
  #deltas = false;
  /** A longer message stays as it is, so that who sends it sees that the peer does not take it. */
  #mostCompressed = mostCompressed;

  constructor(forms: ShortForms) {
    this.#forms = forms;
  }

  /** The peer has said what it can read. */
  greeted({ features = [], maxMessageBytes }: Hello): void {
    this.#deflates = this.#forms.compression !== undefined && features.includes(deflateFeature);
    this.#deltas = this.#forms.deltas?.held !== undefined && features.includes(deltaFeature);
    if (maxMessageBytes > 0) this.#mostCompressed = Math.min(mostCompressed, maxMessageBytes);
  }

  package(item: StoredMessage, link: LinkFields): Uint8Array {
    const chosen = this.#chosen?.get(item.position) ?? this.#choose(item);
    return chosen === undefined ? packageOf(item.packed, link) : packageIn(chosen, link);
  }

  /** The package of a message that is sent once and for all. */
  once(packed: Uint8Array, link: LinkFields): Uint8Array {
    return packageIn(this.#compressed(packed, leastCompressed) ?? plain(packed), link);
  }

  /** The peer has it, and will know it when a delta names it. */
  acked(item: StoredMessage): void {
    this.#chosen?.delete(item.position);
    const held = this.#deltas ? this.#forms.deltas?.held : undefined;
    if (held === undefined || item.kind !== "state") return;
    const { content } = this.#deltaReady(item)?.wire ?? {};
    if (content === undefined || item.version === undefined) held.forget(item.key);
    else held.put(item.key, item.version, content);
  }

  /** @returns True: only its form was refused. It may go again at once, and goes in full. */
  refused(item: StoredMessage, code: ErrorCode): boolean {
    const chosen = this.#chosen?.get(item.position);
    this.#chosen?.delete(item.position);
    if (code !== "E_DELTA_MISMATCH" || !chosen?.isDelta) return false;
    this.#forms.deltas?.held?.forget(item.key);
    return true;
  }

  forget(position: number): void {
    this.#chosen?.delete(position);
  }

  #choose(item: StoredMessage): Form | undefined {
    const form = this.#delta(item) ?? this.#compressed(item.packed, leastCompressed);
    if (form === undefined) return undefined;
    this.#chosen ??= new Map();
    this.#chosen.set(item.position, form);
    return form;
  }

  #delta(item: StoredMessage): Form | undefined {
    const { deltas } = this.#forms;
    const base = this.#deltas && item.packed.length >= leastDelta ? deltas?.held?.get(item.key) : undefined;
    const message = base && this.#deltaReady(item);
    if (deltas === undefined || base === undefined || message === undefined) return undefined;
    const { content } = message.wire;
    const patch = makePatch(base.content, content);
    if (patch.length > worthwhile * content.length) return undefined;
    const digest = deltas.digest(content);
    const packed = packDelta(message, { base: base.version, digest, length: content.length, patch });
    return { ...(this.#compressed(packed, leastCompressedDelta) ?? plain(packed)), isDelta: true };
  }

  /** The message, if the receiver keeps its content as it is: an object that MetaManager stores. */
  #deltaReady(item: StoredMessage): Unpacked | undefined {
    const { packed } = item;
    if (item.kind !== "state" || item.deleted || packed.length < leastDelta || packed.length > mostDelta)
      return undefined;
    const message = unpack(packed);
    const { group, operation, resourceVersion } = message.wire;
    const isObject = (group === "resource" || group === "func") && message.contentKind === "json";
    const isPut = operation === "insert" || operation === "update";
    return isObject && isPut && resourceVersion !== "" ? message : undefined;
  }

  #compressed(packed: Uint8Array, least: number): Form | undefined {
    const { compression } = this.#forms;
    if (!this.#deflates || compression === undefined) return undefined;
    if (packed.length < least || packed.length > this.#mostCompressed) return undefined;
    const bytes = compression.deflate(packed);
    const isSmaller = bytes.length + compressedOverhead < packed.length;
    if (!isSmaller || packed.length > mostInflated(bytes.length)) return undefined;
    return { isDelta: false, inflated: packed.length, bytes };
  }
}

/** What a compressed message has around it that another has not. */
const compressedOverhead = 10;

function plain(bytes: Uint8Array): Form {
  return { isDelta: false, inflated: undefined, bytes };
}

function packageIn({ bytes, inflated }: Form, link: LinkFields): Uint8Array {
  return inflated === undefined ? packageOf(bytes, link) : compressedPackage(bytes, inflated, link);
}
