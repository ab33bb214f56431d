import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NodeFacts, rolloutOf } from "../../cloudhub/rollout.ts";
import type { Holding } from "../../cloudhub/store/hub-store.ts";
import type { NodeId, ResourceVersion } from "../../protocol/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { acked, messageOf, openStore, put, waitingIn } from "../support/hub-store.ts";

const version = (text: string) => text as ResourceVersion;
const holding = (node: string, given: Partial<Holding> = {}): Holding => ({
  node: node as NodeId,
  holds: version("7"),
  holdsDeletion: false,
  heldAt: 2_000,
  accepted: version("7"),
  acceptedDeletion: false,
  acceptedAt: 1_000,
  waiting: undefined,
  refused: undefined,
  expired: false,
  ...given,
});
const waiting = { holds: version("6"), waiting: 5 };
const facts = (given: Partial<NodeFacts> = {}): NodeFacts => ({
  connected: true,
  lastSeenAt: undefined,
  sends: () => undefined,
  ...given,
});
const rollout = (
  holdings: readonly Holding[],
  given: { version?: string; facts?: Partial<NodeFacts>; slowest?: number } = {},
) =>
  rolloutOf({
    resource: "default/configmap/limits",
    version: given.version as ResourceVersion | undefined,
    holdings,
    factsOf: () => facts(given.facts),
    slowest: given.slowest ?? 10,
  });
const stateOf = (one: Holding, given: Parameters<typeof rollout>[1] = {}) =>
  rollout([one], given).slowest[0]?.state;

describe("a node", () => {
  it("holds the newest version that was accepted for it, deletion or not", () => {
    expect(stateOf(holding("a"))).toBe("held");
    expect(stateOf(holding("a", { acceptedDeletion: true }))).toBe("queued");
    expect(stateOf(holding("a", { acceptedDeletion: true, holdsDeletion: true }))).toBe("held");
  });

  it("holds a version asked for if it has it or a newer one", () => {
    expect(stateOf(holding("a"), { version: "6" })).toBe("held");
    expect(stateOf(holding("a"), { version: "7" })).toBe("held");
    expect(stateOf(holding("a"), { version: "10" })).toBe("unpublished");
    expect(stateOf(holding("a", { ...waiting, accepted: version("10") }), { version: "10" })).toBe("queued");
  });

  it("lacks it for a reason", () => {
    expect(stateOf(holding("a", waiting), { facts: { connected: false } })).toBe("offline");
    expect(stateOf(holding("a", waiting))).toBe("queued");
    expect(stateOf(holding("a", waiting), { facts: { sends: () => ({ sends: 2, lastSentAt: 3 }) } })).toBe(
      "sent",
    );
    expect(stateOf(holding("a", { ...waiting, refused: "E_TOO_LARGE: no" }))).toBe("refused");
    expect(stateOf(holding("a", { ...waiting, expired: true }))).toBe("expired");
  });
});

describe("a rollout", () => {
  it("names those that lack it, longest first, then those that took longest", () => {
    const view = rollout([
      holding("quick", { heldAt: 1_010 }),
      holding("late", { ...waiting, acceptedAt: 500 }),
      holding("later", { ...waiting, acceptedAt: 900 }),
      holding("slow", { heldAt: 9_000 }),
    ]);
    expect(view.slowest.map((one) => one.node)).toEqual(["late", "later", "slow", "quick"]);
    expect(view.nodes).toMatchObject({ held: 2, queued: 2 });
  });

  it("tells which versions are meant when they are not the same everywhere", () => {
    const view = rollout([
      holding("a", { accepted: version("9"), holds: version("9") }),
      holding("b", { accepted: version("10") }),
    ]);
    expect(view.accepted).toEqual({ oldest: "9", newest: "10" });
    expect(rollout([]).accepted).toBeUndefined();
  });

  it("has quantiles of how long it took, of those that hold what was accepted last", () => {
    const times = Array.from({ length: 100 }, (_, i) => holding(`n${i}`, { heldAt: 1_000 + i + 1 }));
    const view = rollout([
      ...times,
      holding("newer", { holds: version("8") }),
      holding("early", { acceptedAt: undefined }),
    ]);
    expect(view.propagation).toEqual({ nodes: 100, p50Ms: 50, p99Ms: 99, maxMs: 100 });
    expect(rollout([holding("a", { heldAt: 500 })]).propagation?.maxMs).toBe(0);
  });

  it("counts every node once", () => {
    const any = fc.record({
      holds: fc.option(fc.constantFrom("5", "7", "10"), { nil: undefined }),
      accepted: fc.constantFrom("5", "7", "10"),
      refused: fc.option(fc.constant("no"), { nil: undefined }),
      heldAt: fc.option(fc.nat(5_000), { nil: undefined }),
      expired: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(any), fc.constantFrom(undefined, "5", "7", "11"), (all, wanted) => {
        const view = rollout(
          all.map((one, i) => holding(`n${i}`, one as Partial<Holding>)),
          { ...(wanted === undefined ? {} : { version: wanted }), slowest: 1_000 },
        );
        expect(Object.values(view.nodes).reduce((sum, count) => sum + count, 0)).toBe(all.length);
        expect(new Set(view.slowest.map((one) => one.node)).size).toBe(all.length);
      }),
    );
  });
});

describe("the store", () => {
  const resource = "default/configmap/limits";

  async function store() {
    const clock = new FakeClock();
    const opened = await openStore({}, clock);
    const names = ["edge-1", "edge-2"] as const;
    for (const name of names) await opened.saveNode(name as NodeId, {});
    const outbox = opened.outbox("edge-1" as NodeId);
    return { clock, opened, outbox };
  }

  it("tells of nodes that have the resource or are to get it, with the times", async () => {
    const { clock, opened, outbox } = await store();
    const acceptedAt = clock.wallTime();
    await outbox.put(put("1"));
    expect(await opened.holdings(resource)).toMatchObject([
      {
        node: "edge-1",
        holds: undefined,
        accepted: "1",
        acceptedAt,
        waiting: expect.any(Number),
        expired: false,
      },
    ]);
    await clock.advance(250);
    await outbox.settle((await waitingIn(outbox)).map(acked));
    const held = { holds: "1", heldAt: acceptedAt + 250, accepted: "1", acceptedAt, waiting: undefined };
    expect(await opened.holdings(resource)).toMatchObject([held]);
    // Looked at otherwise, its checkpoint is written; it says the same.
    await opened.checkpoint("edge-1" as NodeId, resource);
    expect(await opened.holdings(resource)).toMatchObject([held]);
    expect(await opened.holdings("default/configmap/other")).toEqual([]);
  });

  it("tells of a deletion that waits, and of one that is done", async () => {
    const { opened, outbox } = await store();
    await outbox.put(put("1"));
    await outbox.settle((await waitingIn(outbox)).map(acked));
    await outbox.put(messageOf({ resource, operation: "delete", resourceVersion: "2" }));
    expect(await opened.holdings(resource)).toMatchObject([
      { holds: "1", holdsDeletion: false, accepted: "2", acceptedDeletion: true },
    ]);
    await outbox.settle((await waitingIn(outbox)).map(acked));
    expect(await opened.holdings(resource)).toMatchObject([
      { holds: "2", holdsDeletion: true, acceptedDeletion: true },
    ]);
  });

  it("tells what a node refused, and why", async () => {
    const { clock, opened, outbox } = await store();
    await outbox.put(put("1"));
    const acceptedAt = clock.wallTime();
    await outbox.put(put("2"));
    const [item] = await waitingIn(outbox);
    if (item) await outbox.refuse(acked(item), "E_TOO_LARGE", "16 MiB at most");
    expect(await opened.holdings(resource)).toMatchObject([
      { holds: undefined, accepted: "2", acceptedAt, refused: "E_TOO_LARGE: 16 MiB at most" },
    ]);
  });
});
