export interface WindowControlOptions {
  /** Bytes in flight in any case. */
  readonly leastBytes: number;
  /** Bytes in flight before anything is known of the link. */
  readonly initialBytes: number;
}

/** Kept with a message in flight: how things stood when it was sent. Monotonic ms, bytes. */
export interface Departure {
  readonly sentAt: number;
  /** All that had been acked by then, and when the last of it was. */
  readonly delivered: number;
  readonly deliveredAt: number;
  /** Less was sent than the window allowed: it says nothing of how much the link can carry. */
  readonly limited: boolean;
  /** It was sent into an empty link, to learn how short the round trip is. */
  readonly probe: boolean;
}

/** What a link has shown that it can carry. */
export interface Learned {
  readonly bytes: number;
  /** False: there was no more to send, and it may carry more. */
  readonly isLimit: boolean;
}

/** In flight is twice what fits on the way: acks come in batches, and a link that grows faster is noticed. */
const gain = 2;
/** While the link is being measured: each round trip may bring twice as much. */
const startGain = 3;
/** Time the receiver may take for its commits, ms. */
const slackMs = 100;
/** The link is measured when so many rounds have not brought more by a quarter. */
const fullRounds = 3;
const growth = 1.25;
/** The greatest rate of the last so many round trips, and of so much time, counts. */
const rateRounds = 10;
const leastRateMs = 3_000;
/** So often the round trip is measured anew, with little in flight. */
const roundTripLastsMs = 60_000;
/** A transport message should take no longer than so, ms: behind it comes what is more urgent. */
const pieceMs = 100;
const leastPiece = 2 << 10;
const greatestPiece = 16 << 10;
const firstPiece = 4 << 10;

/**
 * How much may be in flight to a peer, so that its link stays full and its queues short: as much as the link has lately
 * delivered within its shortest round trip, twice over. Loss changes nothing by itself; only what is delivered counts.
 * Pure. Source: the model of BBR (draft-ietf-ccwg-bbr), for messages and their acks.
 */
export class WindowControl {
  readonly #options: WindowControlOptions;
  /** Bytes in flight at once over a path that was known before, until the first ack tells more. */
  #firstBytes = 0;
  #delivered = 0;
  #deliveredAt = 0;
  /** What is sent before so much is delivered was sent when there was no more to send. */
  #limitedUntil = 0;
  // The round trip.
  #roundTripMs = Number.POSITIVE_INFINITY;
  #roundTripAt = Number.NEGATIVE_INFINITY;
  #probing = false;
  // The rate, bytes per ms: the greatest of this period and of the one before.
  #rate = 0;
  #rateBefore = 0;
  #rateUntil = 0;
  // Acks that come together: bytes beyond what the rate explains, since acks last came as slowly as it says.
  #burstBytes = 0;
  #burstSince = 0;
  #extra = 0;
  #extraBefore = 0;
  // Until the link is measured. Known is a link whose window was full for a round trip.
  #measured = false;
  #known = false;
  #roundEnd = 0;
  #roundRate = 0;
  #roundsWithout = 0;

  constructor(options: WindowControlOptions) {
    this.#options = options;
  }

  /** Bytes that may be in flight now. */
  get windowBytes(): number {
    const { leastBytes, initialBytes } = this.#options;
    if (this.#roundTripMs === Number.POSITIVE_INFINITY) return Math.max(initialBytes, this.#firstBytes);
    if (this.#probing) return leastBytes;
    return Math.max(this.#fitting, this.#known ? leastBytes : initialBytes);
  }

  /** What the link has delivered within a round trip, and a little more. */
  get learned(): Learned {
    const isUnknown = this.#roundTripMs === Number.POSITIVE_INFINITY;
    const bytes = isUnknown ? 0 : growth * this.bytesPerMs * (this.#roundTripMs + slackMs);
    return { bytes, isLimit: this.#known };
  }

  get #fitting(): number {
    const share = this.#measured ? gain : startGain;
    const together = Math.max(this.#extra, this.#extraBefore);
    return this.bytesPerMs * (share * this.#roundTripMs + slackMs) + together;
  }

  /** The path was known before: so much may be in flight at once. To be said before anything is sent. */
  beginWith(bytes: number): void {
    this.#firstBytes = bytes;
  }

  /** Bytes of one transport message, about. */
  get pieceBytes(): number {
    if (this.#roundTripMs === Number.POSITIVE_INFINITY) return firstPiece;
    return Math.min(Math.max(Math.round(this.bytesPerMs * pieceMs), leastPiece), greatestPiece);
  }

  /** What the link is known to deliver. */
  get bytesPerMs(): number {
    return Math.max(this.#rate, this.#rateBefore);
  }

  /** The shortest round trip of late, with the receiver's work, ms; Infinity: not known yet. */
  get roundTripMs(): number {
    return this.#roundTripMs;
  }

  /** @param inFlight Bytes in flight before this message. */
  sent(now: number, inFlight: number): Departure {
    if (inFlight === 0) this.#deliveredAt = now;
    if (!this.#probing && now - this.#roundTripAt > roundTripLastsMs && this.#measured) this.#probing = true;
    return {
      sentAt: now,
      delivered: this.#delivered,
      deliveredAt: this.#deliveredAt,
      limited: this.#delivered < this.#limitedUntil,
      probe: this.#probing && inFlight < this.#options.leastBytes,
    };
  }

  /** There is nothing to send, or something else than this window keeps it back. */
  idle(inFlight: number): void {
    this.#limitedUntil = this.#delivered + inFlight + 1;
  }

  /** A message that was sent once has been acked. */
  acked(departure: Departure, bytes: number, now: number): void {
    this.#delivered += bytes;
    this.#deliveredAt = now;
    this.#learnRoundTrip(departure, now);
    this.#learnBursts(bytes, now);
    const ms = Math.max(now - departure.deliveredAt, this.#roundTripMs, 0.5);
    this.#learnRate((this.#delivered - departure.delivered) / ms, departure.limited, now);
    if (!this.#measured) this.#watchStart(departure);
  }

  #learnRoundTrip({ sentAt, probe }: Departure, now: number): void {
    const ms = Math.max(now - sentAt, 0.1);
    if (ms > this.#roundTripMs && !probe) return;
    this.#roundTripMs = ms;
    this.#roundTripAt = now;
    this.#probing = false;
  }

  #learnRate(rate: number, limited: boolean, now: number): void {
    if (limited && rate < this.bytesPerMs) return;
    if (now >= this.#rateUntil) {
      this.#rateUntil = now + Math.max(rateRounds * this.#roundTripMs, leastRateMs);
      this.#rateBefore = this.#rate;
      this.#rate = 0;
      this.#extraBefore = this.#extra;
      this.#extra = 0;
    }
    this.#rate = Math.max(this.#rate, rate);
  }

  /** A receiver that commits a whole batch at once needs the next batch on its way meanwhile. */
  #learnBursts(bytes: number, now: number): void {
    const due = this.bytesPerMs * (now - this.#burstSince);
    if (this.#burstBytes <= due) {
      this.#burstBytes = 0;
      this.#burstSince = now;
    }
    this.#burstBytes += bytes;
    this.#extra = Math.max(this.#extra, this.#burstBytes - this.bytesPerMs * (now - this.#burstSince));
  }

  #watchStart({ delivered, limited }: Departure): void {
    if (delivered < this.#roundEnd) return;
    this.#roundEnd = this.#delivered;
    if (!limited && this.#roundRate > 0) this.#known = true;
    const rate = this.bytesPerMs;
    if (rate >= this.#roundRate * growth) {
      this.#roundRate = rate;
      this.#roundsWithout = 0;
    } else if (!limited && ++this.#roundsWithout >= fullRounds) this.#measured = true;
  }
}
