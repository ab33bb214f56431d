import { describe, expect, it, onTestFinished } from "vitest";
import {
  type Budgets,
  budgetsOf,
  event,
  type Message,
  type MessageId,
  type MessageStore,
  NativeCodec,
  type NodeId,
} from "../../protocol/index.ts";
import { MessageChannel, newCounters } from "../../transport/index.ts";
import { memoryPair } from "../../transport/memory.ts";
import { openEdgeStore } from "../support/edge-store.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { messageOf, openStore } from "../support/hub-store.ts";

const node = "edge-1" as NodeId;
const hello = {
  software: "test",
  storeId: "s",
  windowMessages: 64,
  windowBytes: 1 << 20,
  maxMessageBytes: 1 << 20,
};
const options = {
  queue: {
    windowMessages: 64,
    windowBytes: 1 << 20,
    ackTimeoutMs: 300_000,
    maxAckTimeoutMs: 300_000,
    nackDelayMs: 500,
    maxNackDelayMs: 500,
    maxRefusals: 8,
  },
  keepalive: {
    pingEveryMs: Number.POSITIVE_INFINITY,
    pingAlways: false,
    deadAfterMs: Number.POSITIVE_INFINITY,
  },
  anyTrafficCounts: true,
  hello,
  maxWindowMessages: 64,
  maxWindowBytes: 1 << 20,
};

interface Outbox extends MessageStore {
  put(message: Message): Promise<unknown>;
}

/** Lets both the clock's and the store's own turns pass. */
async function settle(clock: FakeClock): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1);
  }
}

/** Puts events of these ids and this priority. */
async function putAll(outbox: Outbox, clock: FakeClock, ids: readonly string[], priority = 0): Promise<void> {
  const put = ids.map((id) =>
    outbox.put({ ...messageOf({ delivery: event({ priority }) }), id: id as MessageId }),
  );
  await settle(clock);
  await Promise.all(put);
}

const many = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${what}-${i}`);

/** The outbox on a link whose other end takes what it gets, and acks none of it unless it is told to. */
function linkOf(
  outbox: Outbox,
  clock: FakeClock,
  { budgets, acks = false }: { budgets?: Budgets | undefined; acks?: boolean } = {},
) {
  const came: string[] = [];
  const pair = memoryPair(clock);
  const channel = (side: "a" | "b", received: (message: Message) => Promise<undefined>): MessageChannel => {
    const owner = { received, control() {}, fault() {}, closed() {} };
    const codec = new NativeCodec(node, { maxMessageBytes: 1 << 20 });
    return new MessageChannel(
      { connection: pair[side], codec, owner, clock, counters: newCounters() },
      { ...options, queue: { ...options.queue, ...(side === "a" && { budgets }) } },
    );
  };
  const nothing: MessageStore = {
    follow: () => ({ next() {}, end() {} }),
    settle: () => Promise.resolve(),
    refuse: () => Promise.resolve(),
    expire: () => Promise.resolve(),
    unacked() {},
  };
  const sender = channel("a", () => Promise.resolve(undefined));
  const taker = channel("b", (message) => {
    came.push(message.id);
    return acks ? Promise.resolve(undefined) : new Promise(() => {});
  });
  taker.start(nothing);
  sender.start(outbox);
  onTestFinished(() => sender.close({ code: "E_CLOSED", text: "" }));
  return { came };
}

describe.each([
  [
    "the hub's",
    async (clock: FakeClock): Promise<Outbox> => {
      const store = await openStore({ maxBacklogMessages: 10_000 }, clock);
      await store.saveNode(node, {});
      return store.outbox(node);
    },
  ],
  [
    "the agent's",
    async (clock: FakeClock): Promise<Outbox> =>
      openEdgeStore({ outbox: { maxMessages: 10_000 } }, clock).store.outbox,
  ],
])("what is urgent in %s outbox", (_whose, open) => {
  it("goes at once, though the window is full and thousands wait before it", async () => {
    const clock = new FakeClock();
    const outbox = await open(clock);
    await putAll(outbox, clock, many("bulk", 3_000));
    const { came } = linkOf(outbox, clock);
    await settle(clock);
    expect(came).toHaveLength(64);
    await putAll(outbox, clock, ["lease"], 20);
    await settle(clock);
    expect(came.slice(64)).toEqual(["lease"]);
  });

  it("is read on though the rest stands still", async () => {
    const clock = new FakeClock();
    const outbox = await open(clock);
    await putAll(outbox, clock, many("bulk", 1_000));
    await putAll(outbox, clock, many("urgent", 1_000), 5);
    const none = { perSecond: 0, perDay: 0 };
    const budgets = budgetsOf({ urgent: none, bulk: { perSecond: 0, perDay: 1 } }, 0);
    budgets?.bulk?.spend(1, 0);
    const { came } = linkOf(outbox, clock, { budgets, acks: true });
    for (let i = 0; i < 20 && came.length < 1_000; i++) await settle(clock);
    expect(came).toEqual(many("urgent", 1_000));
  });

  it("goes first over a new link, in its order", async () => {
    const clock = new FakeClock();
    const outbox = await open(clock);
    await putAll(outbox, clock, many("early", 1_000));
    await putAll(outbox, clock, many("urgent", 3), 5);
    const { came } = linkOf(outbox, clock);
    await settle(clock);
    expect(came.slice(0, 3)).toEqual(many("urgent", 3));
    expect(came.slice(3)).toEqual(many("early", came.length - 3));
  });
});
