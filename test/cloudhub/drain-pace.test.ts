import { afterEach, describe, expect, it } from "vitest";
import { DrainPace } from "../../cloudhub/store/drain-pace.ts";
import type { HubStore } from "../../cloudhub/store/hub-store.ts";
import type { NodeId, StoredMessage } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { follow } from "../support/follow.ts";
import { acked, openStore, put } from "../support/hub-store.ts";

const joining = "joining" as NodeId;
const other = "other" as NodeId;

describe("the pace at which what waits for a node is read", () => {
  const piece = { messages: 32, bytes: 1_000, tookMs: 1 };

  it("is as fast as it goes while nobody else gets news", () => {
    const pace = new DrainPace();
    pace.news(1, 1_000);
    expect(pace.limit(1, 1_000)).toBeUndefined();
    expect(pace.rest(1, 1_000, piece, 1_000)).toBe(0);
  });

  it("is a small piece and a rest while another node gets news", () => {
    const pace = new DrainPace();
    pace.news(2, 1_000);
    pace.news(1, 1_001);
    expect(pace.limit(1, 1_010)).toEqual({ messages: 32, bytes: 65_536 });
    expect(pace.rest(1, 1_010, piece, 1_010)).toBe(16);
    expect(pace.rest(1, 1_015, piece, 1_010)).toBe(11);
    expect(pace.rest(1, 1_050, piece, 1_010)).toBe(0);
  });

  it("is lively where two nodes have got news just now, not where one has", () => {
    const pace = new DrainPace();
    pace.news(1, 1_000);
    pace.news(1, 1_001);
    expect(pace.isLively(1_001)).toBe(false);
    pace.news(2, 1_002);
    expect(pace.isLively(1_101)).toBe(true);
    expect(pace.isLively(1_102)).toBe(false);
  });

  it("rests longer after much, and after what took long, but never for long", () => {
    const pace = new DrainPace();
    pace.news(2, 0);
    expect(pace.rest(1, 0, { messages: 128, bytes: 0, tookMs: 1 }, 0)).toBe(64);
    expect(pace.rest(1, 0, { messages: 1, bytes: 1 << 20, tookMs: 1 }, 0)).toBe(250);
    expect(pace.rest(1, 0, { ...piece, tookMs: 10 }, 0)).toBe(30);
    expect(pace.rest(1, 0, { messages: 1, bytes: 100 << 20, tookMs: 1 }, 0)).toBe(250);
  });

  it("is forgotten when the others' news is old", () => {
    const pace = new DrainPace();
    pace.news(2, 1_000);
    expect(pace.limit(1, 1_100)).toBeDefined();
    expect(pace.limit(1, 1_101)).toBeUndefined();
  });
});

describe("a node's queue", () => {
  let store: HubStore;
  const ended = new AbortController();
  afterEach(() => store.close());

  /** Reads until `count` messages have come; not all of them if nothing more comes. */
  const reader = (node: NodeId): { got: StoredMessage[]; keys(): Set<string> } => {
    const got: StoredMessage[] = [];
    void (async () => {
      for await (const batch of follow(store.outbox(node), ended.signal)) got.push(...batch);
    })();
    return { got, keys: () => new Set(got.map((item) => item.key)) };
  };
  const turns = async (clock: FakeClock, count = 50): Promise<void> => {
    for (let i = 0; i < count; i++) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(0);
    }
  };
  const open = async (clock: FakeClock): Promise<void> => {
    store = await openStore({ maxBacklogMessages: 10_000 }, clock);
    for (const node of [joining, other]) await store.saveNode(node, {});
  };
  const fill = (count: number): Promise<unknown> =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        store.outbox(joining).put(put("1", `c-${i}`, { node: joining })),
      ),
    );

  it("is read a piece at a time while another node gets news, and no slower than that", async () => {
    const clock = new FakeClock();
    await open(clock);
    await fill(100);
    reader(other);
    await turns(clock);
    const news = (version: number) => store.outbox(other).put(put(String(version), "news", { node: other }));
    await news(1);
    const { got } = reader(joining);
    await turns(clock);
    expect(got.length).toBe(32);
    await clock.advance(15);
    await turns(clock);
    expect(got.length).toBe(32);
    await clock.advance(1);
    await turns(clock);
    expect(got.length).toBe(64);
    await clock.advance(200);
    await turns(clock);
    expect(got.length).toBe(100);
  });

  it("is read at once when the others' news ends", async () => {
    const clock = new FakeClock();
    await open(clock);
    await fill(3_000);
    const { got } = reader(joining);
    await turns(clock, 200);
    expect(got.length).toBe(3_000);
  });

  it("is found whole, whatever is put, replaced and acked while its checkpoints are looked through", async () => {
    const clock = new FakeClock();
    await open(clock);
    await fill(2_000);
    const outbox = store.outbox(joining);
    const { got } = reader(joining);
    const newest = new Map<string, string>();
    for (let round = 0; round < 60; round++) {
      const version = String(round + 2);
      const names = [`a-${round}`, `c-${(round * 37) % 2_000}`, `z-${round}`];
      for (const name of names) newest.set(`default/configmap/${name}`, version);
      const puts = names.map((name) => outbox.put(put(version, name, { node: joining })));
      if (round % 7 === 0) await outbox.settle(got.slice(-3).map(acked));
      await Promise.all(puts);
    }
    await turns(clock, 300);
    const last = new Map(got.map((item) => [item.key, item.version as string]));
    for (const [key, version] of newest) expect([key, last.get(key)]).toEqual([key, version]);
    expect(last.size).toBe(2_000 + 120);
    const positions = got.map((item) => item.position);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(new Set(positions).size).toBe(positions.length);
  });

  it("tells of all resources of a node in order, and of no more than is asked for", async () => {
    await open(new FakeClock());
    await fill(1_200);
    const all = await store.resources({ node: joining, limit: 5_000 });
    const names = all.map((one) => one.resource);
    expect(new Set(names).size).toBe(1_200);
    expect(names).toEqual([...names].sort());
    expect((await store.resources({ node: joining, limit: 700 })).map((one) => one.resource)).toEqual(
      names.slice(0, 700),
    );
    const some = await store.resources({ node: joining, resource: "*/configmap/c-99?" });
    expect(some).toEqual([]);
    const few = await store.resources({ node: joining, resource: "*/configmap/c-99*" });
    expect(few.map((one) => one.resource).length).toBe(11);
  });
});
