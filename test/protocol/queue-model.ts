import type { DeliveryQueueOptions, Outgoing, SendRecord, Taken } from "../../protocol/delivery-queue.ts";

interface Row<T> {
  item: T;
  /** The order in which rows came; a put that replaces another keeps its row. */
  readonly place: number;
  flying: boolean;
  flyingSince: number;
  sends: number;
  firstSentAt: number;
  lastSentAt: number;
  refusals: number;
  /** Flying: when it was sent last, and how long it may take then. */
  sentAt: number;
  timeoutMs: number;
  /** Paused: not before this. */
  at: number;
  /** State: since when nothing of its key is in its way; undefined: something is, or it pauses. */
  readySince: number | undefined;
  /** State: since when it pauses after a refusal. */
  pausedSince: number | undefined;
}

interface Lane {
  refusals: number;
  goingBack: boolean;
  notBefore: number;
  resume: boolean;
}

/**
 * The delivery queue once more, slow and plain: one list of all that is not done, searched from its beginning
 * for every question. Tests compare the real one with it.
 */
export class QueueModel<T extends Outgoing> {
  readonly #options: DeliveryQueueOptions;
  #window: { messages: number; bytes: number };
  #rows: Row<T>[] = [];
  readonly #lanes = new Map<number, Lane>();
  #counter = 0;
  #lastAckAt = 0;

  constructor(options: DeliveryQueueOptions) {
    this.#options = options;
    this.#window = { messages: options.windowMessages, bytes: options.windowBytes };
  }

  clone(): QueueModel<T> {
    const copy = new QueueModel<T>(this.#options);
    copy.#window = { ...this.#window };
    copy.#rows = this.#rows.map((row) => ({ ...row }));
    for (const [priority, lane] of this.#lanes) copy.#lanes.set(priority, { ...lane });
    copy.#counter = this.#counter;
    copy.#lastAckAt = this.#lastAckAt;
    return copy;
  }

  setWindow(messages: number, bytes: number): void {
    this.#window = { messages, bytes };
  }

  get waiting(): number {
    return this.#rows.filter((row) => !row.flying).length;
  }

  /** Sent, and not ended. */
  get sent(): readonly Row<T>[] {
    return this.#rows.filter((row) => row.sends > 0);
  }

  get flying(): readonly Row<T>[] {
    return this.#rows.filter((row) => row.flying);
  }

  get bytes(): number {
    return this.flying.reduce((sum, row) => sum + row.item.size, 0);
  }

  offer(item: T): "queued" | "replaced" {
    const ofKey = item.kind === "state" ? this.#ofKey(item.key) : [];
    const last = ofKey.at(-1);
    if (last !== undefined && !last.flying && !last.item.deleted) {
      Object.assign(last, { item, sends: 0, firstSentAt: 0, lastSentAt: 0, refusals: 0 });
      return "replaced";
    }
    this.#rows.push({
      item,
      place: item.position,
      flying: false,
      flyingSince: 0,
      sends: 0,
      firstSentAt: 0,
      lastSentAt: 0,
      refusals: 0,
      sentAt: 0,
      timeoutMs: 0,
      at: 0,
      readySince: item.kind === "state" && ofKey.length === 0 ? this.#counter++ : undefined,
      pausedSince: undefined,
    });
    return "queued";
  }

  take(now: number, wallTime: number): Taken<T> | undefined {
    const [overdue] = this.flying
      .filter((row) => this.#dueAt(row) <= now)
      .sort((a, b) => this.#dueAt(a) - this.#dueAt(b) || a.flyingSince - b.flyingSince);
    if (overdue !== undefined) {
      if (this.#options.expiresInFlight && overdue.item.expiresAt <= wallTime) return this.#expire(overdue);
      return this.#send(overdue, now, wallTime, false);
    }
    this.#endPauses(now);
    const row = this.#next();
    if (row === undefined) return undefined;
    const share = row.item.priority > 0 ? 1.125 : 1;
    if (this.flying.length >= Math.floor(this.#window.messages * share)) return undefined;
    if (row.item.expiresAt <= wallTime) return this.#expire(row);
    if (this.flying.length > 0 && this.bytes + row.item.size > this.#window.bytes * share) return undefined;
    const lane = row.item.kind === "event" ? this.#lane(row.item.priority) : undefined;
    const resume = lane?.resume ?? false;
    if (lane !== undefined) lane.resume = false;
    row.flying = true;
    row.flyingSince = this.#counter++;
    row.readySince = undefined;
    return this.#send(row, now, wallTime, resume);
  }

  ack(position: number, now: number): SendRecord<T> | undefined {
    const row = this.#flyingAt(position);
    if (row === undefined) return undefined;
    this.#lastAckAt = now;
    if (row.item.kind === "event") this.#lane(row.item.priority).refusals = 0;
    this.#drop(row);
    return recordOf(row);
  }

  nack(position: number, retryable: boolean, now: number, behind: boolean): SendRecord<T> | undefined {
    const row = this.#flyingAt(position);
    if (row === undefined) return undefined;
    if (!behind) row.refusals++;
    if (!retryable || row.refusals >= this.#options.maxRefusals) {
      this.#drop(row);
      return recordOf(row);
    }
    if (row.item.kind === "event") {
      const lane = this.#lane(row.item.priority);
      row.flying = false;
      if (!behind) {
        if (!lane.goingBack) lane.refusals++;
        lane.notBefore = Math.max(lane.notBefore, now + this.#pause(Math.max(lane.refusals, row.refusals)));
      }
      lane.goingBack = true;
      return undefined;
    }
    const isReplaced = this.#ofKey(row.item.key).length > 1 && !row.item.deleted;
    if (isReplaced) {
      this.#drop(row);
      return undefined;
    }
    row.flying = false;
    row.at = now + this.#pause(row.refusals);
    row.pausedSince = this.#counter++;
    return undefined;
  }

  /**
   * The first moment from `now` on at which `take` would give something; Infinity for never. Nobody is woken
   * because a time to live ends, so the wall clock stands still here.
   */
  nextTake(now: number, wallTime: number): number {
    const moments = [
      now,
      ...this.#rows.map((row) => (row.flying ? this.#dueAt(row) : row.at)),
      ...[...this.#lanes.values()].map((lane) => lane.notBefore),
    ];
    const later = [...new Set(moments)].filter((at) => at >= now).sort((a, b) => a - b);
    return later.find((at) => this.clone().take(at, wallTime) !== undefined) ?? Number.POSITIVE_INFINITY;
  }

  #ofKey(key: string): Row<T>[] {
    return this.#rows.filter((row) => row.item.kind === "state" && row.item.key === key);
  }

  #ofLane(priority: number): Row<T>[] {
    return this.#rows.filter((row) => row.item.kind === "event" && row.item.priority === priority);
  }

  #lane(priority: number): Lane {
    const lane = this.#lanes.get(priority) ?? { refusals: 0, goingBack: false, notBefore: 0, resume: false };
    this.#lanes.set(priority, lane);
    return lane;
  }

  #flyingAt(position: number): Row<T> | undefined {
    return this.flying.find((row) => row.item.position === position);
  }

  #send(row: Row<T>, now: number, wallTime: number, resume: boolean): Taken<T> {
    row.sentAt = now;
    row.timeoutMs = Math.min(this.#options.ackTimeoutMs * 2 ** row.sends, this.#options.maxAckTimeoutMs);
    if (row.sends === 0) row.firstSentAt = wallTime;
    row.lastSentAt = wallTime;
    row.sends++;
    return { item: row.item, sends: row.sends, resume, expired: false };
  }

  #dueAt({ sentAt, timeoutMs }: Row<T>): number {
    if (sentAt >= this.#lastAckAt) return sentAt + timeoutMs;
    return Math.min(this.#lastAckAt + timeoutMs, sentAt + 8 * timeoutMs);
  }

  #expire(row: Row<T>): Taken<T> {
    this.#drop(row);
    return { ...recordOf(row), expired: true };
  }

  #drop(row: Row<T>): void {
    this.#rows = this.#rows.filter((one) => one !== row);
    if (row.item.kind !== "state") return;
    const next = this.#ofKey(row.item.key)[0];
    if (next !== undefined && next.readySince === undefined) next.readySince = this.#counter++;
  }

  #endPauses(now: number): void {
    const paused = this.#rows.filter((row) => row.pausedSince !== undefined && row.at <= now);
    for (const row of paused.sort((a, b) => (a.pausedSince as number) - (b.pausedSince as number))) {
      row.pausedSince = undefined;
      row.readySince = this.#counter++;
    }
    for (const [priority, lane] of this.#lanes) {
      if (!lane.goingBack || now < lane.notBefore || this.#ofLane(priority).some((row) => row.flying))
        continue;
      lane.goingBack = false;
      lane.resume = true;
    }
  }

  #next(): Row<T> | undefined {
    const [state] = this.#rows
      .filter((row) => row.readySince !== undefined)
      .sort((a, b) => (a.readySince as number) - (b.readySince as number));
    const events = [...this.#lanes.keys(), ...this.#rows.map((row) => row.item.priority)]
      .filter((priority) => !this.#lane(priority).goingBack)
      .flatMap((priority) =>
        this.#ofLane(priority)
          .filter((row) => !row.flying)
          .slice(0, 1),
      )
      .sort((a, b) => b.item.priority - a.item.priority);
    const [event] = events;
    if (event === undefined || state === undefined) return event ?? state;
    if (event.item.priority !== 0) return event.item.priority > 0 ? event : state;
    return state.place < event.place ? state : event;
  }

  #pause(refusals: number): number {
    const { nackDelayMs, maxNackDelayMs } = this.#options;
    return Math.min(nackDelayMs * 2 ** Math.max(refusals - 1, 0), maxNackDelayMs);
  }
}

function recordOf<T extends Outgoing>(row: Row<T>): SendRecord<T> {
  const { item, sends, firstSentAt, lastSentAt } = row;
  return { item, sends, firstSentAt, lastSentAt };
}
