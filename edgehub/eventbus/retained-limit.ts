const maxTopics = 10_000;
const maxBytes = 32 << 20;

/** How much the internal broker keeps of retained messages, which nothing else limits. */
export class RetainedLimit {
  /** Topic → bytes. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  /** @param payloadBytes An empty payload ends the retention. @returns False if it must not be kept. */
  admit(topic: string, payloadBytes: number): boolean {
    const before = this.#sizes.get(topic);
    const size = payloadBytes === 0 ? 0 : payloadBytes + topic.length;
    const bytes = this.#bytes - (before ?? 0) + size;
    if (size > 0 && (bytes > maxBytes || (before === undefined && this.#sizes.size >= maxTopics)))
      return false;
    if (size > 0) this.#sizes.set(topic, size);
    else this.#sizes.delete(topic);
    this.#bytes = bytes;
    return true;
  }
}
