import type { Outgoing } from "./delivery-queue.ts";
import type { Entry } from "./queue-entry.ts";

/** So many times its timeout and a message is overdue, whatever else is acked. */
const patience = 8;

/**
 * What is sent and not acked, and when to send it again.
 *
 * A peer takes messages in order and a thin link takes its time for each, so the timeout of a message runs from
 * the last ack of any: while acks come, those behind are on their way. Only after {@link patience} times the
 * timeout is a message taken for lost all the same.
 */
export class Flight<T extends Outgoing> {
  readonly #timeoutMs: number;
  readonly #maxTimeoutMs: number;
  /** There once something has been sent. */
  #entries: Map<number, Entry<T>> | undefined;
  #bytes = 0;
  #wireBytes = 0;
  #lastAckAt = Number.NEGATIVE_INFINITY;
  // Invariant: no entry but those in `#overdue` is due before this. It may be too early, never too late.
  #earliestDue = Number.POSITIVE_INFINITY;
  /** Found overdue and not sent again yet, the first one last; what was answered meanwhile is skipped. */
  #overdue: Entry<T>[] = [];

  constructor(options: { readonly ackTimeoutMs: number; readonly maxAckTimeoutMs: number }) {
    this.#timeoutMs = options.ackTimeoutMs;
    this.#maxTimeoutMs = options.maxAckTimeoutMs;
  }

  get size(): number {
    return this.#entries?.size ?? 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What they take on the wire in the forms in which they were sent. */
  get wireBytes(): number {
    return this.#wireBytes;
  }

  get(position: number): Entry<T> | undefined {
    return this.#entries?.get(position);
  }

  entries(): Iterable<Entry<T>> {
    return this.#entries?.values() ?? [];
  }

  add(entry: Entry<T>): void {
    this.#entries ??= new Map();
    this.#entries.set(entry.item.position, entry);
    this.#bytes += entry.item.size;
    this.#wireBytes += entry.item.size;
    entry.wireBytes = entry.item.size;
    entry.inFlight = true;
  }

  remove(position: number): Entry<T> | undefined {
    const entry = this.#entries?.get(position);
    if (this.#entries === undefined || entry === undefined) return undefined;
    this.#entries.delete(position);
    this.#bytes -= entry.item.size;
    this.#wireBytes -= entry.wireBytes;
    entry.inFlight = false;
    if (this.#entries.size === 0) {
      this.#earliestDue = Number.POSITIVE_INFINITY;
      this.#overdue = [];
    }
    return entry;
  }

  /** It has been written in so many bytes. */
  weighed(position: number, wireBytes: number): void {
    const entry = this.#entries?.get(position);
    if (entry === undefined) return;
    this.#wireBytes += wireBytes - entry.wireBytes;
    entry.wireBytes = wireBytes;
  }

  /** The peer has acked something. */
  progress(now: number): void {
    this.#lastAckAt = now;
    if (this.#overdue.length === 0) return;
    this.#overdue = [];
    this.#earliestDue = now;
  }

  /** It goes on the wire now, for the first time or again. */
  sent(entry: Entry<T>, now: number, wallTime: number): void {
    entry.sentAt = now;
    entry.timeoutMs = Math.min(this.#timeoutMs * 2 ** Math.min(entry.sends, 30), this.#maxTimeoutMs);
    if (entry.sends === 0) entry.firstSentAt = wallTime;
    entry.sends++;
    entry.lastSentAt = wallTime;
    this.#earliestDue = Math.min(this.#earliestDue, now + entry.timeoutMs);
  }

  /** The entry that is overdue for the longest time; to be given to {@link sent} or removed. */
  takeOverdue(now: number): Entry<T> | undefined {
    if (now >= this.#earliestDue) this.#findOverdue(now);
    for (let entry = this.#overdue.pop(); entry !== undefined; entry = this.#overdue.pop())
      if (this.#dueAt(entry) <= now && this.#entries?.get(entry.item.position) === entry) return entry;
    return undefined;
  }

  /** When {@link takeOverdue} may have something; never later than that. */
  wakeAt(): number {
    const first = this.#overdue.at(-1);
    return first === undefined ? this.#earliestDue : Math.min(this.#earliestDue, this.#dueAt(first));
  }

  /** Only grows until the entry is sent again. */
  #dueAt({ sentAt, timeoutMs }: Entry<T>): number {
    const own = sentAt + timeoutMs;
    return Math.min(Math.max(own, this.#lastAckAt + timeoutMs), own + (patience - 1) * timeoutMs);
  }

  /** Looks through all that is in flight: once for all that is overdue, not once for each. */
  #findOverdue(now: number): void {
    this.#overdue = [];
    this.#earliestDue = Number.POSITIVE_INFINITY;
    for (const entry of this.entries()) {
      const dueAt = this.#dueAt(entry);
      if (dueAt <= now) this.#overdue.push(entry);
      else this.#earliestDue = Math.min(this.#earliestDue, dueAt);
    }
    this.#overdue.reverse().sort((a, b) => this.#dueAt(b) - this.#dueAt(a));
  }
}
