/**
 * What a {@link DeliveryQueue} must know about a message. Whoever feeds the queue offers messages in the
 * order of their positions; for one key that is also the order of versions.
 */
export interface Outgoing {
  /** The message's place in its sender's outbox: 1, 2, 3 …; what an ack names. */
  readonly position: number;
  /** Bytes it takes on the wire, about. */
  readonly size: number;
  readonly kind: "state" | "event";
  /** State: the resource path. Event: unused. */
  readonly key: string;
  /** True for a state message that deletes its resource. */
  readonly deleted: boolean;
  /** Event: higher goes first. State: 0. */
  readonly priority: number;
  /** Wall clock, ms since 1970; Infinity for never. */
  readonly expiresAt: number;
}

export interface DeliveryQueueOptions {
  /** Messages in flight at most, 1 or more. */
  readonly windowMessages: number;
  /** Bytes in flight at most; a single larger message still goes, alone. */
  readonly windowBytes: number;
  /** A message unacked for so long is sent again; the time doubles with each repeat. */
  readonly ackTimeoutMs: number;
  readonly maxAckTimeoutMs: number;
  /** Pause after a retryable refusal; doubles with each further one. */
  readonly nackDelayMs: number;
  readonly maxNackDelayMs: number;
  /** So many refusals in a row and the message is given up, though each said "retryable". Infinity: never. */
  readonly maxRefusals: number;
}

/** What the wire carries next. */
export interface Transmission<T extends Outgoing> {
  readonly item: T;
  /** How often it has been sent now, 1 the first time. */
  readonly sends: number;
  /** Nothing older of its event lane is outstanding: the receiver may take events again after a refusal. */
  readonly resume: boolean;
}

/** How often and when a message was sent; wall clock, ms since 1970. */
export interface SendRecord<T extends Outgoing> {
  readonly item: T;
  readonly sends: number;
  readonly firstSentAt: number;
  readonly lastSentAt: number;
}

interface Entry<T> {
  item: T;
  sends: number;
  firstSentAt: number;
  lastSentAt: number;
  dueAt: number;
  refusals: number;
  inFlight: boolean;
  done: boolean;
}

/** One resource: at most one message in flight, the others behind it in order. */
interface Key<T> {
  inFlight: Entry<T> | undefined;
  /** Deletes, then at most one put: a put is replaced by whatever comes after it. */
  waiting: Entry<T>[];
}

/** Events of one priority, in order: settled up to `head`, sent up to `next`. */
interface Lane<T> {
  readonly priority: number;
  entries: Entry<T>[];
  head: number;
  next: number;
  inFlight: number;
  refusals: number;
  /** After a refusal: wait until nothing of the lane is in flight, then go back to the oldest unsettled. */
  rewinding: boolean;
  notBefore: number;
  resume: boolean;
}

/**
 * Decides what goes on the wire next. Pure: takes the time as an argument, does no I/O.
 *
 * ```
 *            offer                take                 ack
 *  store ──────────▶ waiting ──────────▶ in flight ──────────▶ settled
 *                       ▲                    │ nack, retryable: after a pause
 *                       └────────────────────┘ overdue: sent again, stays in flight
 * ```
 *
 * - State: at most one message per key is in flight. A newer one waits behind it and replaces the put that
 *   waits there already, in its place, so a slow link carries the latest value instead of a history.
 * - Events: any number in flight, in order per priority. A refused one takes all later ones of its lane back.
 * - The window bounds messages and bytes in flight. Repeats need no room: they are in flight already.
 *
 * Source: docs/delivery.md.
 */
export class DeliveryQueue<T extends Outgoing> {
  readonly #options: DeliveryQueueOptions;
  #windowMessages: number;
  #windowBytes: number;
  readonly #inFlight = new Map<number, Entry<T>>();
  #inFlightBytes = 0;
  readonly #keys = new Map<string, Key<T>>();
  /** State whose key has nothing in flight, oldest first; replaced in place, skipped if done. */
  readonly #ready = new Fifo<Entry<T>>();
  /** State refused for now. */
  #delayed: Entry<T>[] = [];
  /** Highest priority first. */
  readonly #lanes: Lane<T>[] = [];
  #waiting = 0;
  // Invariant: no in-flight entry is due before this. It may be too early, never too late.
  #earliestDue = Number.POSITIVE_INFINITY;

  constructor(options: DeliveryQueueOptions) {
    this.#options = options;
    this.#windowMessages = options.windowMessages;
    this.#windowBytes = options.windowBytes;
  }

  /** Messages offered and neither in flight nor settled. */
  get waiting(): number {
    return this.#waiting;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Sets the window to what the peer granted. */
  setWindow(messages: number, bytes: number): void {
    this.#windowMessages = messages;
    this.#windowBytes = bytes;
  }

  /** Takes over a message. `replaced`: it took the place of an older put of its key. */
  offer(item: T): "queued" | "replaced" {
    if (item.kind === "event") {
      this.#laneOf(item.priority).entries.push(newEntry(item));
      this.#waiting++;
      return "queued";
    }
    const key = this.#keyOf(item.key);
    const last = key.waiting.at(-1);
    if (last !== undefined && !last.item.deleted) {
      last.item = item;
      last.refusals = 0;
      return "replaced";
    }
    const entry = newEntry(item);
    key.waiting.push(entry);
    this.#waiting++;
    if (key.inFlight === undefined && key.waiting.length === 1) this.#ready.push(entry);
    return "queued";
  }

  /**
   * Picks the next message for the wire and marks it in flight: an overdue one first, then the highest
   * priority, then the oldest.
   *
   * @param now Monotonic milliseconds.
   * @param wallTime Milliseconds since 1970; for expiry and the send record.
   * @returns `"expired"` with a message whose time to live is over and which the queue has forgotten;
   *   `undefined` if nothing is due or the window is full.
   */
  take(now: number, wallTime: number): (Transmission<T> & { expired: boolean }) | undefined {
    const overdue = now >= this.#earliestDue ? this.#overdue(now) : undefined;
    if (overdue !== undefined)
      return { ...this.#transmit(overdue, now, wallTime), expired: false, resume: false };
    this.#releaseDelayed(now);
    if (this.#inFlight.size >= this.#windowMessages) return undefined;
    const choice = this.#choose(now);
    if (choice === undefined) return undefined;
    const { entry, lane } = choice;
    if (entry.item.expiresAt <= wallTime) {
      this.#remove(entry, lane);
      return { item: entry.item, sends: entry.sends, resume: false, expired: true };
    }
    if (this.#inFlight.size > 0 && this.#inFlightBytes + entry.item.size > this.#windowBytes)
      return undefined;
    const resume = this.#enterFlight(entry, lane);
    return { ...this.#transmit(entry, now, wallTime), expired: false, resume };
  }

  /** The peer has it. @returns What that settles; `undefined` for a late or unknown ack. */
  ack(position: number): SendRecord<T> | undefined {
    const entry = this.#leaveFlight(position);
    if (entry === undefined) return undefined;
    if (entry.item.kind === "event") {
      const lane = this.#laneOf(entry.item.priority);
      lane.refusals = 0;
      this.#finishEvent(entry, lane);
    } else {
      this.#nextOfKey(entry.item.key);
    }
    return record(entry);
  }

  /**
   * The peer refused it.
   *
   * @param retryable False gives the message up for good.
   * @param behind True if the peer refused it only because it waits for an earlier event.
   * @returns What is given up; `undefined` if it will be tried again, was replaced meanwhile, or is unknown.
   */
  nack(position: number, retryable: boolean, now: number, behind = false): SendRecord<T> | undefined {
    const entry = this.#leaveFlight(position);
    if (entry === undefined) return undefined;
    if (!behind) entry.refusals++;
    const givenUp = !retryable || entry.refusals >= this.#options.maxRefusals;
    if (entry.item.kind === "event") {
      const lane = this.#laneOf(entry.item.priority);
      if (givenUp) {
        this.#finishEvent(entry, lane);
        return record(entry);
      }
      this.#rewind(entry, lane, now, behind);
      return undefined;
    }
    const key = this.#keyOf(entry.item.key);
    const replaced = key.waiting.length > 0 && !entry.item.deleted;
    if (givenUp || replaced) {
      this.#nextOfKey(entry.item.key);
      return givenUp ? record(entry) : undefined;
    }
    key.inFlight = undefined;
    key.waiting.unshift(entry);
    this.#waiting++;
    entry.dueAt = now + this.#pause(entry.refusals);
    this.#delayed.push(entry);
    return undefined;
  }

  /** Monotonic ms of the next moment at which {@link take} may have something that it has not now. */
  nextWakeAt(): number {
    let at = this.#earliestDue;
    for (const entry of this.#delayed) at = Math.min(at, entry.dueAt);
    for (const lane of this.#lanes)
      if (lane.rewinding && lane.inFlight === 0) at = Math.min(at, lane.notBefore);
    return at;
  }

  /** Everything in flight, for the record when a link ends. */
  *unacked(): IterableIterator<SendRecord<T>> {
    for (const entry of this.#inFlight.values()) yield record(entry);
  }

  /** The send record of a message in flight. */
  sendsOf(position: number): SendRecord<T> | undefined {
    const entry = this.#inFlight.get(position);
    return entry && record(entry);
  }

  // ── in flight ──────────────────────────────────────────────────────────────────────────────────────

  #transmit(entry: Entry<T>, now: number, wallTime: number): { item: T; sends: number } {
    const { ackTimeoutMs, maxAckTimeoutMs } = this.#options;
    entry.dueAt = now + Math.min(ackTimeoutMs * 2 ** Math.min(entry.sends, 30), maxAckTimeoutMs);
    if (entry.sends === 0) entry.firstSentAt = wallTime;
    entry.sends++;
    entry.lastSentAt = wallTime;
    this.#earliestDue = Math.min(this.#earliestDue, entry.dueAt);
    return { item: entry.item, sends: entry.sends };
  }

  /** The most overdue entry; sets `#earliestDue` right if there is none. */
  #overdue(now: number): Entry<T> | undefined {
    let first: Entry<T> | undefined;
    for (const entry of this.#inFlight.values())
      if (first === undefined || entry.dueAt < first.dueAt) first = entry;
    this.#earliestDue = first?.dueAt ?? Number.POSITIVE_INFINITY;
    return first !== undefined && first.dueAt <= now ? first : undefined;
  }

  #enterFlight(entry: Entry<T>, lane: Lane<T> | undefined): boolean {
    let resume = false;
    if (lane === undefined) {
      const key = this.#keyOf(entry.item.key);
      this.#ready.shift();
      key.waiting.shift();
      key.inFlight = entry;
    } else {
      lane.next++;
      lane.inFlight++;
      resume = lane.resume;
      lane.resume = false;
    }
    this.#waiting--;
    entry.inFlight = true;
    this.#inFlight.set(entry.item.position, entry);
    this.#inFlightBytes += entry.item.size;
    return resume;
  }

  #leaveFlight(position: number): Entry<T> | undefined {
    const entry = this.#inFlight.get(position);
    if (entry === undefined) return undefined;
    this.#inFlight.delete(position);
    this.#inFlightBytes -= entry.item.size;
    entry.inFlight = false;
    if (this.#inFlight.size === 0) this.#earliestDue = Number.POSITIVE_INFINITY;
    return entry;
  }

  /** The first thing that may go now, or `undefined`. */
  #choose(now: number): { entry: Entry<T>; lane: Lane<T> | undefined } | undefined {
    const oldest = this.#ready.peek();
    for (const lane of this.#lanes) {
      if (oldest !== undefined && lane.priority < 0) break;
      const entry = nextEvent(lane, now);
      if (entry === undefined) continue;
      const stateFirst =
        lane.priority === 0 && oldest !== undefined && oldest.item.position < entry.item.position;
      return stateFirst ? { entry: oldest, lane: undefined } : { entry, lane };
    }
    return oldest === undefined ? undefined : { entry: oldest, lane: undefined };
  }

  #remove(entry: Entry<T>, lane: Lane<T> | undefined): void {
    this.#waiting--;
    if (lane !== undefined) {
      lane.next++;
      this.#finishEvent(entry, lane, false);
      return;
    }
    this.#ready.shift();
    this.#keyOf(entry.item.key).waiting.shift();
    this.#nextOfKey(entry.item.key);
  }

  // ── state ──────────────────────────────────────────────────────────────────────────────────────────

  #keyOf(name: string): Key<T> {
    let key = this.#keys.get(name);
    if (key === undefined) {
      key = { inFlight: undefined, waiting: [] };
      this.#keys.set(name, key);
    }
    return key;
  }

  #nextOfKey(name: string): void {
    const key = this.#keyOf(name);
    key.inFlight = undefined;
    const next = key.waiting[0];
    if (next === undefined) this.#keys.delete(name);
    else this.#ready.push(next);
  }

  #releaseDelayed(now: number): void {
    if (this.#delayed.length === 0) return;
    const still: Entry<T>[] = [];
    for (const entry of this.#delayed) {
      if (entry.dueAt <= now) this.#ready.push(entry);
      else still.push(entry);
    }
    this.#delayed = still;
  }

  #pause(refusals: number): number {
    const { nackDelayMs, maxNackDelayMs } = this.#options;
    return Math.min(nackDelayMs * 2 ** Math.min(Math.max(refusals - 1, 0), 30), maxNackDelayMs);
  }

  // ── events ─────────────────────────────────────────────────────────────────────────────────────────

  #laneOf(priority: number): Lane<T> {
    const found = this.#lanes.find((lane) => lane.priority === priority);
    if (found !== undefined) return found;
    const lane: Lane<T> = {
      priority,
      entries: [],
      head: 0,
      next: 0,
      inFlight: 0,
      refusals: 0,
      rewinding: false,
      notBefore: 0,
      resume: false,
    };
    this.#lanes.push(lane);
    this.#lanes.sort((a, b) => b.priority - a.priority);
    return lane;
  }

  #rewind(entry: Entry<T>, lane: Lane<T>, now: number, behind: boolean): void {
    lane.inFlight--;
    this.#waiting++;
    if (!lane.rewinding) lane.refusals++;
    lane.rewinding = true;
    if (!behind)
      lane.notBefore = Math.max(lane.notBefore, now + this.#pause(Math.max(lane.refusals, entry.refusals)));
  }

  #finishEvent(entry: Entry<T>, lane: Lane<T>, wasInFlight = true): void {
    entry.done = true;
    if (wasInFlight) lane.inFlight--;
    while (lane.entries[lane.head]?.done) lane.head++;
    if (lane.head === lane.entries.length) {
      lane.entries = [];
      lane.head = 0;
      lane.next = 0;
    } else if (lane.head >= 256 && lane.head * 2 >= lane.entries.length) {
      lane.entries.splice(0, lane.head);
      lane.next -= lane.head;
      lane.head = 0;
    }
  }
}

/** The next event of a lane that may go now; goes back to the oldest unsettled one when a pause is over. */
function nextEvent<T>(lane: Lane<T>, now: number): Entry<T> | undefined {
  if (lane.rewinding) {
    if (lane.inFlight > 0 || now < lane.notBefore) return undefined;
    lane.rewinding = false;
    lane.resume = true;
    lane.next = lane.head;
  }
  while (lane.entries[lane.next]?.done) lane.next++;
  return lane.entries[lane.next];
}

function newEntry<T>(item: T): Entry<T> {
  return {
    item,
    sends: 0,
    firstSentAt: 0,
    lastSentAt: 0,
    dueAt: 0,
    refusals: 0,
    inFlight: false,
    done: false,
  };
}

function record<T extends Outgoing>(entry: Entry<T>): SendRecord<T> {
  return {
    item: entry.item,
    sends: entry.sends,
    firstSentAt: entry.firstSentAt,
    lastSentAt: entry.lastSentAt,
  };
}

/** First in, first out; shifting costs nothing on average. */
class Fifo<E> {
  #items: (E | undefined)[] = [];
  #head = 0;

  push(item: E): void {
    this.#items.push(item);
  }

  peek(): E | undefined {
    return this.#items[this.#head];
  }

  shift(): E | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    } else if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    }
    return item;
  }
}
