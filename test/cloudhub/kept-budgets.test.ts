import { beforeEach, describe, expect, it } from "vitest";
import { KeptBudgets } from "../../cloudhub/kept-budgets.ts";
import type { HubStore, RecordKind, RecordStore } from "../../cloudhub/store/hub-store.ts";
import { OncePer, silentLogger } from "../../platform/logger.ts";
import { HubError, type NodeId } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { openStore } from "../support/hub-store.ts";
import { until } from "../support/processes.ts";
import { startWorld } from "../support/world.ts";

const hour = 3_600_000;
const day = 24 * hour;
const edge = "edge-1" as NodeId;
const limits = {
  urgentBytesPerSecond: 0,
  urgentBytesPerDay: 0,
  bulkBytesPerSecond: 0,
  bulkBytesPerDay: 1_000,
};

describe("what a node has used of its day", () => {
  let store: HubStore;
  let clock: FakeClock;
  let puts: number;
  let failure: HubError | undefined;

  beforeEach(async () => {
    store = await openStore();
    clock = new FakeClock();
    puts = 0;
    failure = undefined;
  });

  /** The store, with its writes counted and failing as they are to. */
  function watched<T>(kind: RecordKind): RecordStore<T> {
    const records = store.records<T>(kind);
    return {
      ...records,
      put: (...given) => {
        puts++;
        return failure ? Promise.reject(failure) : records.put(...given);
      },
    };
  }

  /** A hub's budgets; `at` is its clock. */
  const open = (at: FakeClock = clock): Promise<KeptBudgets> =>
    KeptBudgets.open(
      { store: { records: watched }, clock: at, log: silentLogger, once: new OncePer(at, 60_000) },
      limits,
    );
  const spend = (kept: KeptBudgets, bytes: number): void =>
    kept.budgets.of(edge, {})?.bulk?.spend(bytes, clock.now());
  const waitMs = (kept: KeptBudgets): number | undefined => {
    kept.budgets.of(edge, {});
    return kept.budgets.waitMs(edge, "bulk");
  };

  it("counts on after a restart, until that day is over", async () => {
    const first = await open();
    spend(first, 1_000);
    await clock.advance(hour);
    await first.close();
    const later = new FakeClock(clock.wallTime());
    const second = await open(later);
    expect(waitMs(second)).toBe(day - hour);
    await later.advance(day - hour);
    expect(waitMs(second)).toBeUndefined();
    await second.close();
    expect(await store.records("budget").list()).toEqual([]);
  });

  it("is lost with a kill for what went in the ten seconds before", async () => {
    const killed = await open();
    spend(killed, 400);
    await clock.advance(10_000);
    spend(killed, 400);
    await clock.advance(9_999);
    const next = await open(new FakeClock(clock.wallTime()));
    expect(next.budgets.used().get(edge)?.bulk?.bytes).toBe(400);
  });

  it("is written once in ten seconds, however many messages go, and not at all if none goes", async () => {
    const kept = await open();
    for (let i = 0; i < 500; i++) {
      spend(kept, 1);
      await clock.advance(100);
      // The store writes in a turn of its own.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(puts).toBe(5);
    await clock.advance(hour);
    expect(puts).toBe(5);
    await kept.close();
    expect(puts).toBe(5);
  });

  it("is not written where only a second has a limit", async () => {
    const kept = await open();
    const perSecond = { "budget/bulk-bytes-per-day": "0", "budget/bulk-bytes-per-second": "10" };
    kept.budgets.of(edge, perSecond)?.bulk?.spend(1_000, clock.now());
    await kept.close();
    expect(puts).toBe(0);
  });

  it("ends at the latest a day after a restart, if the wall clock has been set back", async () => {
    const first = await open();
    spend(first, 1_000);
    await first.close();
    expect(waitMs(await open(new FakeClock(clock.wallTime() - 1_000 * day)))).toBe(day);
  });

  it("is over if the wall clock says so", async () => {
    const first = await open();
    spend(first, 1_000);
    await first.close();
    expect(waitMs(await open(new FakeClock(clock.wallTime() + day)))).toBeUndefined();
  });

  it("holds when its limits change, and is forgotten with the node", async () => {
    const kept = await open();
    spend(kept, 1_000);
    const { budgets } = kept;
    expect(budgets.of(edge, { "budget/bulk-bytes-per-day": "0" })).toBeUndefined();
    expect(budgets.of(edge, { "budget/bulk-bytes-per-day": "2000" })?.bulk?.used(clock.now())?.bytes).toBe(
      1_000,
    );
    await clock.advance(10_000);
    expect(await store.records("budget").list()).toHaveLength(1);
    budgets.forget(edge);
    await clock.advance(10_000);
    expect(await store.records("budget").list()).toEqual([]);
  });

  it("holds for a class whose limit comes back, while the other one has kept its own", async () => {
    const { budgets } = await open();
    const urgent = { "budget/urgent-bytes-per-day": "5000" };
    const both = { ...urgent, "budget/bulk-bytes-per-day": "2000" };
    budgets.of(edge, both)?.bulk?.spend(1_500, clock.now());
    expect(budgets.of(edge, { ...urgent, "budget/bulk-bytes-per-day": "0" })?.bulk).toBeUndefined();
    expect(budgets.of(edge, both)?.bulk?.used(clock.now())?.bytes).toBe(1_500);
  });

  it("is written later if it cannot be written now", async () => {
    const kept = await open();
    spend(kept, 700);
    failure = new HubError("E_STORAGE_FULL", "full");
    await clock.advance(10_000);
    expect(puts).toBe(1);
    failure = undefined;
    await kept.close();
    expect(await store.records("budget").get(edge)).toMatchObject({ value: { bulk: { bytes: 700 } } });
  });
});

it("a node that has used its day's budget waits after a restart of the hub, too", async () => {
  const world = await startWorld({ budget: { bulkBytesPerDay: 1_500 } });
  const agent = await world.agent("edge-1");
  const viewOf = async () => (await world.hub.nodes()).find(({ node }) => node === "edge-1");
  const put = (i: number) => ({
    node: "edge-1",
    resource: `default/configmap/c${i}`,
    operation: "update",
    resourceVersion: "1",
    content: { data: Array.from({ length: 40 }, (_, k) => Math.sin(i * 100 + k)) },
  });
  await until("it is connected", () => agent.connected);
  for (let i = 0; i < 10; i++) await world.hub.publish(put(i));
  const isOver = async () => (await viewOf())?.budgetWaitMs !== undefined;
  await until("it is over its budget", isOver);
  await until("what was under way is there", async () => (await viewOf())?.inFlight === 0);
  const had = agent.status().resources;
  expect(had).toBeLessThan(10);
  await (await world.stopHub()).start();
  await until("it is back, and over its budget", isOver);
  expect((await viewOf())?.budgetWaitMs).toBeGreaterThan(23 * hour);
  expect(agent.status().resources).toBe(had);
});
