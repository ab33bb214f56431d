import type { Budgets } from "./byte-budget.ts";
import { EventLane } from "./event-lane.ts";
import { Flight } from "./flight.ts";
import { type Entry, newEntry } from "./queue-entry.ts";
import { StateLane } from "./state-lane.ts";
import { WindowControl, type WindowControlOptions } from "./window-control.ts";

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
  /** Bytes of messages in flight at most, however short their forms are; a single larger message still goes, alone. */
  readonly windowBytes: number;
  /**
   * A message is sent again after so long without any ack, and after eight times as long in any case; the time
   * doubles with each repeat.
   */
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
  /** The window follows the link: bytes in flight at least and at first. Default: it is as large as it may be. */
  readonly adaptive?: WindowControlOptions | undefined;
  /** What may be sent at all; default: everything. */
  readonly budgets?: Budgets | undefined;
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

/** How much more than the window may be in flight where what comes next is urgent. */
const urgentRoom = 1.125;

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
 * - What is urgent (priority above 0) has an eighth of the window more, so that a full window does not hold it up.
 * - The window bounds messages and bytes in flight. Repeats need no room: they are in flight already.
 *
 * Source: docs/delivery.md.
 */
export class DeliveryQueue<T extends Outgoing> {
  readonly #options: DeliveryQueueOptions;
  #windowMessages: number;
  #windowBytes: number;
  readonly #flight: Flight<T>;
  /** There once there was state. */
  #state: StateLane<T> | undefined;
  readonly #control: WindowControl | undefined;
  /** Highest priority first. */
  readonly #lanes: EventLane<T>[] = [];
  #waiting = 0;

  constructor(options: DeliveryQueueOptions) {
    this.#options = options;
    this.#windowMessages = options.windowMessages;
    this.#windowBytes = options.windowBytes;
    this.#flight = new Flight(options);
    this.#control = options.adaptive && new WindowControl(options.adaptive);
  }

  /** Messages offered and neither in flight nor settled. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Those of them with a priority above 0. */
  get urgent(): number {
    let count = 0;
    for (const lane of this.#lanes) if (lane.priority > 0) count += lane.waiting;
    return count;
  }

  get inFlight(): number {
    return this.#flight.size;
  }

  get inFlightBytes(): number {
    return this.#flight.bytes;
  }

  /** What is known of the link; `undefined`: the window does not follow it. */
  get link(): WindowControl | undefined {
    return this.#control;
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
    this.#state ??= new StateLane();
    if (!this.#state.add(newEntry(item))) return "replaced";
    this.#waiting++;
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
    const overdue = this.#flight.takeOverdue(now);
    if (overdue !== undefined) {
      if (this.#options.expiresInFlight && overdue.item.expiresAt <= wallTime)
        return this.#expireInFlight(overdue);
      return this.#transmit(overdue, now, wallTime, false);
    }
    this.#state?.poll(now);
    for (const lane of this.#lanes) lane.poll(now);
    const lane = this.#choose(now);
    const entry = lane?.next();
    if (lane === undefined || entry === undefined) return this.#idle();
    const room = entry.item.priority > 0 ? urgentRoom : 1;
    if (this.#flight.size >= Math.floor(this.#windowMessages * room)) return this.#idle();
    if (entry.item.expiresAt <= wallTime) {
      this.#waiting--;
      lane.drop();
      return { ...record(entry), expired: true };
    }
    if (!this.#hasRoom(entry.item.size, room)) return undefined;
    const resume = lane.enterFlight();
    this.#waiting--;
    const departure = this.#control?.sent(now, this.#flight.wireBytes);
    this.#flight.add(entry);
    const taken = this.#transmit(entry, now, wallTime, resume);
    // Of a message that goes again nobody knows which one the ack is for.
    entry.departure = entry.sends === 1 ? departure : undefined;
    return taken;
  }

  /** The peer has it. @returns What that settles; `undefined` for a late or unknown ack. */
  ack(position: number, now: number): SendRecord<T> | undefined {
    const entry = this.#flight.remove(position);
    if (entry === undefined) return undefined;
    this.#flight.progress(now);
    if (entry.departure !== undefined && entry.sends === 1)
      this.#control?.acked(entry.departure, entry.wireBytes, now);
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
    const entry = this.#flight.remove(position);
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
    if (this.#state?.goBack(entry, now + this.#pause(entry.refusals))) this.#waiting++;
    return undefined;
  }

  /** The peer could not read the form of a state message: it may be taken again at once. */
  again(position: number, now: number): void {
    const entry = this.#flight.remove(position);
    if (entry !== undefined && this.#state?.goBack(entry, now)) this.#waiting++;
  }

  /**
   * Monotonic ms of the next moment at which {@link take} may have something that it has not now; never later
   * than that, though a time to live may end meanwhile. `now` matters to budgets only. Infinity: not before an ack, a refusal or a new message.
   */
  nextWakeAt(now = 0): number {
    let at = Math.min(this.#flight.wakeAt(), this.#state?.wakeAt() ?? Number.POSITIVE_INFINITY);
    for (const lane of this.#lanes) at = Math.min(at, lane.wakeAt());
    return Math.min(at, this.#budgetAt(now));
  }

  /** When a budget lets something go that waits for it. */
  #budgetAt(now: number): number {
    let at = Number.POSITIVE_INFINITY;
    const { budgets } = this.#options;
    if (budgets === undefined) return at;
    for (const budget of Object.values(budgets)) {
      const freeAt = budget.freeAt(now);
      if (freeAt > now && this.#waiting > 0) at = Math.min(at, freeAt);
    }
    return at;
  }

  /** Everything that was sent and has not ended, for the record when a link ends. */
  *unacked(): IterableIterator<SendRecord<T>> {
    for (const entry of this.#flight.entries()) yield record(entry);
    for (const entry of this.#state?.refused() ?? []) yield record(entry);
    for (const lane of this.#lanes) for (const entry of lane.refused()) yield record(entry);
  }

  /** The send record of a message in flight. */
  sendsOf(position: number): SendRecord<T> | undefined {
    const entry = this.#flight.get(position);
    return entry && record(entry);
  }

  /** Something else than the window keeps messages back. */
  #idle(): undefined {
    this.#control?.idle(this.#flight.wireBytes);
    return undefined;
  }

  /**
   * Two windows: the peer has granted bytes of messages, and the link carries bytes of whatever form they are sent in. How
   * short that form will be is known afterwards; it is taken to be like those in flight.
   */
  #hasRoom(size: number, room: number): boolean {
    const { size: count, bytes, wireBytes } = this.#flight;
    if (count === 0) return true;
    if (bytes + size > this.#windowBytes * room) return false;
    if (this.#control === undefined) return true;
    const share = bytes === 0 ? 1 : wireBytes / bytes;
    return wireBytes + size * share <= this.#control.windowBytes * room;
  }

  #transmit(entry: Entry<T>, now: number, wallTime: number, resume: boolean): Taken<T> {
    this.#flight.sent(entry, now, wallTime);
    return { item: entry.item, sends: entry.sends, resume, expired: false };
  }

  /** It is not sent again: the peer does not want it any more, or has it and the ack was lost. */
  #expireInFlight(entry: Entry<T>): Taken<T> {
    this.#flight.remove(entry.item.position);
    this.#finish(entry);
    return { ...record(entry), expired: true };
  }

  /** It has left flight for good. */
  #finish(entry: Entry<T>): void {
    if (entry.item.kind === "event") this.#laneOf(entry.item.priority).finish(entry);
    else this.#state?.finish(entry);
  }

  /** A message that was taken has been written in so many bytes. */
  spent({ position, priority }: T, bytes: number, now: number): void {
    this.#flight.weighed(position, bytes);
    this.#options.budgets?.[priority > 0 ? "urgent" : "bulk"]?.spend(bytes, now);
  }

  /** Whose turn it is; its `next()` may go now. */
  #choose(now: number): EventLane<T> | StateLane<T> | undefined {
    const { budgets } = this.#options;
    if (this.#hasUrgent() && budgets?.urgent?.stops(now) !== true) return this.#first(1);
    const next = this.#first(Number.NEGATIVE_INFINITY, 0);
    return next !== undefined && budgets?.bulk?.stops(now) === true ? undefined : next;
  }

  #hasUrgent(): boolean {
    for (const lane of this.#lanes) if (lane.priority > 0 && lane.next() !== undefined) return true;
    return false;
  }

  /** The first one to go of these priorities. */
  #first(least: number, most = Number.POSITIVE_INFINITY): EventLane<T> | StateLane<T> | undefined {
    const oldest = least <= 0 ? this.#state?.next() : undefined;
    for (const lane of this.#lanes) {
      if (lane.priority < least || lane.priority > most) continue;
      if (oldest !== undefined && lane.priority < 0) break;
      const entry = lane.next();
      if (entry === undefined) continue;
      const stateFirst = lane.priority === 0 && oldest !== undefined && oldest.place < entry.place;
      return stateFirst ? this.#state : lane;
    }
    return oldest === undefined ? undefined : this.#state;
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

function record<T extends Outgoing>(entry: Entry<T>): SendRecord<T> {
  return {
    item: entry.item,
    sends: entry.sends,
    firstSentAt: entry.firstSentAt,
    lastSentAt: entry.lastSentAt,
  };
}
