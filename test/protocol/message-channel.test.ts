import { describe, expect, it, vi } from "vitest";
import type { Clock } from "../../platform/clock.ts";
import { deflate } from "../../platform/short-forms.ts";
import type { LinkCodec } from "../../protocol/codec.ts";
import { event, state } from "../../protocol/delivery.ts";
import type { SendRecord } from "../../protocol/delivery-queue.ts";
import { HubError } from "../../protocol/errors.ts";
import type { StoredMessage } from "../../protocol/frame.ts";
import { KubeEdgeCloudCodec, KubeEdgeEdgeCodec } from "../../protocol/kubeedge-codec.ts";
import type { Message, MessageDraft, MessageId } from "../../protocol/message.ts";
import type { Feed, FeedReader, MessageStore, Settled } from "../../protocol/message-store.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import { packMessage } from "../../protocol/packed-codec.ts";
import { compressedPackage } from "../../protocol/short-codec.ts";
import { requireVersion } from "../../protocol/version.ts";
import type { CloseReason, Connection, ConnectionEvents } from "../../transport/connection.ts";
import {
  type ChannelOptions,
  MessageChannel,
  newCounters,
  PacedWork,
  type ReceiptContent,
} from "../../transport/index.ts";
import { memoryPair } from "../../transport/memory.ts";
import { aMessage, edge1, inOutbox } from "./messages.ts";
import { queueOptions } from "./queues.ts";
import { CountingClock, NarrowConnection } from "./simulated-link.ts";

const never = Number.POSITIVE_INFINITY;
const hello = {
  software: "test",
  storeId: "s",
  windowMessages: 2,
  windowBytes: 10_000,
  maxMessageBytes: 1_000,
};

/** Holds messages and notes what becomes of them. */
class NotingStore implements MessageStore {
  readonly notes: string[] = [];
  readonly #items: readonly StoredMessage[];
  /** How often the next writes fail. */
  failures = 0;
  /** The store cannot be read. */
  broken = false;
  /** Nobody reads it any more. */
  left = false;

  constructor(items: readonly StoredMessage[]) {
    this.#items = items;
  }

  follow(reader: FeedReader): Feed {
    let items: readonly StoredMessage[] | undefined = this.#items;
    return {
      next: () => {
        if (this.broken) reader.failed(new HubError("E_STORE_CORRUPT", "the store is damaged"));
        else if (items !== undefined) {
          const batch = items;
          items = undefined;
          reader.take(batch);
        }
      },
      end: () => {
        this.left = true;
      },
    };
  }

  settle(batch: readonly Settled[]): Promise<void> {
    const said = ({ receipt }: Settled): string =>
      receipt ? ` (${receipt.stale ? "stale, " : ""}${receipt.version})` : "";
    return this.#note(`settled ${batch.map((settled) => settled.item.id + said(settled))}`);
  }

  refuse({ item }: { item: StoredMessage }, code: string): Promise<void> {
    return this.#note(`refused ${item.id}: ${code}`);
  }

  expire(item: StoredMessage): Promise<void> {
    return this.#note(`expired ${item.id}`);
  }

  unacked(records: readonly SendRecord<StoredMessage>[]): void {
    if (records.length > 0)
      this.notes.push(`unacked ${records.map(({ item, sends }) => `${item.id} sent ${sends}`)}`);
  }

  #note(what: string): Promise<void> {
    if (this.failures-- > 0) return Promise.reject(new HubError("E_STORAGE", "the disk failed"));
    this.notes.push(what);
    return Promise.resolve();
  }
}

/** Two channels on a link without delay; `a` sends. */
class Line {
  readonly clock = new CountingClock();
  readonly came: string[] = [];
  /** What the owners are told beside messages, by side. */
  readonly told: string[] = [];
  readonly closed: string[] = [];
  readonly store: NotingStore;
  readonly counters = { a: newCounters(), b: newCounters() };
  readonly pair = memoryPair(this.clock);
  /** Of `a`. */
  endings: PacedWork | undefined;
  take: (message: Message) => Promise<ReceiptContent | undefined> = () => Promise.resolve(undefined);

  constructor(items: readonly StoredMessage[]) {
    this.store = new NotingStore(items);
  }

  startA(
    codec: LinkCodec,
    options: Partial<ChannelOptions> = {},
    connection: Connection = this.pair.a,
  ): MessageChannel {
    const channel = this.#channel("a", { connection, codec }, options);
    channel.start(this.store);
    return channel;
  }

  startB(codec: LinkCodec, options: Partial<ChannelOptions> = {}): MessageChannel {
    const channel = this.#channel("b", { connection: this.pair.b, codec }, options);
    channel.start(new NotingStore([]));
    return channel;
  }

  narrowA(fullForMs: () => number): Connection {
    return new NarrowConnection(this.pair.a, this.clock, fullForMs);
  }

  #channel(
    side: "a" | "b",
    parts: { connection: Connection; codec: LinkCodec },
    options: Partial<ChannelOptions>,
  ): MessageChannel {
    const owner = {
      received: (message: Message) => {
        this.came.push(message.id);
        return this.take(message);
      },
      control: (frame: { type: string }) => void this.told.push(`${side}: ${frame.type}`),
      fault: (error: HubError, what: string) => void this.told.push(`${side}: ${error.code}, ${what}`),
      closed: ({ code, remote }: CloseReason) =>
        void this.closed.push(`${side}: ${code}${remote ? " by the other" : ""}`),
    };
    return new MessageChannel(
      {
        ...parts,
        owner,
        clock: this.clock,
        counters: this.counters[side],
        endings: side === "a" ? this.endings : undefined,
      },
      {
        queue: queueOptions,
        keepalive: { pingEveryMs: never, pingAlways: false, deadAfterMs: never },
        anyTrafficCounts: true,
        hello,
        maxWindowMessages: 100,
        maxWindowBytes: 1e6,
        ...options,
      },
    );
  }
}

function native(): LinkCodec {
  return new NativeCodec(edge1, { maxMessageBytes: 1_000 });
}

function stored(position: number, draft: Partial<MessageDraft> = {}): StoredMessage {
  return inOutbox(
    aMessage({ id: `m${position}`, operation: "upload", delivery: event(), ...draft }),
    position,
  );
}

const stamp = { newId: () => "stamp", wallTime: () => 0 };
const limits = { maxMessageBytes: 1e6 };
/** The answer to an edge's query. */
const answer = {
  operation: "response",
  parentId: "q",
  resource: "default/configmap/c",
  content: { kind: "ConfigMap" },
};

/** Ends of links, one each second, beside one that is always under way. */
function slowEndings(clock: Clock): PacedWork {
  const endings = new PacedWork(clock, { burst: 1, perSecond: 1 });
  endings.add(() => undefined);
  return endings;
}

const silentFor = (ms: number) => ({ pingEveryMs: never, pingAlways: false, deadAfterMs: ms });

describe("a channel that waits for its end", () => {
  it("lives on if its peer is heard meanwhile, and ends in its turn if not", async () => {
    const line = new Line([]);
    line.endings = slowEndings(line.clock);
    line.startA(native(), { keepalive: silentFor(2_000) });
    const b = line.startB(native());
    await line.clock.advance(1_900);
    line.endings.add(() => undefined);
    await line.clock.advance(600);
    expect(line.closed).toEqual([]);
    b.control({ type: "ping" });
    await line.clock.advance(1_500);
    expect(line.closed).toEqual([]);
    await line.clock.advance(1_500);
    expect(line.closed).toContain("a: E_PEER_SILENT by the other");
  });

  it("ends at once where somebody needs its place, and once", async () => {
    const line = new Line([]);
    line.endings = slowEndings(line.clock);
    const a = line.startA(native(), { keepalive: silentFor(500) });
    a.endIfWaiting();
    await line.clock.advance(600);
    expect(line.closed).toEqual([]);
    a.endIfWaiting();
    expect(line.closed).toEqual(["a: E_PEER_SILENT by the other"]);
    await line.clock.advance(5_000);
    expect(line.closed).toEqual(["a: E_PEER_SILENT by the other"]);
  });

  it("whose connection was reset ends in its turn, with the reason", async () => {
    const line = new Line([stored(1)]);
    line.endings = slowEndings(line.clock);
    line.take = () => new Promise(() => {});
    const channel = line.startA(native());
    line.startB(native());
    await line.clock.advance(10);
    channel.closed({ code: "E_LINK_LOST", text: "read ECONNRESET", remote: true });
    await line.clock.advance(500);
    expect([line.closed, line.store.notes]).toEqual([[], []]);
    await line.clock.advance(1_000);
    expect(line.closed[0]).toBe("a: E_LINK_LOST by the other");
    expect(line.store.notes).toEqual(["unacked m1 sent 1"]);
  });

  it("keeps its place when the connection of a silent peer is reset, and nothing saves it then", async () => {
    const line = new Line([]);
    line.endings = slowEndings(line.clock);
    const channel = line.startA(native(), { keepalive: silentFor(500) });
    await line.clock.advance(600);
    line.endings.add(() => undefined);
    channel.closed({ code: "E_LINK_LOST", text: "read ECONNRESET", remote: true });
    channel.data(new Uint8Array(0));
    await line.clock.advance(500);
    expect(line.closed).toEqual(["a: E_LINK_LOST by the other"]);
  });

  it("that its peer ends in the moment it begins leaves nobody at the store", () => {
    const line = new Line([stored(1)]);
    const { a } = line.pair;
    const connection: Connection = {
      peer: a.peer,
      bytesReceived: 0,
      start: (events) => events.closed({ code: "E_LINK_LOST", text: "gone", remote: true }),
      send: () => true,
      close() {},
      destroy() {},
    };
    const follow = vi.spyOn(line.store, "follow");
    line.startA(native(), {}, connection);
    expect(line.closed).toEqual(["a: E_LINK_LOST by the other"]);
    expect(follow).not.toHaveBeenCalled();
  });

  it("sends nothing more to a peer that has hung up, and keeps what it has not acked", async () => {
    const line = new Line([stored(1), stored(2)]);
    line.endings = slowEndings(line.clock);
    const events: ConnectionEvents[] = [];
    const { a } = line.pair;
    let hungUp = false;
    const connection: Connection = {
      peer: a.peer,
      get bytesReceived() {
        return a.bytesReceived;
      },
      start: (own) => {
        events.push(own);
        a.start(own);
      },
      send: (messages, flushed) => !hungUp && a.send(messages, flushed),
      close: (reason) => a.close(reason),
      destroy: (reason) => a.destroy(reason),
    };
    line.take = () => new Promise(() => {});
    const channel = line.startA(native(), {}, connection);
    line.startB(native());
    await line.clock.advance(10);
    hungUp = true;
    events[0]?.hungUp?.();
    await line.clock.advance(100);
    expect([line.closed, line.store.notes]).toEqual([[], []]);
    channel.endIfWaiting();
    expect(line.closed[0]).toBe("a: E_LINK_LOST by the other");
    expect(line.store.notes).toEqual(["unacked m1 sent 1,m2 sent 1"]);
  });
});

describe("a native channel", () => {
  it("sends nothing from the store before the peer has said what it takes", async () => {
    const line = new Line([stored(1)]);
    line.startA(native());
    await line.clock.advance(5_000);
    expect(line.counters.a.sent).toBe(0);
    line.startB(native());
    await line.clock.advance(10);
    expect(line.store.notes).toEqual(["settled m1"]);
  });

  it("keeps to the window that the peer grants, though its own is larger", async () => {
    const line = new Line([1, 2, 3, 4, 5, 6].map((position) => stored(position)));
    line.take = () => new Promise(() => {});
    line.startA(native());
    line.startB(native());
    await line.clock.advance(1_000);
    expect(line.came).toEqual(["m1", "m2"]);
    expect(line.closed).toEqual([]);
  });

  it("gives up a message that is larger than the peer takes, and keeps the link", async () => {
    const line = new Line([stored(1), stored(2, { content: "x".repeat(20_000) }), stored(3)]);
    line.startA(native());
    line.startB(native());
    await line.clock.advance(1_000);
    expect(line.store.notes).toEqual(["settled m1", "refused m2: E_TOO_LARGE", "settled m3"]);
    expect(line.closed).toEqual([]);
  });

  it("sends a message of exactly the size that the peer takes, or of any if it does not say", async () => {
    const item = stored(1, { content: "x".repeat(5_000) });
    for (const [maxMessageBytes, end] of [
      [item.size, "settled m1"],
      [item.size - 1, "refused m1: E_TOO_LARGE"],
      [0, "settled m1"],
    ] as const) {
      const line = new Line([item]);
      line.startA(native());
      line.startB(native(), { hello: { ...hello, maxMessageBytes } });
      await line.clock.advance(10);
      expect(line.store.notes).toEqual([end]);
    }
  });

  it("drops a volatile message that is larger than the peer takes, and keeps the link", async () => {
    const line = new Line([]);
    const channel = line.startA(native());
    line.startB(native());
    const large = aMessage({ id: "large", content: "x".repeat(20_000) });
    expect(channel.sendVolatile(large)).toBe(false);
    await line.clock.advance(10);
    expect(channel.sendVolatile(large)).toBe(false);
    expect(channel.sendVolatile(aMessage({ id: "small" }))).toBe(true);
    await line.clock.advance(10);
    expect(line.came).toEqual(["small"]);
    expect(line.closed).toEqual([]);
  });

  it("notes a refusal until the store takes the note", async () => {
    const line = new Line([stored(1)]);
    line.take = () => Promise.reject(new HubError("E_REFUSED", "never"));
    line.store.failures = 2;
    line.startA(native());
    line.startB(native());
    await line.clock.advance(1_500);
    expect(line.store.notes).toEqual([]);
    await line.clock.advance(1_500);
    expect(line.store.notes).toEqual(["refused m1: E_REFUSED"]);
  });

  it("is not woken again and again while the connection is full", async () => {
    const line = new Line([stored(1), stored(2)]);
    line.take = () => new Promise(() => {});
    let full = 0;
    line.startA(
      native(),
      {},
      line.narrowA(() => full),
    );
    line.startB(native());
    await line.clock.advance(50);
    full = 60_000;
    await line.clock.advance(1_000);
    const before = line.clock.timers;
    await line.clock.advance(10_000);
    expect(line.clock.timers - before).toBeLessThan(10);
  });

  it("holds back what follows a refused event until the sender has gone back to it", async () => {
    const line = new Line([stored(1), stored(2)]);
    line.take = ({ id }) =>
      id === "m1" && line.came.length === 1
        ? Promise.reject(new HubError("E_STORAGE", "once"))
        : Promise.resolve(undefined);
    line.startA(native(), { queue: { ...queueOptions, nackDelayMs: 200 } });
    line.startB(native(), { hello: { ...hello, windowMessages: 1 } });
    await line.clock.advance(1_000);
    expect(line.came).toEqual(["m1", "m1", "m2"]);
    expect(line.store.notes).toEqual(["settled m1", "settled m2"]);
  });
});

describe("what a channel tells its owner and its store", () => {
  it("hands the receipt of an ack to the store with what it settles", async () => {
    const line = new Line([stored(1), stored(2)]);
    line.take = ({ id }) => Promise.resolve({ stale: id === "m2", version: requireVersion("7") });
    line.startA(native());
    line.startB(native());
    await line.clock.advance(10);
    expect(line.store.notes).toEqual(["settled m1 (7),m2 (stale, 7)"]);
  });

  it("counts what it does", async () => {
    const line = new Line([stored(1), stored(2, { source: "poison" }), stored(3)]);
    line.take = ({ id, source }) => {
      if (source === "poison") return Promise.reject(new HubError("E_REFUSED", "never"));
      return id === "m1" ? new Promise(() => {}) : Promise.resolve(undefined);
    };
    line.startA(native());
    line.startB(native());
    await line.clock.advance(150);
    expect(line.counters.a).toMatchObject({
      sent: 4,
      resent: 1,
      settled: 1,
      nacked: 1,
      expired: 0,
      ignored: 0,
    });
    expect(line.counters.b).toMatchObject({ received: 4, refused: 1, sent: 0 });
    expect(line.counters.b.bytesReceived).toBe(line.counters.a.bytesSent);
    expect(line.counters.a.bytesReceived).toBe(line.counters.b.bytesSent);
    expect(line.counters.a.bytesSent).toBeGreaterThan(0);
  });

  it("says what was sent and not acked when the link ends, and why it ended", async () => {
    const line = new Line([stored(1), stored(2)]);
    line.take = () => new Promise(() => {});
    line.startA(native());
    line.startB(native());
    await line.clock.advance(120);
    expect(line.store.left).toBe(false);
    line.pair.link.cut();
    await line.clock.advance(0);
    expect(line.store.left).toBe(true);
    expect(line.store.notes).toEqual(["unacked m1 sent 2,m2 sent 2"]);
    expect(line.closed).toEqual(["a: E_LINK_LOST by the other", "b: E_LINK_LOST by the other"]);
  });

  it("says goodbye, and hears it", async () => {
    const line = new Line([]);
    line.startA(native());
    const b = line.startB(native());
    await line.clock.advance(10);
    b.close({ code: "E_REPLACED", text: "newer" });
    b.close({ code: "E_CLOSED", text: "again" });
    await line.clock.advance(10);
    expect(line.closed).toEqual(["b: E_REPLACED", "a: E_REPLACED by the other"]);
    expect(b.sendVolatile(aMessage())).toBe(false);
  });

  it("hands over the peer's hello, calls and replies", async () => {
    const line = new Line([]);
    line.startA(native());
    const b = line.startB(native());
    b.control({ type: "call", call: 1, method: "m", body: Buffer.from("[]") });
    b.control({ type: "reply", call: 2, error: undefined, body: Buffer.from("null") });
    await line.clock.advance(10);
    expect(line.told.sort()).toEqual(["a: call", "a: hello", "a: reply", "b: hello"]);
  });

  it("refuses a message that cannot be used, and goes on", async () => {
    const unusable = {
      ...stored(1),
      packed: packMessage({ ...aMessage(), id: "x".repeat(129) as MessageId }),
    };
    const line = new Line([unusable, stored(2)]);
    line.startA(native());
    line.startB(native());
    await line.clock.advance(10);
    expect(line.came).toEqual(["m2"]);
    expect(line.store.notes.sort()).toEqual(["refused m1: E_BAD_MESSAGE", "settled m2"]);
    expect(line.told).toContain("b: E_BAD_MESSAGE, a message was refused");
    expect(line.counters.b.refused).toBe(1);
  });

  it("ends the link when the store cannot be read", async () => {
    const line = new Line([]);
    line.store.broken = true;
    line.startA(native());
    line.startB(native());
    await line.clock.advance(10);
    expect(line.closed).toEqual(["a: E_STORE_CORRUPT", "b: E_STORE_CORRUPT by the other"]);
  });

  it("ends the link for bytes that are no frame", async () => {
    const line = new Line([]);
    line.startA(native());
    line.pair.b.start({ data: () => {}, drained: () => {}, closed: () => {} });
    line.pair.b.send([Buffer.from("0101010001000000000112", "hex")]);
    await line.clock.advance(10);
    expect(line.closed).toEqual(["a: E_BAD_FRAME"]);
  });

  it("sends nothing new while checkpoints cannot be written, and goes on when they can", async () => {
    const line = new Line([1, 2, 3, 4, 5, 6].map((position) => stored(position)));
    // What acks make room for goes before anybody knows that they cannot be written: one window more.
    line.store.failures = 2;
    line.startA(native());
    line.startB(native());
    await line.clock.advance(900);
    expect(line.came).toEqual(["m1", "m2", "m3", "m4"]);
    expect(line.store.notes).toEqual([]);
    expect(line.told).toContain("a: E_STORAGE, acked messages could not be checkpointed; trying again");
    await line.clock.advance(200);
    expect(line.came).toEqual(["m1", "m2", "m3", "m4", "m5", "m6"]);
    expect(line.store.notes).toEqual(["settled m1,m2", "settled m3,m4", "settled m5,m6"]);
  });

  it("ends a link whose peer sends more than twice the window", async () => {
    const line = new Line([1, 2, 3, 4, 5].map((position) => stored(position)));
    line.take = () => new Promise(() => {});
    line.startB(native());
    line.pair.a.start({ data: () => {}, drained: () => {}, closed: () => {} });
    const greedy = native();
    for (const position of [1, 2, 3, 4]) line.pair.a.send([greedy.message(stored(position), false)]);
    await line.clock.advance(10);
    expect(line.closed).toEqual([]);
    line.pair.a.send([greedy.message(stored(5), false)]);
    await line.clock.advance(10);
    expect(line.closed).toEqual(["b: E_WINDOW_EXCEEDED"]);
  });
});

describe("a channel that inflates", () => {
  const forms = { compression: deflate };
  const inflating = (): LinkCodec => new NativeCodec(edge1, { maxMessageBytes: 1_000_000 }, forms);
  const at = { position: 1, resume: false, node: undefined };

  it.each([
    [
      "that claims to be larger than it may",
      "E_TOO_LARGE",
      compressedPackage(new Uint8Array(100), 900_000, at),
    ],
    [
      "that is larger than it claims",
      "E_BAD_FRAME",
      compressedPackage(deflate.deflate(new Uint8Array(3_000)), 2_000, at),
    ],
    ["of bytes that mean nothing", "E_BAD_FRAME", compressedPackage(Buffer.from("feedbeef", "hex"), 100, at)],
  ])("closes the link with a reason at a package %s", async (_what, code, bytes) => {
    const line = new Line([]);
    line.startA(inflating());
    line.startB(inflating());
    await line.clock.advance(10);
    line.pair.a.send([bytes]);
    await line.clock.advance(10);
    expect(line.closed).toEqual([`b: ${code}`, `a: ${code} by the other`]);
    expect(line.came).toEqual([]);
  });
});

describe("a channel on a quiet link", () => {
  const keepalive = { pingEveryMs: 50, pingAlways: false, deadAfterMs: 100 };

  it("stays: each side says something in time", async () => {
    const line = new Line([]);
    line.startA(native(), { keepalive });
    line.startB(native(), { keepalive });
    await line.clock.advance(10_000);
    expect(line.closed).toEqual([]);
    expect(line.clock.timers).toBeLessThan(6_000);
  });

  it("asks and answers with transport messages without bytes, one of them each way", async () => {
    const line = new Line([]);
    const said: string[] = [];
    const listenTo = (side: "a" | "b"): void => {
      const send = line.pair[side].send.bind(line.pair[side]);
      line.pair[side].send = (messages, flushed) => {
        for (const { length } of messages) said.push(`${side} ${length === 0 ? "ping" : "hello"}`);
        return send(messages, flushed);
      };
    };
    listenTo("a");
    listenTo("b");
    line.startA(native(), { keepalive: { ...keepalive, answerAfterMs: 25 } });
    line.startB(native(), { keepalive: { ...keepalive, pingEveryMs: 96, answerAfterMs: 25 } });
    await line.clock.advance(160);
    expect(said).toEqual(["a hello", "b hello", ...Array(3).fill(["a ping", "b ping"]).flat()]);
    expect(line.closed).toEqual([]);
  });

  it("calls a silent peer dead", async () => {
    const line = new Line([]);
    line.startA(native(), { keepalive });
    await line.clock.advance(99);
    expect(line.closed).toEqual([]);
    await line.clock.advance(2);
    expect(line.closed).toEqual(["a: E_PEER_SILENT by the other"]);
  });

  it("does not call a peer dead whose words were waiting while this process slept", async () => {
    const line = new Line([]);
    line.startA(native(), { keepalive });
    const b = line.startB(native());
    await line.clock.advance(10);
    line.pair.link.frozen = true;
    await line.clock.advance(80);
    b.control({ type: "ping" });
    line.clock.after(10, () => line.pair.link.thaw());
    await line.clock.advance(60);
    expect(line.closed).toEqual([]);
  });

  it("counts a stock edge's keepalive and nothing else as a sign of life", async () => {
    const line = new Line([]);
    const edge = new KubeEdgeEdgeCodec(edge1, stamp, limits);
    line.startA(new KubeEdgeCloudCodec(edge1, stamp, limits), {
      hello: undefined,
      anyTrafficCounts: false,
      keepalive: { pingEveryMs: never, pingAlways: false, deadAfterMs: 100 },
    });
    line.pair.b.start({ data: () => {}, drained: () => {}, closed: () => {} });
    await line.clock.advance(80);
    line.pair.b.send(edge.control({ type: "ping" }));
    await line.clock.advance(80);
    expect(line.closed).toEqual([]);
    line.pair.b.send([edge.volatile(aMessage({ operation: "query", group: "meta" }))]);
    await line.clock.advance(80);
    expect(line.closed).toEqual(["a: E_PEER_SILENT by the other"]);
  });
});

describe("a channel to a KubeEdge peer", () => {
  it("holds back nothing after a refused event: the peer has no word to go on", async () => {
    const line = new Line([1, 2, 3].map((position) => stored(position, answer)));
    let refusals = 2;
    line.take = () =>
      refusals-- > 0 ? Promise.reject(new HubError("E_STORAGE", "for now")) : Promise.resolve(undefined);
    line.startA(new KubeEdgeCloudCodec(edge1, stamp, limits), { hello: undefined });
    line.startB(new KubeEdgeEdgeCodec(edge1, stamp, limits), { hello: undefined });
    await line.clock.advance(2_000);
    expect(line.store.notes.join().match(/m\d/g)?.sort()).toEqual(["m1", "m2", "m3"]);
  });

  it("asks no longer than its time to live for the ack of an answer that nobody waits for", async () => {
    const expiresAt = new CountingClock().wallTime() + 150;
    const line = new Line([{ ...stored(1, answer), expiresAt }]);
    line.take = () => new Promise(() => {});
    const codec = new KubeEdgeCloudCodec(edge1, stamp, limits);
    line.startA(codec, { hello: undefined });
    line.startB(new KubeEdgeEdgeCodec(edge1, stamp, limits), { hello: undefined });
    await line.clock.advance(10_000);
    expect(line.came).toEqual(["m1", "m1"]);
    expect(line.store.notes).toEqual(["unacked m1 sent 2", "expired m1"]);
    expect(codec.expectsAck(stored(1, answer))).toBe(false);
  });

  it("gives it no faster than it reads what it does not acknowledge, and settles that as it goes", async () => {
    const told = { operation: "query", group: "resource" };
    const line = new Line(Array.from({ length: 8 }, (_, i) => stored(i + 1, told)));
    const options = { hello: undefined, pace: { burst: 3, perSecond: 10 } };
    line.startA(new KubeEdgeCloudCodec(edge1, stamp, limits), options);
    line.startB(new KubeEdgeEdgeCodec(edge1, stamp, limits), { hello: undefined });
    const cameAfter: number[] = [];
    for (let i = 0; i < 6; i++) {
      await line.clock.advance(i === 0 ? 5 : 100);
      cameAfter.push(line.came.length);
    }
    expect(cameAfter).toEqual([3, 4, 5, 6, 7, 8]);
    expect(line.store.notes.join().match(/m\d/g)).toEqual(line.came);
  });

  it("refuses content that is no JSON instead of losing the link over it", async () => {
    const line = new Line([
      stored(1, { operation: "update", content: Buffer.from("{oops"), delivery: state }),
      stored(2, answer),
    ]);
    line.startA(new KubeEdgeCloudCodec(edge1, stamp, limits), { hello: undefined });
    line.startB(new KubeEdgeEdgeCodec(edge1, stamp, limits), { hello: undefined });
    await line.clock.advance(1_000);
    expect(line.store.notes.sort()).toEqual(["refused m1: E_BAD_MESSAGE", "settled m2"]);
    expect(line.closed).toEqual([]);
  });
});

describe("a memory link", () => {
  it("keeps the order though its delay shrinks", async () => {
    const clock = new CountingClock();
    const { a, b, link } = memoryPair(clock);
    const came: number[] = [];
    b.start({ data: ([first]) => void came.push(first as number), drained: () => {}, closed: () => {} });
    for (const delayMs of [50, 5, 20, 0]) {
      link.delayMs = delayMs;
      a.send([Uint8Array.of(delayMs)]);
    }
    await clock.advance(100);
    expect(came).toEqual([50, 5, 20, 0]);
  });

  it("does not say that something has left after its end", async () => {
    const clock = new CountingClock();
    const { a, link } = memoryPair(clock);
    link.delayMs = 10;
    let left = false;
    a.send([Uint8Array.of(1)], () => {
      left = true;
    });
    link.cut();
    await clock.advance(100);
    expect(left).toBe(false);
  });
});
