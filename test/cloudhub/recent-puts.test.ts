import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Ledger } from "../../cloudhub/ledger.ts";
import { RecentPuts } from "../../cloudhub/recent-puts.ts";
import type { HubStore } from "../../cloudhub/store/hub-store.ts";
import type { Message, MessageId, NodeId, Published } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { acked, openStore, put, waitingIn } from "../support/hub-store.ts";

const node = "edge-1" as NodeId;
const id = (name: string): MessageId => name as MessageId;

describe("what is remembered of a put", () => {
  it("is whether the node has it", () => {
    const puts = new RecentPuts();
    puts.accepted(node, "r", id("a"));
    expect(puts.stateOf(node, "r", id("a"))).toBe("waiting");
    puts.ended(node, "r", id("a"), true);
    expect(puts.stateOf(node, "r", id("a"))).toBe("acked");
    expect(puts.stateOf("edge-2" as NodeId, "r", id("a"))).toBeUndefined();
  });

  it("ends with a newer one of the same resource", () => {
    const puts = new RecentPuts();
    puts.accepted(node, "r", id("a"));
    puts.accepted(node, "r", id("b"));
    puts.ended(node, "r", id("a"), true);
    expect(puts.stateOf(node, "r", id("a"))).toBeUndefined();
    expect(puts.stateOf(node, "r", id("b"))).toBe("waiting");
  });

  it("ends with a refusal: it may be put back", () => {
    const puts = new RecentPuts();
    puts.accepted(node, "r", id("a"));
    puts.ended(node, "r", id("a"), false);
    expect(puts.stateOf(node, "r", id("a"))).toBeUndefined();
  });

  it("is of the newest thousands of resources", () => {
    const puts = new RecentPuts();
    for (let i = 0; i <= 4_096; i++) puts.accepted(node, `r-${i}`, id(`${i}`));
    expect(puts.stateOf(node, "r-0", id("0"))).toBeUndefined();
    expect(puts.stateOf(node, "r-2049", id("2049"))).toBe("waiting");
    puts.accepted(node, "r-2049", id("again"));
    expect(puts.stateOf(node, "r-2049", id("2049"))).toBeUndefined();
    puts.ended(node, "r-2049", id("again"), false);
    expect(puts.stateOf(node, "r-2049", id("2049"))).toBeUndefined();
  });
});

describe("who waits for an ack", () => {
  const clock = new FakeClock();
  const limit = { timeoutMs: 1_000, after: (ms: number, run: () => void) => clock.after(ms, run) };
  let store: HubStore;
  let ledger: Ledger;
  let asked: number;
  beforeEach(async () => {
    store = await openStore({}, clock);
    await store.saveNode(node, {});
    asked = 0;
    const counting = new Proxy(store, {
      get(target, name: keyof HubStore) {
        if (name === "ledger" || name === "checkpoint") asked++;
        const value: unknown = target[name];
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    ledger = new Ledger(counting, () => undefined);
  });
  afterEach(() => store.close());

  /** As the hub does. */
  const accept = async (message: Message): Promise<Published> => {
    const { stale, version } = await store.outbox(node).put(message);
    const published = { id: message.id, node, resource: message.resource.path, version, stale };
    const whole: Published = { ...published, kind: "state" };
    if (!stale) ledger.accepted(whole);
    return whole;
  };
  const ackAll = async (): Promise<void> =>
    ledger.observed(node).settle((await waitingIn(store.outbox(node))).map(acked));

  it("hears of it without a question to the store, before and after", async () => {
    const published = await accept(put("1"));
    const waiting = ledger.acked(published, limit);
    await ackAll();
    await waiting;
    await ledger.acked(published, limit);
    expect(asked).toBe(0);
  });

  it("has it when a newer version is acked, also if that was before it asked", async () => {
    const older = await accept(put("1"));
    await accept(put("2"));
    await ackAll();
    await ledger.acked(older, limit);
  });

  it("is told of a refusal, and waits again when the message is back in the queue", async () => {
    const published = await accept(put("1"));
    const [item] = await waitingIn(store.outbox(node));
    if (item === undefined) throw new Error("nothing waits");
    await ledger.observed(node).refuse(acked(item), "E_TOO_LARGE", "no");
    await expect(ledger.acked(published, limit)).rejects.toMatchObject({ code: "E_REFUSED" });
    await store.requeue(node);
    const waiting = ledger.acked(published, limit);
    await ackAll();
    await waiting;
  });
});
