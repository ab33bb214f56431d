import { type Entry, EventLane } from "./event-lane.ts";

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
  /**
   * True: a message in flight whose time to live is over is forgotten instead of being sent again; for peers
   * that do not answer everything. Default false: an answer will come, and frees its place in the window.
   */
  readonly expiresInFlight?: boolean;
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

/** A message for the wire, or one whose time to live is over and which the queue has forgotten. */
export type Taken<T extends Outgoing> =
  | (Transmission<T> & { readonly expired: false })
  | (SendRecord<T> & { readonly expired: true });

/** One resource: at most one message in flight, the others behind it in order. */
interface Key<T> {
  inFlight: Entry<T> | undefined;
  /** Deletes, then at most one put: a put is replaced by whatever comes after it. */
  waiting: Entry<T>[];
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
 * - What has outlived its time to live is forgotten when its turn comes.
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
  /** State whose key has nothing in flight, in the order in which that came to be; replaced in place. */
  readonly #ready = new Fifo<Entry<T>>();
  /** State refused for now. */
  #delayed: Entry<T>[] = [];
  /** Highest priority first. */
  readonly #lanes: EventLane<T>[] = [];
  #waiting = 0;
  // Invariant: no in-flight entry but those in `#overdue` is due before this. It may be too early, never too late.
  #earliestDue = Number.POSITIVE_INFINITY;
  /** Found overdue and not sent again yet, the first one last; what was answered meanwhile is skipped. */
  #overdue: Entry<T>[] = [];

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

  get windowMessages(): number {
    return this.#windowMessages;
  }

  /** Sets the window to what the peer granted. */
  setWindow(messages: number, bytes: number): void {
    this.#windowMessages = messages;
    this.#windowBytes = bytes;
  }

  /** Takes over a message. `replaced`: it took the place of an older put of its key. */
  offer(item: T): "queued" | "replaced" {
    if (item.kind === "event") {
      this.#laneOf(item.priority).add(newEntry(item));
      this.#waiting++;
      return "queued";
    }
    const key = this.#keyOf(item.key);
    const last = key.waiting.at(-1);
    if (last !== undefined && !last.item.deleted) {
      Object.assign(last, { ...newEntry(item), place: last.place, dueAt: last.dueAt });
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
   * priority, then the oldest. State has priority 0.
   *
   * @param now Monotonic milliseconds.
   * @param wallTime Milliseconds since 1970; for expiry and the send record.
   * @returns `undefined` if nothing is due or the window is full.
   */
  take(now: number, wallTime: number): Taken<T> | undefined {
    const overdue = this.#nextOverdue(now);
    if (overdue !== undefined) {
      if (this.#options.expiresInFlight && overdue.item.expiresAt <= wallTime)
        return this.#expireInFlight(overdue);
      return { ...this.#transmit(overdue, now, wallTime), expired: false, resume: false };
    }
    this.#releaseDelayed(now);
    for (const lane of this.#lanes) lane.poll(now);
    if (this.#inFlight.size >= this.#windowMessages) return undefined;
    const choice = this.#choose();
    if (choice === undefined) return undefined;
    const { entry, lane } = choice;
    if (entry.item.expiresAt <= wallTime) {
      this.#remove(entry, lane);
      return { ...record(entry), expired: true };
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
    if (entry.item.kind === "event") this.#laneOf(entry.item.priority).acked();
    this.#finish(entry);
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
    if (givenUp) {
      this.#finish(entry);
      return record(entry);
    }
    if (entry.item.kind === "event") {
      const pauseMs = behind ? undefined : (refusals: number) => this.#pause(refusals);
      this.#laneOf(entry.item.priority).goBack(entry, now, pauseMs);
      this.#waiting++;
      return undefined;
    }
    const key = this.#keyOf(entry.item.key);
    if (key.waiting.length > 0 && !entry.item.deleted) {
      this.#nextOfKey(entry.item.key);
      return undefined;
    }
    key.inFlight = undefined;
    key.waiting.unshift(entry);
    this.#waiting++;
    entry.dueAt = now + this.#pause(entry.refusals);
    this.#delayed.push(entry);
    return undefined;
  }

  /**
   * Monotonic ms of the next moment at which {@link take} may have something that it has not now; never later
   * than that, though a time to live may end meanwhile. Infinity: not before an ack, a refusal or a new message.
   */
  nextWakeAt(): number {
    let at = Math.min(this.#earliestDue, this.#overdue.at(-1)?.dueAt ?? Number.POSITIVE_INFINITY);
    for (const entry of this.#delayed) at = Math.min(at, entry.dueAt);
    for (const lane of this.#lanes) at = Math.min(at, lane.wakeAt());
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

  #nextOverdue(now: number): Entry<T> | undefined {
    if (now >= this.#earliestDue) this.#findOverdue(now);
    for (let entry = this.#overdue.pop(); entry !== undefined; entry = this.#overdue.pop())
      if (entry.dueAt <= now && this.#inFlight.get(entry.item.position) === entry) return entry;
    return undefined;
  }

  /** Looks through all that is in flight: once for all that is overdue, not once for each. */
  #findOverdue(now: number): void {
    this.#overdue = [];
    this.#earliestDue = Number.POSITIVE_INFINITY;
    for (const entry of this.#inFlight.values()) {
      if (entry.dueAt <= now) this.#overdue.push(entry);
      else this.#earliestDue = Math.min(this.#earliestDue, entry.dueAt);
    }
    this.#overdue.reverse().sort((a, b) => b.dueAt - a.dueAt);
  }

  #enterFlight(entry: Entry<T>, lane: EventLane<T> | undefined): boolean {
    let resume = false;
    if (lane === undefined) {
      const key = this.#keyOf(entry.item.key);
      this.#ready.shift();
      key.waiting.shift();
      key.inFlight = entry;
    } else {
      resume = lane.enterFlight();
    }
    this.#waiting--;
    this.#inFlight.set(entry.item.position, entry);
    this.#inFlightBytes += entry.item.size;
    return resume;
  }

  #leaveFlight(position: number): Entry<T> | undefined {
    const entry = this.#inFlight.get(position);
    if (entry === undefined) return undefined;
    this.#inFlight.delete(position);
    this.#inFlightBytes -= entry.item.size;
    if (this.#inFlight.size === 0) {
      this.#earliestDue = Number.POSITIVE_INFINITY;
      this.#overdue = [];
    }
    return entry;
  }

  /** It is not sent again: the peer does not want it any more, or has it and the ack was lost. */
  #expireInFlight(entry: Entry<T>): Taken<T> {
    this.#leaveFlight(entry.item.position);
    this.#finish(entry);
    return { ...record(entry), expired: true };
  }

  /** It has left flight for good. */
  #finish(entry: Entry<T>): void {
    if (entry.item.kind === "event") this.#laneOf(entry.item.priority).finish(entry, true);
    else this.#nextOfKey(entry.item.key);
  }

  /** The first thing that may go now, or `undefined`. */
  #choose(): { entry: Entry<T>; lane: EventLane<T> | undefined } | undefined {
    const oldest = this.#ready.peek();
    for (const lane of this.#lanes) {
      if (oldest !== undefined && lane.priority < 0) break;
      const entry = lane.next();
      if (entry === undefined) continue;
      const stateFirst = lane.priority === 0 && oldest !== undefined && oldest.place < entry.place;
      return stateFirst ? { entry: oldest, lane: undefined } : { entry, lane };
    }
    return oldest === undefined ? undefined : { entry: oldest, lane: undefined };
  }

  #remove(entry: Entry<T>, lane: EventLane<T> | undefined): void {
    this.#waiting--;
    if (lane !== undefined) {
      lane.finish(entry, false);
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

  #laneOf(priority: number): EventLane<T> {
    const found = this.#lanes.find((lane) => lane.priority === priority);
    if (found !== undefined) return found;
    const lane = new EventLane<T>(priority);
    this.#lanes.push(lane);
    this.#lanes.sort((a, b) => b.priority - a.priority);
    return lane;
  }
}

function newEntry<T extends Outgoing>(item: T): Entry<T> {
  return {
    item,
    place: item.position,
    sends: 0,
    firstSentAt: 0,
    lastSentAt: 0,
    dueAt: 0,
    refusals: 0,
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
