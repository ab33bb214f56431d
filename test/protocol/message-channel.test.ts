import { describe, expect, it } from "vitest";
import type { LinkCodec } from "../../protocol/codec.ts";
import { event, state } from "../../protocol/delivery.ts";
import { HubError } from "../../protocol/errors.ts";
import type { StoredMessage } from "../../protocol/frame.ts";
import { KubeEdgeCloudCodec, KubeEdgeEdgeCodec } from "../../protocol/kubeedge-codec.ts";
import type { Message, MessageDraft } from "../../protocol/message.ts";
import type { MessageStore } from "../../protocol/message-store.ts";
import { NativeCodec } from "../../protocol/native-codec.ts";
import type { Connection } from "../../transport/connection.ts";
import { memoryPair } from "../../transport/memory.ts";
import { type ChannelOptions, MessageChannel, newCounters } from "../../transport/message-channel.ts";
import { aMessage, edge1, inOutbox } from "./messages.ts";
import { queueOptions } from "./queues.ts";
import { CountingClock, NarrowConnection } from "./simulated-link.ts";

/** What the simulation found, one by one. */

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

  constructor(items: readonly StoredMessage[]) {
    this.#items = items;
  }

  async *follow(signal: AbortSignal): AsyncGenerator<readonly StoredMessage[]> {
    yield this.#items;
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  }

  settle(batch: readonly { item: StoredMessage }[]): Promise<void> {
    return this.#note(`settled ${batch.map(({ item }) => item.id)}`);
  }

  refuse({ item }: { item: StoredMessage }, code: string): Promise<void> {
    return this.#note(`refused ${item.id}: ${code}`);
  }

  expire(item: StoredMessage): Promise<void> {
    return this.#note(`expired ${item.id}`);
  }

  unacked(): void {}

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
  readonly closed: string[] = [];
  readonly store: NotingStore;
  readonly counters = newCounters();
  readonly #pair = memoryPair(this.clock);
  take: (message: Message) => Promise<undefined> = () => Promise.resolve(undefined);

  constructor(items: readonly StoredMessage[]) {
    this.store = new NotingStore(items);
  }

  get link() {
    return this.#pair.link;
  }

  startA(
    codec: LinkCodec,
    options: Partial<ChannelOptions> = {},
    connection: Connection = this.#pair.a,
  ): MessageChannel {
    const channel = this.#channel(connection, codec, options);
    channel.start(this.store);
    return channel;
  }

  startB(codec: LinkCodec, options: Partial<ChannelOptions> = {}): void {
    this.#channel(this.#pair.b, codec, options).start(new NotingStore([]));
  }

  narrowA(fullForMs: () => number): Connection {
    return new NarrowConnection(this.#pair.a, this.clock, fullForMs);
  }

  #channel(connection: Connection, codec: LinkCodec, options: Partial<ChannelOptions>): MessageChannel {
    const never = Number.POSITIVE_INFINITY;
    const owner = {
      received: (message: Message) => {
        this.came.push(message.id);
        return this.take(message);
      },
      control: () => {},
      fault: () => {},
      closed: ({ code }: { code: string }) => void this.closed.push(code),
    };
    return new MessageChannel(
      { connection, codec, owner, clock: this.clock, counters: this.counters },
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

describe("a native channel", () => {
  it("sends nothing from the store before the peer has said what it takes", async () => {
    const line = new Line([stored(1)]);
    line.startA(native());
    await line.clock.advance(5_000);
    expect(line.counters.sent).toBe(0);
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
    expect(line.store.notes).toEqual(["expired m1"]);
    expect(codec.expectsAck(stored(1, answer))).toBe(false);
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
