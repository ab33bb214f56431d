/** So much is under way at once before anything is known of the path. */
export const firstWindowBytes = 64 << 10;
/** The most that is ever under way, and that a receiver holds for a peer that it does not listen to now. */
export const largestWindowBytes = 256 << 10;

/**
 * How many bytes may be under way: sent, and not yet taken by the peer's program. Twice what the path has been seen to
 * carry in one round trip, so that a fast path is filled and a thin one gets no long queue. Pure; `now` is monotonic ms.
 *
 * Invariant: `0 <= underWay`, and {@link firstWindowBytes} `<= bytes <=` {@link largestWindowBytes}.
 */
export class SendWindow {
  #bytes = firstWindowBytes;
  #sent = 0;
  #taken = 0;
  #takenAt = 0;
  /** The shortest round trip: from bytes into an empty path to the first credit after them. */
  #shortestMs = Number.POSITIVE_INFINITY;
  #probedAt: number | undefined;
  /** The round that is being measured: from the first byte after the last one, until that byte is taken. */
  #round: { readonly at: number; readonly upTo: number; readonly taken: number } | undefined;

  get bytes(): number {
    return this.#bytes;
  }

  get underWay(): number {
    return this.#sent - this.#taken;
  }

  get room(): number {
    return Math.max(0, this.#bytes - this.underWay);
  }

  sent(bytes: number, now: number): void {
    if (this.underWay === 0) {
      this.#takenAt = now;
      this.#probedAt = now;
    }
    this.#sent += bytes;
    this.#round ??= { at: now, upTo: this.#sent, taken: this.#taken };
  }

  /** The peer has taken so much more. @returns False: more than was sent; it lies. */
  taken(bytes: number, now: number): boolean {
    if (bytes === 0 || bytes > this.underWay) return false;
    this.#taken += bytes;
    this.#takenAt = now;
    if (this.#probedAt !== undefined)
      this.#shortestMs = Math.min(this.#shortestMs, Math.max(now - this.#probedAt, 0.1));
    this.#probedAt = undefined;
    const round = this.#round;
    if (round === undefined || this.#taken < round.upTo) return true;
    const tookMs = Math.max(now - round.at, 0.1);
    const carried = ((this.#taken - round.taken) * Math.min(this.#shortestMs, tookMs)) / tookMs;
    this.#bytes = Math.floor(Math.min(Math.max(2 * carried, firstWindowBytes), largestWindowBytes));
    this.#round = undefined;
    return true;
  }

  /**
   * How long the peer has owed an answer: it has more unanswered than it may keep to itself, and takes nothing.
   *
   * @returns 0 while it owes nothing.
   */
  stalledForMs(now: number): number {
    return this.underWay > firstWindowBytes / 2 ? now - this.#takenAt : 0;
  }
}
