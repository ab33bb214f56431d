import { describe, expect, test } from "vitest";
import { DeliveryQueue, type DeliveryQueueOptions, type Outgoing } from "../../protocol/delivery-queue.ts";
import { randomOf, seeds } from "../support/seeds.ts";
import { QueueModel } from "./queue-model.ts";

/** Wall clock minus monotonic time. */
const wallOffset = 1_000_000;

type End = "replaced" | "acked" | "given up" | "expired";

/** A random life of a queue: the same commands go to the queue, to the slow model and to the watcher. */
class Life {
  readonly #random: () => number;
  readonly #options: DeliveryQueueOptions;
  readonly #queue: DeliveryQueue<Outgoing>;
  readonly #model: QueueModel<Outgoing>;
  readonly #watcher: Watcher;
  #now = 0;
  #last = 0;

  constructor(seed: number) {
    this.#random = randomOf(seed);
    this.#options = {
      windowMessages: this.#whole(1, 8),
      windowBytes: this.#whole(1, 4) * 100,
      ackTimeoutMs: 100,
      maxAckTimeoutMs: 1_000,
      nackDelayMs: 50,
      maxNackDelayMs: 400,
      expiresInFlight: this.#random() < 0.5,
      maxRefusals: this.#random() < 0.5 ? Number.POSITIVE_INFINITY : this.#whole(1, 4),
    };
    this.#queue = new DeliveryQueue(this.#options);
    this.#model = new QueueModel(this.#options);
    this.#watcher = new Watcher(this.#options);
  }

  step(): void {
    const dice = this.#random();
    if (dice < 0.3) this.#offer();
    else if (dice < 0.6) this.#take();
    else if (dice < 0.75) this.#ack(this.#anyPosition());
    else if (dice < 0.88) this.#nack(this.#anyPosition());
    else if (dice < 0.98) this.#wait();
    else this.#changeWindow();
    this.#compareLoad();
  }

  /** Everything is acked from now on, until nothing is left. */
  heal(): void {
    for (let turn = 0; turn < 10_000; turn++) {
      while (this.#take());
      for (const row of this.#model.flying) this.#ack(row.item.position);
      if (this.#queue.waiting === 0 && this.#queue.inFlight === 0) {
        expect(this.#queue.nextWakeAt()).toBe(Number.POSITIVE_INFINITY);
        this.#watcher.finished();
        return;
      }
      this.#wakeUp(0);
    }
    throw new Error(`stuck with ${this.#queue.waiting} waiting and ${this.#queue.inFlight} in flight`);
  }

  #offer(): void {
    const isEvent = this.#random() < 0.4;
    const item: Outgoing = {
      position: ++this.#last,
      size: this.#random() < 0.05 ? 1_000 : this.#whole(1, 150),
      kind: isEvent ? "event" : "state",
      key: isEvent ? "" : `key-${this.#whole(1, 4)}`,
      deleted: !isEvent && this.#random() < 0.3,
      priority: isEvent ? ([-3, 0, 0, 7][this.#whole(0, 3)] ?? 0) : 0,
      expiresAt:
        this.#random() < (isEvent ? 0.3 : 0.1)
          ? wallOffset + this.#now + this.#whole(1, 800)
          : Number.POSITIVE_INFINITY,
    };
    const outcome = this.#queue.offer(item);
    expect(outcome).toBe(this.#model.offer(item));
    this.#watcher.offered(item, outcome);
  }

  #take(): boolean {
    const wallTime = this.#now + wallOffset;
    const taken = this.#queue.take(this.#now, wallTime);
    expect(taken).toEqual(this.#model.take(this.#now, wallTime));
    if (taken === undefined) {
      const wakeAt = this.#queue.nextWakeAt();
      expect(wakeAt).toBeGreaterThan(this.#now);
      if (this.#random() < 0.3) expect(wakeAt).toBeLessThanOrEqual(this.#model.nextTake(this.#now, wallTime));
    } else if (taken.expired) this.#watcher.ended(taken.item, "expired");
    else this.#watcher.sent(taken);
    return taken !== undefined;
  }

  #ack(position: number): void {
    const settled = this.#queue.ack(position, this.#now);
    expect(settled).toEqual(this.#model.ack(position, this.#now));
    if (settled) this.#watcher.ended(settled.item, "acked");
  }

  #nack(position: number): void {
    const retryable = this.#random() < 0.8;
    const behind = retryable && this.#random() < 0.3;
    const givenUp = this.#queue.nack(position, retryable, this.#now, behind);
    expect(givenUp).toEqual(this.#model.nack(position, retryable, this.#now, behind));
    if (givenUp) this.#watcher.ended(givenUp.item, "given up");
    else this.#watcher.refused(position);
  }

  /** To just before, to or beyond the next wake-up, or some time. */
  #wait(): void {
    if (this.#random() < 0.5) this.#wakeUp(this.#whole(-1, 1));
    else this.#now += this.#whole(0, 120);
  }

  #wakeUp(lateMs: number): void {
    const wakeAt = this.#queue.nextWakeAt();
    if (wakeAt < Number.POSITIVE_INFINITY) this.#now = Math.max(this.#now, wakeAt + lateMs);
  }

  #changeWindow(): void {
    const messages = this.#whole(1, 8);
    const bytes = this.#whole(1, 400);
    this.#queue.setWindow(messages, bytes);
    this.#model.setWindow(messages, bytes);
    this.#watcher.window = { messages, bytes };
  }

  #compareLoad(): void {
    const { waiting, inFlight, inFlightBytes } = this.#queue;
    const flying = this.#model.flying;
    const load = [this.#model.waiting, flying.length, this.#model.bytes];
    expect(String([waiting, inFlight, inFlightBytes])).toBe(String(load));
    const sends = this.#model.sent
      .map((row) => `${row.item.position}: ${row.sends}, ${row.lastSentAt}`)
      .sort();
    const records = [...this.#queue.unacked()].map(
      (row) => `${row.item.position}: ${row.sends}, ${row.lastSentAt}`,
    );
    expect(String(records.sort())).toBe(String(sends));
    for (const { item } of flying)
      if (this.#queue.sendsOf(item.position)?.item !== item) expect.fail("a record is missing");
  }

  /** Mostly one in flight, sometimes one that is not. */
  #anyPosition(): number {
    const flying = this.#model.flying;
    if (flying.length === 0 || this.#random() < 0.1) return this.#whole(0, this.#last + 1);
    return (flying[this.#whole(0, flying.length - 1)] as { item: Outgoing }).item.position;
  }

  #whole(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }
}

/** Knows what must hold whatever the model says. */
class Watcher {
  window: { messages: number; bytes: number };
  readonly #offered: Outgoing[] = [];
  readonly #ends = new Map<Outgoing, End>();
  readonly #flying = new Map<number, Outgoing>();
  /** Greatest position sent per key. */
  readonly #sentOfKey = new Map<string, number>();
  /** Lanes in which an event was refused since the last new one was sent. */
  readonly #refusedLanes = new Set<number>();

  constructor(options: DeliveryQueueOptions) {
    this.window = { messages: options.windowMessages, bytes: options.windowBytes };
  }

  offered(item: Outgoing, outcome: "queued" | "replaced"): void {
    if (outcome === "replaced") {
      const gone = this.#offered.findLast((one) => one.key === item.key && one.kind === "state") as Outgoing;
      expect(gone.deleted, "a delete is never replaced").toBe(false);
      expect(this.#flying.has(gone.position), "what is in flight is never replaced").toBe(false);
      this.#end(gone, "replaced");
    }
    this.#offered.push(item);
  }

  sent({ item, resume }: { item: Outgoing; resume: boolean }): void {
    expect(this.#ends.get(item), "nothing is sent after its end").toBeUndefined();
    if (this.#flying.has(item.position)) {
      expect(resume, "a repeat does not resume").toBe(false);
      return;
    }
    if (item.kind === "state") this.#sentState(item);
    else this.#sentEvent(item, resume);
    this.#flying.set(item.position, item);
    expect(this.#flying.size, "the window holds").toBeLessThanOrEqual(
      Math.floor(this.window.messages * 1.125),
    );
    const bytes = [...this.#flying.values()].reduce((sum, one) => sum + one.size, 0);
    if (this.#flying.size > 1)
      expect(bytes, "the window holds in bytes").toBeLessThanOrEqual(this.window.bytes * 1.125);
  }

  refused(position: number): void {
    const item = this.#flying.get(position);
    this.#flying.delete(position);
    if (item?.kind === "event") this.#refusedLanes.add(item.priority);
    // A put that was refused while a newer message waited is replaced by it.
    const newer = this.#offered.some(
      (one) => one.kind === "state" && one.key === item?.key && one.position > position,
    );
    if (item?.kind === "state" && !item.deleted && newer) this.#end(item, "replaced");
  }

  ended(item: Outgoing, end: End): void {
    this.#flying.delete(item.position);
    this.#end(item, end);
  }

  finished(): void {
    for (const item of this.#offered)
      expect(this.#ends.get(item), `message ${item.position} is accounted for`).toBeDefined();
    const newest = new Map(
      this.#offered.filter(({ kind }) => kind === "state").map((item) => [item.key, item]),
    );
    for (const item of newest.values()) expect(this.#ends.get(item)).not.toBe("replaced");
  }

  #sentState(item: Outgoing): void {
    const inFlight = [...this.#flying.values()].filter(
      ({ kind, key }) => kind === "state" && key === item.key,
    );
    expect(inFlight, "at most one of a key is in flight").toEqual([]);
    expect(item.position, "positions of a key never go back").toBeGreaterThanOrEqual(
      this.#sentOfKey.get(item.key) ?? 0,
    );
    this.#sentOfKey.set(item.key, item.position);
  }

  #sentEvent(item: Outgoing, resume: boolean): void {
    const older = this.#offered.filter(
      (one) =>
        one.kind === "event" &&
        one.priority === item.priority &&
        one.position < item.position &&
        !this.#ends.has(one),
    );
    const waiting = older.filter((one) => !this.#flying.has(one.position));
    expect(waiting, "no older event of its lane waits").toEqual([]);
    expect(resume, "resume is said after a refusal, and only then").toBe(
      this.#refusedLanes.has(item.priority),
    );
    if (resume) expect(older, "nothing older of its lane is outstanding").toEqual([]);
    this.#refusedLanes.delete(item.priority);
  }

  #end(item: Outgoing, end: End): void {
    expect(this.#ends.get(item), "a message ends once").toBeUndefined();
    this.#ends.set(item, end);
  }
}

describe("whatever happens to it, the queue", () => {
  test.each(seeds(250))("does what the slow queue does and keeps its promises, seed %i", (seed) => {
    const life = new Life(seed);
    for (let step = 0; step < 200; step++) life.step();
    life.heal();
  });
});
