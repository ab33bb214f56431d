import { describe, expect, it, test } from "vitest";
import { DeliveryQueue, type Outgoing } from "../../protocol/delivery-queue.ts";
import { randomOf } from "../support/seeds.ts";

/** A link: what it carries, how long it takes, and how much longer at times. */
interface Path {
  readonly bytesPerMs: number;
  readonly roundTripMs: number;
  readonly jitterMs?: number;
  /** The receiver commits, and acks, once in so long. */
  readonly commitEveryMs?: number;
}

const window = { leastBytes: 8 << 10, initialBytes: 64 << 10 };

/**
 * A queue that always has something to send, over a link that carries one message after the other. Time goes in steps of
 * a millisecond.
 */
class Bulk {
  readonly queue: DeliveryQueue<Outgoing>;
  path: Path;
  now = 0;
  acked = 0;
  /** When messages were sent, by position. */
  readonly sentAt = new Map<number, number>();
  #position = 0;
  #size: number;
  /** When the link has carried all that was sent. */
  #freeAt = 0;
  #arrivals: { at: number; position: number; size: number }[] = [];
  #lastArrival = 0;
  readonly #random = randomOf(1);

  get windowBytes(): number {
    return this.queue.link?.windowBytes ?? Number.NaN;
  }

  constructor(path: Path, size = 1_000, windowBytes = 1 << 20, adaptive: typeof window | "fixed" = window) {
    this.path = path;
    this.#size = size;
    this.queue = new DeliveryQueue<Outgoing>({
      windowMessages: 4_096,
      windowBytes,
      ackTimeoutMs: 300_000,
      maxAckTimeoutMs: 300_000,
      nackDelayMs: 500,
      maxNackDelayMs: 500,
      maxRefusals: 8,
      adaptive: adaptive === "fixed" ? undefined : adaptive,
    });
  }

  offer(size = this.#size, priority = 0): number {
    const position = ++this.#position;
    this.queue.offer({
      position,
      size,
      kind: "event",
      key: "",
      deleted: false,
      priority,
      expiresAt: Number.POSITIVE_INFINITY,
    });
    return position;
  }

  /** @returns Bytes acked per ms. */
  run(ms: number, more = true): number {
    const before = this.acked;
    for (const end = this.now + ms; this.now < end; this.now++) {
      while (this.#arrivals[0] !== undefined && this.#arrivals[0].at <= this.now) {
        const { position, size } = this.#arrivals.shift() as { position: number; size: number };
        if (this.queue.ack(position, this.now)) this.acked += size;
      }
      while (more && this.queue.waiting < 100) this.offer();
      for (let next = this.queue.take(this.now, 0); next; next = this.queue.take(this.now, 0))
        this.#send(next.item);
    }
    return (this.acked - before) / ms;
  }

  /** How long until it is acked. */
  timeOf(position: number): number {
    const from = this.now;
    while (this.queue.sendsOf(position) !== undefined || !this.sentAt.has(position)) this.run(1);
    return this.now - from;
  }

  #send({ position, size }: Outgoing): void {
    this.sentAt.set(position, this.now);
    const { bytesPerMs, roundTripMs, jitterMs = 0, commitEveryMs = 1 } = this.path;
    this.#freeAt = Math.max(this.#freeAt, this.now) + size / bytesPerMs;
    this.#lastArrival = Math.max(this.#lastArrival, this.#freeAt + roundTripMs + jitterMs * this.#random());
    const committedAt = Math.ceil(this.#lastArrival / commitEveryMs) * commitEveryMs;
    this.#arrivals.push({ at: committedAt, position, size });
  }
}

const kilo = 1_000;

describe("a window that follows the link", () => {
  test.each([
    ["10 KB/s, 100 ms", { bytesPerMs: 10, roundTripMs: 100 }],
    ["100 KB/s, 50 ms", { bytesPerMs: 100, roundTripMs: 50 }],
    ["1 MB/s, 200 ms", { bytesPerMs: kilo, roundTripMs: 200 }],
    ["1 MB/s, 600 ± 50 ms", { bytesPerMs: kilo, roundTripMs: 550, jitterMs: 100 }],
    ["10 MB/s, 2 ms", { bytesPerMs: 10 * kilo, roundTripMs: 2 }],
    ["10 MB/s, 50 ms", { bytesPerMs: 10 * kilo, roundTripMs: 50 }],
  ])("keeps a link of %s full", (_what, path) => {
    const bulk = new Bulk(path, path.bytesPerMs < 10 * kilo ? 1_000 : 10_000, 4 << 20);
    bulk.run(10_000);
    expect(bulk.run(60_000)).toBeGreaterThan(0.93 * path.bytesPerMs);
  });

  test.each([
    // Eight KiB are in flight in any case: 0.8 s here.
    ["10 KB/s, 100 ms", { bytesPerMs: 10, roundTripMs: 100 }, 1_500],
    ["100 KB/s, 50 ms", { bytesPerMs: 100, roundTripMs: 50 }, 400],
    ["1 MB/s, 200 ms", { bytesPerMs: kilo, roundTripMs: 200 }, 700],
  ])(
    "keeps queues short on a link of %s: what is urgent is not behind seconds of bulk",
    (_what, path, withinMs) => {
      const times = (bulk: Bulk): number => {
        bulk.run(20_000);
        const found: number[] = [];
        for (let i = 0; i < 10; i++) {
          found.push(bulk.timeOf(bulk.offer(200, 9)));
          bulk.run(1_000);
        }
        return Math.max(...found);
      };
      expect(times(new Bulk(path))).toBeLessThan(withinMs);
      if (path.bytesPerMs <= 100)
        expect(times(new Bulk(path, 1_000, 1 << 20, "fixed"))).toBeGreaterThan(5_000);
    },
  );

  it.each([150, 400])("keeps a receiver busy that commits once in %i ms", (everyMs) => {
    const bulk = new Bulk({ bytesPerMs: 5 * kilo, roundTripMs: 5, commitEveryMs: everyMs }, 5_000, 8 << 20);
    bulk.run(10_000);
    expect(bulk.run(20_000)).toBeGreaterThan(4.5 * kilo);
  });

  it("never goes beyond what the peer granted", () => {
    const bulk = new Bulk({ bytesPerMs: 10 * kilo, roundTripMs: 200 }, 1_000, 100_000);
    for (let i = 0; i < 200; i++) {
      bulk.run(50);
      expect(bulk.queue.inFlightBytes).toBeLessThanOrEqual(100_000);
    }
  });

  it("fills the link with short forms as with whole messages", () => {
    const inFlight = (wireBytes: number): number => {
      const bulk = new Bulk({ bytesPerMs: 10 * kilo, roundTripMs: 200 }, 1_000, 1 << 20);
      for (let i = 0; i < 2_000; i++) bulk.offer();
      for (let taken = 0; ; taken++) {
        const next = bulk.queue.take(0, 0);
        if (next === undefined) return taken;
        bulk.queue.spent(next.item, wireBytes, 0);
      }
    };
    expect(inFlight(1_000)).toBe(Math.floor(window.initialBytes / 1_000));
    expect(inFlight(100)).toBe(Math.floor(window.initialBytes / 100));
    // The peer's grant is of whole messages.
    expect(inFlight(1)).toBe(Math.floor((1 << 20) / 1_000));
  });

  it("begins over a path that was known with what it is told, and follows the link from the first ack on", () => {
    const bulk = new Bulk({ bytesPerMs: 10 * kilo, roundTripMs: 200 }, 1_000, 4 << 20);
    bulk.run(10_000);
    const { bytes: learned, isLimit } = bulk.queue.link?.learned ?? { bytes: 0 };
    expect(learned).toBeGreaterThan(10 * kilo * 200);
    expect(isLimit).toBe(true);
    const back = new Bulk({ bytesPerMs: 10, roundTripMs: 200 }, 1_000, 4 << 20);
    expect(back.queue.link?.learned).toEqual({ bytes: 0, isLimit: false });
    back.queue.link?.beginWith(learned);
    expect(back.windowBytes).toBe(learned);
    back.run(400);
    expect(back.acked).toBeGreaterThan(0);
    expect(back.windowBytes).toBe(window.initialBytes);
  });

  it("grows with the link, and shrinks with it", () => {
    const bulk = new Bulk({ bytesPerMs: 50, roundTripMs: 100 }, 1_000, 4 << 20);
    bulk.run(20_000);
    const thin = bulk.windowBytes;
    bulk.path = { bytesPerMs: 2_000, roundTripMs: 100 };
    bulk.run(5_000);
    expect(bulk.run(5_000)).toBeGreaterThan(1_800);
    bulk.path = { bytesPerMs: 50, roundTripMs: 100 };
    bulk.run(20_000);
    expect(bulk.windowBytes).toBeLessThan(3 * thin);
    expect(bulk.run(10_000)).toBeGreaterThan(45);
  });

  it("does not take its own queue for the length of the way, however long it sends", () => {
    const bulk = new Bulk({ bytesPerMs: 100, roundTripMs: 100 });
    for (let minute = 0; minute < 10; minute++) {
      bulk.run(60_000);
      expect(bulk.windowBytes).toBeLessThan(60_000);
    }
    expect(bulk.queue.link?.roundTripMs).toBeLessThan(300);
  });

  it("does not collapse where an ack is lost, or comes late", () => {
    const bulk = new Bulk({ bytesPerMs: kilo, roundTripMs: 100 });
    bulk.run(10_000);
    const before = bulk.windowBytes;
    const stall = bulk.path;
    bulk.path = { ...stall, roundTripMs: 1_500 };
    bulk.run(50);
    bulk.path = stall;
    bulk.run(3_000);
    expect(bulk.windowBytes).toBeGreaterThan(0.7 * before);
  });

  it("forgets nothing of the link while there is little to send", () => {
    const bulk = new Bulk({ bytesPerMs: kilo, roundTripMs: 100 });
    bulk.run(10_000);
    const before = bulk.windowBytes;
    bulk.run(1_000, false);
    for (let second = 0; second < 120; second++) {
      bulk.offer(300);
      bulk.run(1_000, false);
    }
    expect(bulk.windowBytes).toBeGreaterThan(0.7 * before);
  });

  it("is full soon: half a megabyte takes hardly longer than over a link that is known", () => {
    const path = { bytesPerMs: kilo, roundTripMs: 200 };
    const timeFor = (adaptive: typeof window | "fixed"): number => {
      const bulk = new Bulk(path, 1_000, 1 << 20, adaptive);
      while (bulk.acked < 500_000) bulk.run(10);
      return bulk.now;
    };
    expect(timeFor(window)).toBeLessThan(2 * timeFor("fixed"));
  });

  it("makes transport messages short on a thin link and long on a good one", () => {
    const pieceOn = (path: Path): number | undefined => {
      const bulk = new Bulk(path);
      bulk.run(5_000);
      return bulk.queue.link?.pieceBytes;
    };
    expect(pieceOn({ bytesPerMs: 10, roundTripMs: 100 })).toBe(2_048);
    expect(pieceOn({ bytesPerMs: 10 * kilo, roundTripMs: 20 })).toBe(16_384);
  });
});
