import { HubError } from "./errors.ts";
import { type Unpacked, unpack } from "./packed-codec.ts";
import { applyPatch } from "./patch.ts";
import { readCompressed, readDelta } from "./short-codec.ts";
import { deflateFeature, deltaFeature, mostInflated, type ShortForms } from "./short-forms.ts";

/** The receiving half of the short forms on one link. Trusts nothing: neither lengths nor what a delta makes. */
export class ShortReceiver {
  readonly #forms: ShortForms;
  readonly #maxMessageBytes: number;
  /** The peer's store, whose versions its deltas name. */
  #origin: string | undefined;

  constructor(forms: ShortForms, maxMessageBytes: number) {
    this.#forms = forms;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** What the peer may be told that this side can read. */
  get features(): string[] {
    const { compression, deltas } = this.#forms;
    return [...(compression ? [deflateFeature] : []), ...(deltas?.stored ? [deltaFeature] : [])];
  }

  /** False: this side has not said that it inflates. It does not look at the flag then, as no viaduct peer does. */
  get inflates(): boolean {
    return this.#forms.compression !== undefined;
  }

  greeted(origin: string): void {
    this.#origin = origin;
  }

  /** The message of a compressed package. Throws `E_BAD_FRAME`, `E_TOO_LARGE`: before anything is inflated, if it can. */
  inflate(payload: Uint8Array): Unpacked {
    const { compression } = this.#forms;
    if (compression === undefined) throw new HubError("E_BAD_FRAME", "this side does not inflate");
    const { length, deflated, link } = readCompressed(payload);
    const most = Math.min(mostInflated(deflated.length), this.#maxMessageBytes);
    if (length > most) {
      const text = `${deflated.length} compressed bytes may hold at most ${most}, these are said to hold ${length}`;
      throw new HubError("E_TOO_LARGE", text);
    }
    return { ...unpack(inflated(compression, deflated, length)), link };
  }

  /**
   * The content that a delta makes.
   *
   * Throws `E_BAD_FRAME` for what is no delta, or was not asked for, which costs the link; a delta that does not fit
   * what is stored costs the message only: that is returned.
   */
  content(resource: string, bytes: Uint8Array): Uint8Array | HubError {
    const { deltas } = this.#forms;
    if (deltas?.stored === undefined)
      throw new HubError("E_BAD_FRAME", "this side has not said that it takes deltas");
    const delta = readDelta(bytes);
    if (delta.length > this.#maxMessageBytes) {
      const text = `a content may have at most ${this.#maxMessageBytes} bytes, this delta makes ${delta.length}`;
      throw new HubError("E_TOO_LARGE", text);
    }
    const stored = this.#origin === undefined ? undefined : deltas.stored(resource, this.#origin);
    const base = stored?.version === delta.base ? stored : undefined;
    const content = applyPatch(base?.content, delta.patch, delta.length);
    if (content !== undefined && isEqual(deltas.digest(content), delta.digest)) return content;
    const has = stored === undefined ? "nothing of that store" : `version ${stored.version}`;
    const what = base === undefined ? `this side has ${has}` : "the result is another than meant";
    return new HubError("E_DELTA_MISMATCH", `${resource}: a delta against version ${delta.base}; ${what}`);
  }
}

function inflated(
  compression: NonNullable<ShortForms["compression"]>,
  deflated: Uint8Array,
  length: number,
): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = compression.inflate(deflated, length);
  } catch (cause) {
    throw new HubError(
      "E_BAD_FRAME",
      `cannot be inflated: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    );
  }
  if (bytes.length === length) return bytes;
  throw new HubError("E_BAD_FRAME", `${bytes.length} bytes were inflated where ${length} were announced`);
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
